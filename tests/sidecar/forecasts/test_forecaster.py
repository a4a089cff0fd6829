"""What a forecast promises: shapes, causality, rhythm, trend, bands that hold, and no answer where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sales_exporter.sidecar.forecasts.forecaster import EXPERTS, Forecaster
from sales_exporter.sidecar.forecasts.past import day_kinds

MONDAY = 1_704_067_200.0
DAY, WEEKS = 8, 4
STEPS = WEEKS * 7 * DAY
MEDIAN = 2


def kinds(steps: int = STEPS, leads: int = DAY) -> np.ndarray:
    """From a Monday on."""
    return day_kinds(MONDAY, 86_400 / DAY, steps + leads)


def noise(series: int = 1, steps: int = STEPS, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((series, steps))


def forecast(history: np.ndarray, leads: int = DAY) -> np.ndarray:
    """Quantiles (series, leads, QUANTILES)."""
    return Forecaster(DAY, leads).forecast(history, kinds(history.shape[1], leads)).quantiles


def test_a_daily_rhythm_goes_on() -> None:
    shape = np.array([0.0, 0.0, 1.0, 5.0, 9.0, 7.0, 3.0, 1.0])
    assert forecast(np.tile(shape, WEEKS * 7)[None])[0, :, MEDIAN] == pytest.approx(shape)


def test_monday_is_forecast_from_workdays_not_from_sunday() -> None:
    days = np.tile([10.0, 10.0, 10.0, 10.0, 10.0, 1.0, 1.0], WEEKS)
    history = np.repeat(days, DAY)[None] + 0.1 * noise()
    assert forecast(history)[0, :, MEDIAN] == pytest.approx(np.full(DAY, 10.0), abs=0.5)


def test_a_holiday_is_forecast_from_weekends_when_there_was_none_before() -> None:
    days = np.tile([10.0, 10.0, 10.0, 10.0, 10.0, 1.0, 1.0], WEEKS)
    history = np.repeat(days, DAY)[None] + 0.1 * noise()
    some = kinds()
    some[STEPS:] = 7
    found = Forecaster(DAY, DAY).forecast(history, some).quantiles
    assert found[0, :, MEDIAN] == pytest.approx(np.full(DAY, 1.0), abs=0.5)


def test_growth_goes_on_into_the_days_ahead() -> None:
    history = np.arange(STEPS)[None] * 1.0 + noise()
    found = forecast(history, 3 * DAY)[0, :, MEDIAN]
    assert found == pytest.approx(STEPS + np.arange(3 * DAY), abs=0.25 * 3 * DAY)


def test_a_cycle_of_its_own_length_goes_on() -> None:
    history = (np.arange(STEPS + DAY) % 22.0)[None] + 0.01 * noise(1, STEPS + DAY)
    found = Forecaster(DAY, DAY).forecast(history[:, :STEPS], kinds())
    assert found.quantiles[0, :, MEDIAN] == pytest.approx(history[0, STEPS:], abs=0.5)
    assert found.weights[0, EXPERTS.index("cycle")] > 0.9


def test_yesterday_is_repeated_where_that_did_best() -> None:
    # Each time of day wanders from day to day on its own: its last value is all there is to know.
    levels = np.random.default_rng(3).standard_normal((20, WEEKS * 7, DAY)).cumsum(axis=1)
    weights = Forecaster(DAY, DAY).forecast(levels.reshape(20, -1), kinds()).weights
    assert np.median(weights[:, EXPERTS.index("yesterday")]) > 0.7


def test_others_stand_in_for_yesterdays_missing_value() -> None:
    levels = np.random.default_rng(3).standard_normal((20, WEEKS * 7, DAY)).cumsum(axis=1).reshape(20, -1)
    levels[:, -3] = np.nan
    assert not np.isnan(forecast(levels)).any()


def test_quantiles_are_in_order_and_wider_for_wider_noise() -> None:
    found = forecast(np.vstack([noise(), 5 * noise()]))
    assert np.all(np.diff(found, axis=2) >= 0)
    width = (found[:, :, -1] - found[:, :, 0]).mean(axis=1)
    assert width[1] == pytest.approx(5 * width[0])


def test_ninety_per_cent_bands_hold_nine_of_ten() -> None:
    values = 10 + noise(200, STEPS + DAY)
    found = Forecaster(DAY, DAY).forecast(values[:, :STEPS], kinds()).quantiles
    came = values[:, STEPS:]
    assert 0.87 <= np.mean((came >= found[:, :, 0]) & (came <= found[:, :, -1])) <= 0.94


def test_counts_are_not_forecast_below_zero() -> None:
    history = np.random.default_rng(4).poisson(0.3, (1, STEPS)) * 1.0
    found = forecast(history)
    assert found.min() == 0.0


def test_the_error_says_how_much_better_than_yesterday_the_past_forecasts_were() -> None:
    # Around a constant, a good mean has an error 1/√2 times that of the difference of two values.
    found = Forecaster(DAY, DAY).forecast(noise(50), kinds())
    assert found.error.mean() == pytest.approx(0.75, abs=0.06)


def test_missing_values_are_neither_zero_nor_made_up() -> None:
    history = 50 + noise()
    history[0, 30:70] = np.nan
    history[0, -6:] = np.inf
    assert forecast(history)[0, :, MEDIAN] == pytest.approx(np.full(DAY, 50.0), abs=1.5)


def test_an_incident_of_the_past_is_not_forecast_again() -> None:
    history = 50 + noise()
    history[0, -3 * DAY + 2 : -3 * DAY + 5] = 5_000
    assert forecast(history)[0, :, MEDIAN] == pytest.approx(np.full(DAY, 50.0), abs=2.0)


def test_a_new_level_is_believed_within_two_days() -> None:
    history = 50 + noise()
    history[0, -2 * DAY :] += 30
    assert forecast(history)[0, :, MEDIAN] == pytest.approx(np.full(DAY, 80.0), abs=15.0)


def test_a_series_is_forecast_alone() -> None:
    both = np.vstack([noise(seed=1), 100 * noise(seed=2)])
    assert forecast(both)[0] == pytest.approx(forecast(both[:1])[0])


def test_nothing_known_is_no_forecast() -> None:
    found = Forecaster(DAY, DAY).forecast(np.full((2, STEPS), np.nan), kinds())
    assert np.isnan(found.quantiles).all()
    assert np.isnan(found.error).all()


def test_less_than_four_days_are_no_forecast() -> None:
    steps = 4 * DAY - 1
    assert np.isnan(Forecaster(DAY, 3).forecast(np.ones((1, steps)), kinds(steps, 3)).quantiles).all()


def test_four_days_are_enough_to_begin_with() -> None:
    steps = 4 * DAY
    assert Forecaster(DAY, 3).forecast(np.ones((1, steps)), kinds(steps, 3)).quantiles[0, :, MEDIAN] == pytest.approx(1)


def test_no_series_are_no_forecasts() -> None:
    assert forecast(np.empty((0, STEPS))).shape == (0, DAY, 5)


def test_kinds_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="kinds must be"):
        Forecaster(DAY, DAY).forecast(noise(), kinds()[:-1])
    with pytest.raises(ValueError, match="kinds must be"):
        Forecaster(DAY, DAY).forecast(noise(), kinds() + 2)


@pytest.mark.parametrize(("day", "leads"), [(0, 1), (1, 0)])
def test_no_leads_and_no_steps_in_the_day_are_refused(day: int, leads: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        Forecaster(day, leads)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.sampled_from([0.0, 1e-9, 1.0, 1e9]), st.integers(0, 12))
@settings(max_examples=20, deadline=None)
def test_any_past_gives_quantiles_in_order_or_none(seed: int, missing: float, size: float, days: int) -> None:
    rng = np.random.default_rng(seed)
    history = size * rng.poisson(0.5, (3, days * DAY + 3))
    history[rng.random(history.shape) < missing] = np.nan
    found = forecast(history, 2 * DAY)
    assert np.all((np.diff(found, axis=2) >= 0) | np.isnan(found[:, :, 1:]))
    assert not np.isinf(found).any()
