"""Profiles and seasonal naive forecasts of small pasts."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.sidecar.forecasts.past import HOLIDAY, Past
from sales_exporter.sidecar.forecasts.profiles import BY_CLASS, BY_WEEKDAY, EVERY_DAY, profile, repeated


def past(values: list[float], kinds: list[int]) -> Past:
    """One step to the day, one day ahead."""
    return Past.of(np.array([values]), np.array(kinds), 1, 1)


def test_a_profile_is_a_mean_that_fades_with_age() -> None:
    some = past([1.0, 2.0, 4.0, 8.0], [0, 1, 2, 3, 4])
    # Half-life one day: weights 1/2, 1/4, 1/8, 1/16.
    assert profile(some, EVERY_DAY, 1.0)[0, -1, 0, 0] == pytest.approx((8 / 2 + 4 / 4 + 2 / 8 + 1 / 16) / (15 / 16))


def test_an_origin_sees_only_days_before_it() -> None:
    one = profile(past([1.0, 2.0, 4.0, 8.0], [0, 1, 2, 3, 4]), EVERY_DAY, 1.0)
    other = profile(past([1.0, 2.0, 4.0, 999.0], [0, 1, 2, 3, 4]), EVERY_DAY, 1.0)
    assert np.array_equal(one[:, :-1], other[:, :-1])
    assert one[0, -1, 0, 0] != other[0, -1, 0, 0]


def test_missing_days_have_no_weight() -> None:
    some = past([1.0, 2.0, 4.0, np.nan], [0, 1, 2, 3, 4])
    assert profile(some, EVERY_DAY, 1e9)[0, -1, 0, 0] == pytest.approx(7 / 3)


def test_days_of_another_class_count_where_there_is_nothing_else() -> None:
    assert profile(past([3.0, 3.0, 3.0, 3.0], [0, 1, 2, 3, 5]), BY_CLASS, 9.0)[0, -1, 0, 0] == pytest.approx(3.0)


@pytest.mark.parametrize(("kinship", "expected"), [(BY_CLASS, 2.0), (BY_WEEKDAY, 1.0)])
def test_weekdays_are_told_apart_or_not(kinship: np.ndarray, expected: float) -> None:
    some = past([1.0, 3.0, 1.0, 3.0], [0, 1, 0, 1, 0])
    assert profile(some, kinship, 1e9)[0, -1, 0, 0] == pytest.approx(expected, abs=0.1)


def test_the_same_day_is_repeated_for_as_long_as_it_is_the_last_known() -> None:
    some = Past.of(np.arange(8.0)[None], np.zeros(11, np.int64), 1, 3)
    assert repeated(some, 1)[0, -1, :, 0].tolist() == [7, 7, 7]
    assert repeated(some, 7)[0, -1, :, 0].tolist() == [1, 2, 3]


def test_a_week_before_the_first_day_is_not_known() -> None:
    assert np.isnan(repeated(past([1.0, 2.0, 3.0, 4.0], [0] * 5), 7)).all()


def test_holidays_and_other_days_do_not_repeat_each_other() -> None:
    assert np.isnan(repeated(past([1.0, 2.0, 3.0, 4.0], [0, 0, 0, 0, HOLIDAY]), 1)[0, -1, 0, 0])
    assert np.isnan(repeated(past([1.0, 2.0, 3.0, 4.0], [0, 0, 0, HOLIDAY, 0]), 1)[0, -1, 0, 0])
