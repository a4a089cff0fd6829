"""Trend tests against worked examples, and their error rates on values that depend on the ones before."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sales_exporter.stats.trend import trends

TEN = np.array([[3.0, 1.0, 4.0, 1.5, 5.0, 9.0, 2.0, 6.0, 5.5, 8.0]])


def wandering(series: int, steps: int, memory: float, seed: int) -> np.ndarray:
    """Series of variance 1 in which each value keeps ``memory`` of the one before."""
    shocks = np.random.default_rng(seed).standard_normal((series, steps + 50))
    values = np.zeros_like(shocks)
    for step in range(1, steps + 50):
        values[:, step] = memory * values[:, step - 1] + shocks[:, step]
    return values[:, 50:] * np.sqrt(1 - memory**2)


def test_the_slope_is_the_median_of_all_slopes_between_two_values() -> None:
    values = TEN[0]
    slopes = [(values[j] - values[i]) / (j - i) for i in range(10) for j in range(i + 1, 10)]
    assert trends(TEN).slope[0] == pytest.approx(np.median(slopes))


def test_p_is_that_of_kendalls_statistic_when_nothing_depends_on_the_value_before() -> None:
    # 34 pairs rise and 11 fall: S = 23, its variance 10 · 9 · 25 / 18 = 125, z = 22 / √125 = 1.968.
    found = trends(TEN)
    assert found.inflation[0] == 1.0
    assert found.p[0] == pytest.approx(0.04909, abs=1e-4)


def test_ties_take_variance_away() -> None:
    # S = 27; ties of 3, 4 and 2 leave (10 · 9 · 25 - 3 · 2 · 11 - 4 · 3 · 13 - 2 · 1 · 9) / 18 = 111.67.
    found = trends(np.array([[1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 2.0, 3.0, 4.0, 3.0]]))
    z = 26 / np.sqrt(111.6667 * found.inflation[0])
    assert found.p[0] == pytest.approx(2 * NormalDist().cdf(-z), abs=1e-4)


def test_a_straight_line_is_found_exactly() -> None:
    found = trends(5 + 0.25 * np.arange(20.0)[None])
    assert (found.slope[0], found.lower[0], found.upper[0]) == pytest.approx((0.25, 0.25, 0.25))
    assert found.p[0] < 1e-6


def test_a_constant_series_has_no_trend() -> None:
    found = trends(np.full((1, 20), 7.0))
    assert (found.slope[0], found.p[0]) == (0.0, 1.0)


def test_too_few_values_are_no_answer() -> None:
    values = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, np.nan, np.nan]])
    found = trends(values)
    assert np.isnan([found.slope[0], found.lower[0], found.p[0], found.inflation[0]]).all()
    assert found.used[0] == 7


def test_missing_and_infinite_values_are_left_out() -> None:
    line = 2.0 * np.arange(20.0)[None]
    line[0, [3, 4, 11]] = np.nan, np.inf, -np.inf
    found = trends(line)
    assert found.slope[0] == pytest.approx(2.0)
    assert found.used[0] == 17


def test_one_wild_value_moves_the_slope_little() -> None:
    line = 1.0 * np.arange(30.0)[None]
    line[0, 15] = 1e9
    assert trends(line).slope[0] == pytest.approx(1.0)


def test_a_weekly_rhythm_is_no_trend_when_weekdays_are_compared_with_their_like() -> None:
    # The third week lacks its end, which alone would tilt the line.
    week = np.array([0.0, 0.0, 0.0, 9.0, 9.0, 9.0, 9.0])
    values = np.tile(week, 3)[None, :19] + 1e-3 * np.sin(np.arange(19.0))
    assert abs(trends(values, season=7).slope[0]) < 1e-3


def test_series_do_not_see_each_other() -> None:
    both = trends(np.vstack([TEN, TEN[:, ::-1]]))
    assert both.slope[0] == -both.slope[1] == trends(TEN).slope[0]


def test_no_series_give_no_trends() -> None:
    assert trends(np.empty((0, 30))).slope.size == 0


@pytest.mark.parametrize(("season", "level"), [(0, 0.95), (1, 0.0), (1, 1.0)])
def test_senseless_parameters_are_refused(season: int, level: float) -> None:
    with pytest.raises(ValueError, match="trends take"):
        trends(TEN, season, level)


@given(st.lists(st.integers(-5, 5) | st.just(None), min_size=8, max_size=30), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_bounds_hold_the_slope_and_p_is_a_probability(some: list[int | None], season: int) -> None:
    found = trends(np.array([[np.nan if one is None else float(one) for one in some]]), season)
    if not np.isnan(found.p[0]):
        assert 0 <= found.p[0] <= 1
        assert found.lower[0] <= found.slope[0] <= found.upper[0]
        assert found.inflation[0] >= 1


@pytest.mark.slow
@pytest.mark.parametrize(("memory", "at_most"), [(0.0, 0.06), (0.3, 0.08), (0.6, 0.09)])
def test_dependence_is_rarely_taken_for_a_trend(memory: float, at_most: float) -> None:
    # Without a correction it is 5, 15 and 30 %.
    assert np.mean(trends(wandering(1_000, 56, memory, 5)).p < 0.05) <= at_most


@pytest.mark.slow
def test_intervals_hold_the_slope_of_dependent_values() -> None:
    found = trends(wandering(1_000, 56, 0.3, 6) + 0.05 * np.arange(56))
    assert np.mean((found.lower <= 0.05) & (found.upper >= 0.05)) >= 0.92
