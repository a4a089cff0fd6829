"""Numbers with units are short, never in exponents, and keep three digits."""

from __future__ import annotations

import math

import pytest

from sales_exporter.sidecar.fleet.quantities import digits, line, moment, quantity


@pytest.mark.parametrize(("value", "text"), [
    (0, "0"), (3, "3"), (3.14159, "3.14"), (0.000123456, "0.000123"), (1234.5, "1,230"), (999.6, "1,000"),
    (-1_234_567, "-1,230,000"), (120, "120"), (1e15, "1,000,000,000,000,000"), (0.5, "0.5"),
])
def test_three_digits_count(value: float, text: str) -> None:
    assert digits(value) == text


@pytest.mark.parametrize(("value", "unit", "text"), [
    (0.1234, "ratio", "12.3 %"), (1.5, "s", "1.5 s"), (0.012, "s", "12 ms"), (90, "s", "90 s"), (600, "s", "10 min"),
    (-10_800, "s", "-3 h"), (3 * 86_400, "s", "3 d"), (0, "s", "0 s"), (1536, "bytes", "1.5 KiB"), (5, "bytes", "5 B"),
    (3 * 2**40, "bytes", "3 TiB"), (1234, "currency", "1,230 EUR"), (7, "leads/h", "7 leads/h"), (7, "", "7"),
    (math.nan, "s", "unknown"), (math.inf, "", "unknown"),
])
def test_units_that_are_known_suit_the_size(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit, "EUR") == text


def test_a_moment_names_its_zone() -> None:
    assert moment(1_772_445_600) == "2026-03-02 10:00 UTC"


@pytest.mark.parametrize(("text", "longest", "expected"), [
    ("a\r\nBcc: x\x00\u202e\t b ", 99, "a Bcc: x b"), ("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcde…"),
    ("abcd fg", 6, "abcd…"),
])
def test_text_from_outside_is_one_short_line(text: str, longest: int, expected: str) -> None:
    assert line(text, longest) == expected
