"""The hours around an alert: kept moment by moment, before and after it."""

from __future__ import annotations

import numpy as np

from sales_exporter.sidecar.backtest.course import Course
from sales_exporter.sidecar.backtest.recent import CLOSE, Recent
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.verdicts import Verdicts

STEP, AT = 3_600.0, 1_793_469_600.0
SERIES = SeriesId("load")


def kept(moments: int, followed: int, comes: int = 0) -> Course | None:
    """A series with the numbers of the moments as values, followed from one of them on."""
    recent = Recent(STEP)
    for number in range(moments):
        there = np.array([1] if number >= comes else [], np.intp)
        value = np.full(there.size, float(number))
        verdicts = Verdicts(value, value, value + 1, value - 2, value + 2, value, np.zeros(there.size, np.int8))
        recent.take(AT + number * STEP, there, 2, value, verdicts)
        if number == followed:
            recent.follow("key", 1)
    return recent.close("key", SERIES)


def test_six_hours_before_and_after_are_kept() -> None:
    found = kept(50, 20)
    assert found is not None
    assert found.start == AT + 20 * STEP - CLOSE
    assert found.low.tolist() == list(range(14, 27))
    assert (found.expected[6], found.lower[6], found.upper[6]) == (21, 18, 22)


def test_at_the_end_it_is_what_came_until_then() -> None:
    found = kept(22, 20)
    assert found is not None
    assert found.high.tolist() == list(range(14, 22))


def test_before_the_first_sample_nothing_is_known() -> None:
    found = kept(30, 20, comes=18)
    assert found is not None
    assert np.isnan(found.low[:4]).all()
    assert found.low[4:].tolist() == list(range(18, 27))


def test_what_was_not_followed_is_not_kept() -> None:
    assert kept(10, 99) is None
