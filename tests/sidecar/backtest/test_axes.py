"""Ticks: round in the unit of the values, local days."""

from __future__ import annotations

from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from sales_exporter.sidecar.backtest.axes import days, local, scale, short
from tests.sidecar.backtest.made import BERLIN, DAY, START


@pytest.mark.parametrize(("least", "most", "unit", "names"), [
    (0.25, 1.29, "s", ["0 s", "500 ms", "1 s", "1.5 s"]),
    (0.0, 21_000.0, "s", ["0 s", "2 h", "4 h", "6 h"]),
    (0.001, 0.009, "ratio", ["0 %", "0.25 %", "0.5 %", "0.75 %", "1 %"]),
    (3.0 * 2**30, 3.9 * 2**30, "bytes", ["3 GiB", "3.25 GiB", "3.5 GiB", "3.75 GiB", "4 GiB"]),
    (40.0, 370.0, "currency", ["0 EUR", "100 EUR", "200 EUR", "300 EUR", "400 EUR"]),
    (-3.0, 5.0, "", ["-4", "-2", "0", "2", "4", "6"]),
    (97.0, 103.0, "", ["96", "98", "100", "102", "104"]),
])
def test_ticks_are_round_in_the_unit(least: float, most: float, unit: str, names: list[str]) -> None:
    assert [name for _, name in scale(least, most, unit, "EUR").ticks] == names


@pytest.mark.parametrize("value", [0.0, 7.0, -7.0, 1e-9, 1e12])
def test_a_constant_series_lies_inside_its_axis(value: float) -> None:
    axis = scale(value, value, "", "")
    assert axis.bottom < axis.top
    assert axis.bottom <= value <= axis.top


def test_what_is_beyond_the_axis_lies_at_its_edge() -> None:
    axis = scale(0.0, 10.0, "", "")
    assert (axis.share(-5.0), axis.share(5.0), axis.share(99.0)) == (0.0, 0.5, 1.0)


def test_four_weeks_show_mondays_at_local_midnight() -> None:
    marks = days(START, START + 28 * DAY, BERLIN)
    assert [name for _, name in marks] == ["2 Nov", "9 Nov", "16 Nov", "23 Nov"]
    assert local(marks[0][0], BERLIN) == "Mon 2 Nov 2026, 00:00"


def test_a_short_time_shows_each_day_and_a_long_one_months() -> None:
    assert [name for _, name in days(START, START + 3 * DAY, BERLIN)] == ["Sun 1", "Mon 2", "Tue 3"]
    assert [name for _, name in days(START, START + 100 * DAY, BERLIN)] == ["Nov 2026", "Dec 2026", "Jan 2027",
                                                                            "Feb 2027"]


def test_a_few_hours_show_hours_and_where_a_day_begins() -> None:
    assert [name for _, name in days(START, START + 12 * 3600, BERLIN)] == ["21:00", "Sun 1", "03:00", "06:00"]


def test_days_keep_to_midnight_when_the_clocks_change() -> None:
    # Berlin goes back by an hour on 25 October 2026.
    marks = days(START - 8 * DAY, START - 5 * DAY, BERLIN)
    assert [short(at, BERLIN)[-5:] for at, _ in marks] == ["00:00"] * 3
    assert [after[0] - before[0] for before, after in pairwise(marks)] == [86_400.0, 90_000.0]


def test_moments_are_in_the_zone() -> None:
    assert local(START, BERLIN) == "Sat 31 Oct 2026, 19:00"
    assert short(START, ZoneInfo("America/New_York")) == "Sat 31 Oct, 14:00"
