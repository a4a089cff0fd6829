"""Dates at which limits are reached: straight lines, peaks, walks, and no crossing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sales_exporter.sidecar.forecasts.bands import QUANTILES
from sales_exporter.sidecar.forecasts.capacity import capacity

DAY, DAYS = 24, 28
STEPS = DAY * DAYS
HOURS = np.arange(STEPS) / 24.0
MEDIAN = QUANTILES.index(0.5)


def left(history: np.ndarray, limit: float, horizon: int = 28) -> np.ndarray:
    """Days left by quantile."""
    return capacity(history[None], DAY, np.array([limit]), horizon).days[0]


def test_a_disk_that_fills_evenly_is_full_on_the_day_of_the_line() -> None:
    assert left(50 + HOURS, 88)[MEDIAN] == pytest.approx(10, abs=0.6)


def test_the_slope_is_per_day() -> None:
    assert capacity((50 + 2 * HOURS)[None], DAY, np.array([200.0]), 5).slope[0] == pytest.approx(2.0)


def test_a_level_that_stays_foresees_no_crossing() -> None:
    noise = np.random.default_rng(1).standard_normal(STEPS)
    assert np.isinf(left(50 + noise, 80)).all()


def test_memory_that_is_freed_every_few_days_foresees_no_crossing() -> None:
    freed = 4 + 4 * (HOURS / 2.7 % 1) + 0.1 * np.random.default_rng(1).standard_normal(STEPS)
    assert np.isinf(left(freed, 9)[MEDIAN])


def test_what_fills_beyond_the_horizon_foresees_no_crossing() -> None:
    assert np.isinf(left(50 + HOURS, 88, horizon=5)).all()


def test_a_limit_that_is_reached_already_is_reached_now() -> None:
    assert left(50 + HOURS, 60).tolist() == [0.0] * len(QUANTILES)


def test_peaks_reach_a_limit_before_the_mean_does() -> None:
    swing = 10 * np.sin(2 * np.pi * HOURS)
    assert left(50 + HOURS + swing, 92)[MEDIAN] < left(50 + HOURS, 92)[MEDIAN] - 5


def test_weekends_at_the_end_of_the_past_do_not_hide_growth() -> None:
    week = np.where(np.arange(DAYS) % 7 >= 5, 0.3, 1.0).repeat(DAY)
    grown = (1 + 0.02 * HOURS) * 100 * week
    # Day 31 is a Wednesday: 1.0 · (1 + 0.02 · 31) is 162.
    assert left(grown, 162)[MEDIAN] == pytest.approx(3.0, abs=1.5)


def test_a_change_of_rate_is_followed() -> None:
    faster = 50 + HOURS + 2 * np.maximum(HOURS - 20, 0)
    # At 50 + 28 + 16 = 94 now, and rising by 3 a day; the whole past's line would take twice as long.
    assert left(faster, 124)[MEDIAN] == pytest.approx((124 - 94) / 3, abs=1.5)


def test_more_noise_widens_the_interval() -> None:
    walk = np.random.default_rng(2).standard_normal(STEPS).cumsum()
    calm, rough = left(50 + HOURS + 0.05 * walk, 88), left(50 + HOURS + 0.3 * walk, 88)
    assert np.diff(rough[[0, 2]])[0] > np.diff(calm[[0, 2]])[0]


def test_quantiles_are_in_order() -> None:
    walk = np.random.default_rng(3).standard_normal(STEPS).cumsum()
    found = left(50 + 0.5 * HOURS + 0.2 * walk, 75)
    assert found.tolist() == sorted(found)


def test_gaps_are_left_out() -> None:
    history = 50 + HOURS
    history[100:180], history[-10:], history[300] = np.nan, np.nan, np.inf
    assert left(history, 88)[MEDIAN] == pytest.approx(10, abs=1.0)


@pytest.mark.parametrize("history", [np.full(STEPS, np.nan), np.where(np.arange(STEPS) < STEPS - 100, np.nan, 1.0)])
def test_too_short_a_past_is_no_answer(history: np.ndarray) -> None:
    assert np.isnan(left(history, 10)).all()


def test_no_limit_is_no_answer() -> None:
    assert np.isnan(left(50 + HOURS, np.nan)).all()


def test_equal_input_gives_equal_output() -> None:
    walk = np.random.default_rng(3).standard_normal(STEPS).cumsum() + HOURS
    assert np.array_equal(left(walk, 60), left(walk, 60))


def test_a_series_is_judged_alone() -> None:
    both = np.vstack([50 + HOURS, np.random.default_rng(3).standard_normal(STEPS).cumsum()])
    found = capacity(both, DAY, np.array([88.0, 50.0]), 28).days
    assert found[0] == pytest.approx(left(both[0], 88), abs=0.1)


def test_limits_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="a limit for each series"):
        capacity(HOURS[None], DAY, np.array([1.0, 2.0]), 28)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(0, 16), st.floats(-5, 50))
@settings(max_examples=20, deadline=None)
def test_any_past_gives_dates_in_order_or_none(seed: int, missing: float, days: int, limit: float) -> None:
    rng = np.random.default_rng(seed)
    history = rng.poisson(3, (2, days * 4 + 1)) + 0.1 * rng.standard_normal((2, 1)) * np.arange(days * 4 + 1)
    history[rng.random(history.shape) < missing] = np.nan
    found = capacity(history, 4, np.full(2, limit), 10).days
    assert np.all((found[:, 1:] >= found[:, :-1]) | np.isnan(found[:, 1:]))
    assert not np.any(found < 0)
