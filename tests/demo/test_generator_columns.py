"""Columns turn into the bytes that COPY's binary format asks for."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.demo.generator.columns import (
    Column,
    Day,
    Decimal,
    Flag,
    Key,
    Mixed,
    Moment,
    Number,
    Small,
    Word,
)
from sales_exporter.demo.generator.relations import Relation

NULL = b"\xff\xff\xff\xff"


def row(column: Column, number: int) -> bytes:
    """The bytes of one field, without the row's count of fields."""
    return Relation("r", {"c": column}).copy_bytes(slice(number, number + 1))[2:]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (Key("L", np.array([7, -1])), [b"\0\0\0\x0aL000000007", NULL]),
        (Mixed("LC", np.array([7, 123_456_789]), np.array([0, 1])), [b"\0\0\0\x0aL000000007", b"\0\0\0\x0aC123456789"]),
        (Word(("a", "déjà"), np.array([0, 1, -1])), [b"\0\0\0\x01a", b"\0\0\0\x06d\xc3\xa9j\xc3\xa0", NULL]),
        (Moment.of(np.array([946_684_800.0, 946_684_801.5, np.nan])),
         [b"\0\0\0\x08" + bytes(8), b"\0\0\0\x08\0\0\0\0\0\x16\xe3\x60", NULL]),
        (Day.of(np.array([946_684_800.0, 946_771_200.0, np.nan])),
         [b"\0\0\0\x04" + bytes(4), b"\0\0\0\x04\0\0\0\x01", NULL]),
        (Number(np.array([1.0, np.nan])), [b"\0\0\0\x08\x3f\xf0" + bytes(6), NULL]),
        (Flag(np.array([0, 1, -1], np.int8)), [b"\0\0\0\x01\0", b"\0\0\0\x01\x01", NULL]),
        (Small(np.array([1], np.int16)), [b"\0\0\0\x02\0\x01"]),
        # 12345678.90: digits 0, 1234, 5678, 9000 from weight 2 down, positive, two decimals.
        (Decimal(np.array([12_345_678.9, np.nan])),
         [b"\0\0\0\x10" + np.array([4, 2, 0, 2, 0, 1234, 5678, 9000], ">i2").tobytes(), NULL]),
        (Decimal(np.array([0.000_125]), 6),
         [b"\0\0\0\x12" + np.array([5, 2, 0, 6, 0, 0, 0, 1, 2500], ">i2").tobytes()]),
    ],
    ids=["key", "mixed", "word", "moment", "day", "number", "flag", "small", "money", "cost"],
)
def test_field_bytes(column: Column, expected: list[bytes]) -> None:
    assert [row(column, number) for number in range(len(column))] == expected


def test_rows_with_and_without_nulls_lie_one_after_the_other() -> None:
    relation = Relation("r", {"k": Key("K", np.array([1, -1])), "w": Word(("x",), np.array([-1, 0]))})
    assert relation.copy_bytes(slice(0, 2)) == (
        b"\0\x02\0\0\0\x0aK000000001" + NULL + b"\0\x02" + NULL + b"\0\0\0\x01x")


def test_columns_of_different_length_are_no_relation() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        Relation("r", {"a": Small(np.zeros(1, np.int16)), "b": Small(np.zeros(2, np.int16))})


def test_decoded_values_are_those_of_python() -> None:
    assert Word(("a",), np.array([0, -1])).decoded() == ["a", None]
    assert Decimal(np.array([1.005, np.nan])).decoded() == [pytest.approx(1.0, abs=0.011), None]
    assert Key("L", np.array([3, -1])).decoded() == ["L000000003", None]
