"""Columns of results: exact for each type, whatever their length."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest
from pydantic import SecretStr

from sales_exporter import config
from sales_exporter.errors import ContractViolation
from sales_exporter.runtime.columns import _Array
from sales_exporter.runtime.database import Database
from tests.support.databases import Databases

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def dsn(databases: Databases) -> str:
    return databases.fresh().reader.dsn


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    found = Database(SecretStr(dsn), config.Database(statement_timeout=5.0, row_budget=100))
    yield found
    await found.close()


async def column(database: Database, values: str, kind: str = "") -> object:
    """The column of a list of values."""
    async with database.reader(5) as db:
        found = await db.columns(f"SELECT v{kind} AS v FROM (VALUES {values}) AS t (v)", ("v",))
    return found["v"]


@pytest.mark.parametrize(
    ("values", "kind", "dtype", "expected"),
    [
        ("(1), (-32768), (32767)", "::int2", np.int64, [1, -32768, 32767]),
        ("(1), (-2147483648)", "::int4", np.int64, [1, -2147483648]),
        ("(9223372036854775807), (-9223372036854775808)", "::int8", np.int64, [2**63 - 1, -(2**63)]),
        ("(true), (false), (true)", "", np.bool_, [True, False, True]),
        ("(0.1), (-1e300), ('infinity'), ('-infinity')", "::float8", np.float64, [0.1, -1e300, np.inf, -np.inf]),
    ],
)
async def test_numbers_keep_their_value_and_come_in_one_width(
    database: Database, values: str, kind: str, dtype: type, expected: list[object]
) -> None:
    found = await column(database, values, kind)
    assert isinstance(found, np.ndarray)
    assert found.dtype == dtype
    assert found.tolist() == expected
    found[0] = found[-1]  # they are copies that may be written


async def test_no_number_is_no_number(database: Database) -> None:
    found = await column(database, "('NaN'::float8)")
    assert np.isnan(found).tolist() == [True]  # type: ignore[call-overload]


async def test_moments_are_microseconds_since_1970_and_infinities_stay_at_the_ends(database: Database) -> None:
    found = await column(database, "('1970-01-01 00:00:00.000001+00'), ('2024-02-29 12:00:00.5+02'), ('1900-01-01+00'),"
                                   " ('infinity'), ('-infinity'), ('294276-12-31 23:59:59.999999+00')", "::timestamptz")
    assert isinstance(found, np.ndarray)
    limits = np.iinfo(np.int64)
    assert found.tolist()[:4] == [1, 1_709_200_800_500_000, -2_208_988_800_000_000, limits.max]
    assert found[4] < -(2**62)
    assert 0 < found[5] < limits.max


async def test_text_may_be_null_empty_or_odd(database: Database) -> None:
    assert await column(database, "('a'), (NULL), (''), ('{\"x\",NULL}'), ('é\U0001f600')") == [
        "a", None, "", '{"x",NULL}', "é\U0001f600"]


async def test_no_rows_are_empty_columns(database: Database) -> None:
    async with database.reader(5) as db:
        found = await db.columns("SELECT 1 AS n, 'x'::text AS t WHERE false", ("n", "t"))
    assert {name: len(values) for name, values in found.items()} == {"n": 0, "t": 0}
    assert list(found["t"]) == []


async def test_columns_are_longer_than_the_row_budget_and_in_step(database: Database) -> None:
    async with database.reader(5) as db:
        found = await db.columns(
            "SELECT g AS n, 'k' || g AS t, g %% 2 = 0 AS b FROM generate_series(%(low)s, 100000) AS g",
            ("n", "t", "b"), low=1)
    assert np.array_equal(found["n"], np.arange(1, 100_001))
    assert (found["t"][0], found["t"][-1], len(found["t"])) == ("k1", "k100000", 100_000)
    assert np.array_equal(found["b"], found["n"] % 2 == 0)


@pytest.mark.parametrize("kind", ["int2", "int8", "bool", "timestamptz", "float8"])
async def test_a_null_where_none_may_be_is_a_breach_of_the_contract_and_no_wrong_number(
    database: Database, kind: str
) -> None:
    async with database.reader(5) as db:
        with pytest.raises(ContractViolation, match="NullValueNotAllowed"):
            await db.columns(f"SELECT NULL::{kind} AS v FROM generate_series(1, 6)", ("v",))


async def test_rows_of_the_same_pass_are_loaded_as_before(database: Database) -> None:
    async with database.reader(5) as db:
        await db.columns("SELECT 1 AS n", ("n",))
        assert await db.fetch("SELECT ARRAY[1, NULL] AS many, true AS one") == [{"many": [1, None], "one": True}]


async def test_readings_leave_no_classes_behind(database: Database) -> None:
    await column(database, "(1)")
    before = len(_Array.__subclasses__())
    await column(database, "(1)")
    assert len(_Array.__subclasses__()) == before


@pytest.mark.parametrize("texts", [
    ["plain"], ["a,b", "NULL", "", " ", "{}"], ['a"b', "c"], ['","'], ["back\\slash", "d"], ["ü€", "x\ty"], [],
])
async def test_texts_arrive_in_a_statement_as_they_are(database: Database, texts: list[str]) -> None:
    async with database.reader(5) as db:
        found = await db.columns("SELECT v FROM unnest(%(texts)s::text[]) AS t (v)", ("v",), texts=texts)
    assert list(found["v"]) == texts
