"""The past: held gauges, rising totals, nothing from the end on."""

from __future__ import annotations

import io
import math

import numpy as np

from sales_exporter.runtime import blocks
from sales_exporter.runtime.blocks import COUNTER_STEP, GAUGE_STEP, HOUR, Series

START = 1_700_000_000 // HOUR * HOUR


def written(series: Series, low: float, high: float) -> list[tuple[int, float]]:
    """Moments after START and values."""
    out = io.StringIO()
    count = blocks.write(out, [series], START, START + low, START + high, 'job="x"')
    lines = out.getvalue().splitlines()
    assert lines.pop() == "# EOF"
    assert len(lines) == count
    assert all(line.startswith(f"{series.name}{{") for line in lines)
    return [(int(line.split()[-1]) - START, float(line.split()[-2])) for line in lines]


def test_a_gauge_is_held_until_the_next_evaluation() -> None:
    found = written(Series("g", 'a="b"', np.array([1.0, 2.0])), 0, 2 * HOUR)
    assert [at for at, _ in found] == list(range(0, 2 * HOUR, GAUGE_STEP))
    assert {value for at, value in found if at < HOUR} == {1.0}


def test_a_value_is_written_as_it_is_and_a_gap_is_none() -> None:
    out = io.StringIO()
    series = Series("g", 'a="b"', np.array([0.0, -0.0, math.nan, 2.5, 2.5]))
    blocks.write(out, [series], 0, 0, 5 * HOUR, 'job="x"', blocks.Steps(HOUR, HOUR))
    assert out.getvalue().splitlines() == [
        'g{a="b",job="x"} 0.0 0', 'g{a="b",job="x"} -0.0 3600', 'g{a="b",job="x"} 2.5 10800',
        'g{a="b",job="x"} 2.5 14400', "# EOF"]


def test_nothing_is_written_from_the_end_on() -> None:
    for series in (Series("g", "", np.array([1.0, 2.0])), Series("c_total", "", np.array([1.0, 2.0, 9.0]))):
        assert max(at for at, _ in written(series, 0, HOUR + 1000)) < HOUR + 1000


def test_parts_of_the_past_make_up_the_whole() -> None:
    for series in (Series("g", "", np.arange(5.0)), Series("c_total", "", np.arange(5.0) * 7)):
        parts = written(series, 0, 2 * HOUR) + written(series, 2 * HOUR, 4 * HOUR)
        assert parts == written(series, 0, 4 * HOUR)


def test_a_gauge_that_did_not_exist_has_no_samples() -> None:
    found = written(Series("g", "", np.array([np.nan, 2.0])), 0, 2 * HOUR)
    assert min(at for at, _ in found) == HOUR


def test_a_total_rises_evenly_in_whole_numbers() -> None:
    found = written(Series("c_total", "", np.array([0.0, 15.0])), 0, 2 * HOUR)
    assert [at for at, _ in found] == list(range(0, HOUR + 1, COUNTER_STEP))
    assert [value for _, value in found] == [n // 2 for n in range(31)]


def test_the_moments_of_the_past_are_full_hours_up_to_now() -> None:
    hours = blocks.moments(START + 1800, 2)
    assert hours[0] == START - 48 * HOUR
    assert hours[-1] == START
    assert len(hours) == 49
