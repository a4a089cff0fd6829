"""Forecasts of revenue against pipelines whose future is known, and against forecasts made at the time."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.stats.forecast import LEAST_ORIGINS, QUANTILES, Forecast, forecast
from sales_exporter.stats.runoff import DAY, Floats, History, aggregate, run_off

NOW = 700 * DAY
Deals = tuple[Floats, Floats, Floats, Floats]


def company(seed: int = 1, deals: int = 3_000, days: int = 700) -> Deals:
    """Deals opened evenly, log-normal cycles of 12 days, 30 % won: opened, closed, won, value."""
    draw = np.random.default_rng(seed)
    opened = draw.uniform(0, days * DAY, deals)
    closed = opened + draw.lognormal(2.5, 0.6, deals) * DAY
    return opened, closed, draw.random(deals) < 0.3, draw.lognormal(8, 0.7, deals)


def month(history: History, start: float = -15, end: float = 15) -> Forecast:
    found = forecast(history, history.as_of + start * DAY, history.as_of + end * DAY)
    assert found is not None
    return found


@pytest.mark.parametrize(("start", "end"), [(-15, 15), (15, 45), (-45.5, 45.3)])
def test_a_steady_company_is_forecast_at_its_rate(start: float, end: float) -> None:
    found = month(aggregate(*company(), NOW), start, end)
    truth = 0.3 * 3_000 / 700 * (end - start) * math.exp(8 + 0.7**2 / 2)
    assert found.expected == pytest.approx(truth, rel=0.25)
    assert found.quantiles[0] < truth < found.quantiles[-1]


def test_nothing_after_the_moment_of_evaluation_is_used() -> None:
    opened, closed, won, value = company()
    then = 600 * DAY
    past = opened < then
    known = np.where(closed < then, closed, np.nan)
    whole = aggregate(opened, closed, won, value, then)
    only = aggregate(opened[past], known[past], won[past] & (closed < then)[past], value[past], then)
    assert month(whole) == month(only)


@pytest.mark.slow
def test_the_backtest_is_what_would_have_been_forecast_then() -> None:
    opened, closed, won, value = company(deals=1_000, days=520)
    now, errors, total = 520 * DAY, [], []
    for back in range(21, 21 + 364 - 6, 7):
        moment = now - back * DAY
        then = month(aggregate(opened, closed, won, value, moment), -10, 20)
        came = value[won & (closed >= moment - 10 * DAY) & (closed < moment + 20 * DAY)].sum()
        errors.append(then.expected - came)
        total.append(came)
    backtest = month(aggregate(opened, closed, won, value, now), -10, 20).backtest
    assert backtest.origins == len(errors)
    assert backtest.wape == pytest.approx(np.abs(errors).sum() / np.sum(total), rel=1e-6)
    assert backtest.bias == pytest.approx(np.sum(errors) / np.sum(total), rel=1e-6)


@pytest.mark.slow
def test_bands_hold_the_outcome_as_often_as_they_say() -> None:
    held = []
    for seed in range(60):
        opened, closed, won, value = company(seed, deals=1_200, days=400)
        then = 370 * DAY
        found = month(aggregate(opened, closed, won, value, then), 0, 30)
        came = value[won & (closed >= then) & (closed < then + 30 * DAY)].sum()
        held.append(found.quantiles[1] <= came <= found.quantiles[5])
    assert 0.65 <= np.mean(held) <= 0.92


def test_what_is_won_already_is_the_least_that_comes() -> None:
    found = month(aggregate(*company(), NOW), -28, 2)
    assert found.won > 0
    assert found.quantiles[0] >= found.won
    assert found.expected > found.won


@given(st.floats(-40, 30), st.floats(1, 60), st.floats(0.01, 1_000))
def test_quantiles_ascend_and_follow_the_unit_of_money(start: float, length: float, price: float) -> None:
    opened, closed, won, value = company(deals=300, days=300)
    now, end = 300 * DAY, max(start + length, 1)
    one = month(aggregate(opened, closed, won, value, now), start, end)
    other = month(aggregate(opened, closed, won, value * price, now), start, end)
    assert len(one.quantiles) == len(QUANTILES)
    assert all(low <= high for low, high in pairwise(one.quantiles))
    assert other.quantiles == pytest.approx([part * price for part in one.quantiles], rel=1e-6)


def test_there_is_no_forecast_without_enough_of_a_past() -> None:
    opened, closed, won, value = company(deals=400, days=120)

    def after(days: float) -> Forecast | None:
        now = days * DAY
        past = opened < now
        return forecast(aggregate(opened[past], closed[past], won[past], value[past], now), now, now + 7 * DAY)

    assert after(97) is None
    found = after(98)
    assert found is not None
    assert found.backtest.origins == LEAST_ORIGINS


def test_a_company_without_deals_has_no_forecast() -> None:
    assert forecast(aggregate([], [], [], [], NOW), NOW, NOW + DAY) is None


def test_a_company_that_wins_nothing_is_expected_to_win_nothing() -> None:
    opened, closed, _, value = company()
    found = month(aggregate(opened, closed, np.zeros(3_000), value, NOW))
    assert found.quantiles == (0.0,) * len(QUANTILES)
    assert math.isnan(found.backtest.wape)
    assert found.backtest.coverage == (1.0, 1.0, 1.0)


def test_overlapping_periods_count_once() -> None:
    found = month(aggregate(*company(), NOW), -15, 15)
    assert found.backtest.periods == pytest.approx(found.backtest.origins * 7 / 30)


def test_open_deals_win_with_the_hazard_of_their_age() -> None:
    # A deal a day for 300 days, each closed in the 11th day after its opening, every other one won.
    opened = np.arange(0.5, 300) * DAY
    closed = np.where(opened + 10.1 * DAY < 300 * DAY, opened + 10.1 * DAY, np.nan)
    won = (np.arange(300) % 2 == 0) & np.isfinite(closed)
    history = aggregate(opened, closed, won, np.full(300, 100.0), 300 * DAY)
    # Ten deals are open when the coming ten days begin, and each of these days one is due, half of which are won.
    found = run_off(history, 0, 300, np.ones(10), float(won.sum() * 100))
    assert found.mean == pytest.approx(500, rel=0.15)
    assert found.variance == pytest.approx(10 * 0.25 * 100**2, rel=0.3)


def test_wins_without_an_opening_count_as_revenue() -> None:
    opened, closed, won, value = company()
    some = np.where(np.arange(3_000) % 10 == 0, np.nan, opened)
    whole, less = month(aggregate(opened, closed, won, value, NOW)), month(aggregate(some, closed, won, value, NOW))
    assert less.won == whole.won
    assert less.expected == pytest.approx(whole.expected, rel=0.08)


def test_without_any_opening_the_level_is_the_forecast() -> None:
    opened, closed, won, value = company()
    found = month(aggregate(opened * np.nan, closed, won, value, NOW), 0, 91)
    recent = won & (closed >= NOW - 91 * DAY) & (closed < NOW)
    assert found.expected == pytest.approx(value[recent].sum())


def test_open_deals_are_expected_to_win_when_no_more_are_opened() -> None:
    opened, closed, won, value = company(days=600)
    later = np.where(opened > 595 * DAY, closed + 100 * DAY, closed)
    assert run_off(aggregate(opened, later, won, value, NOW), 609, 700, np.ones(30), 1e5).mean > 0


def test_deals_without_value_and_wins_without_closing_are_left_out() -> None:
    opened, closed, won, value = company()
    odd = aggregate(
        np.append(opened, [NOW - DAY, NOW - DAY]), np.append(closed, [NOW, np.nan]), np.append(won, [False, True]),
        np.append(value, [np.nan, 1e9]), NOW,
    )
    assert month(odd) == month(aggregate(opened, closed, won, value, NOW))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        aggregate([1.0], [2.0, 3.0], [True], [1.0], NOW)
    with pytest.raises(ValueError, match="negative"):
        aggregate([1.0], [2.0], [True], [-1.0], NOW)
    history = aggregate([1.0], [2.0], [True], [1.0], NOW)
    for start, end in [(NOW - 2 * DAY, NOW), (NOW + 2 * DAY, NOW + DAY)]:
        with pytest.raises(ValueError, match="must end after"):
            forecast(history, start, end)
