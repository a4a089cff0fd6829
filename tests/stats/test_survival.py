"""Survival curves against worked examples, independent libraries and what must hold for any counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.stats.survival import aalen_johansen, cumulative_incidence, grouped, kaplan_meier, survival

# Remission times of the 6-MP arm, E. A. Freireich et al., Blood 21 (1963) 699-716; textbooks' standard example.
REMISSION = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
RELAPSED = [True] * 9 + [False] * 12
counted = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12)


def sample(size: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Durations with many ties, and the cause of each end: 0 is censored."""
    rng = np.random.default_rng(1)
    lasting, watched = np.ceil(rng.lognormal(1.5, 0.7, size) * 2), np.ceil(rng.exponential(15, size))
    return np.minimum(lasting, watched), np.where(lasting <= watched, rng.integers(1, 3, size), 0)


def by_cause(durations: np.ndarray, causes: np.ndarray, times: np.ndarray) -> np.ndarray:
    return np.array([[np.sum((durations == t) & (causes == k)) for t in times] for k in (1, 2)])


def test_remission_times_give_the_published_curve() -> None:
    curve = survival(*grouped(REMISSION, RELAPSED))
    shares = [round(curve.at(t).value, 4) for t in (6, 7, 10, 13, 16, 22, 23)]
    assert shares == [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    assert curve.quantile(0.5).value == 23


@pytest.mark.slow
def test_survival_agrees_with_statsmodels() -> None:
    from statsmodels.duration.survfunc import SurvfuncRight

    durations, causes = sample()
    ours, theirs = survival(*grouped(durations, causes > 0)), SurvfuncRight(durations, (causes > 0).astype(int))
    places = np.searchsorted(ours.times, theirs.surv_times)
    assert ours.survival[places] == pytest.approx(theirs.surv_prob, abs=1e-9)
    some = ours.survival[places] > 0
    assert np.sqrt(ours.variance[places][some]) == pytest.approx(theirs.surv_prob_se[some], abs=1e-9)
    assert ours.quantile(0.3).value == theirs.quantile(0.3)


@pytest.mark.slow
def test_late_entries_agree_with_statsmodels() -> None:
    from statsmodels.duration.survfunc import SurvfuncRight

    durations, causes = sample()
    entries = np.floor(durations * np.random.default_rng(2).uniform(0, 0.8, durations.size))
    times = np.unique(np.concatenate([durations, entries]))
    ended = by_cause(durations, causes, times).sum(axis=0)
    censored = [np.sum((durations == t) & (causes == 0)) for t in times]
    ours = survival(times, ended, censored, [np.sum(entries == t) for t in times])
    theirs = SurvfuncRight(durations, (causes > 0).astype(int), entry=entries)
    assert ours.survival[np.searchsorted(times, theirs.surv_times)] == pytest.approx(theirs.surv_prob, abs=1e-9)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The confidence interval is undefined")
def test_bounds_agree_with_scipy_stats() -> None:
    from scipy.stats import CensoredData, ecdf

    durations, causes = sample()
    theirs = ecdf(CensoredData.right_censored(durations, causes == 0)).sf
    ours, bounds = survival(*grouped(durations, causes > 0)), theirs.confidence_interval(method="log-log")
    assert theirs.quantiles.tolist() == ours.times.tolist()
    assert ours.lower == pytest.approx(bounds.low.probabilities, abs=1e-9, nan_ok=True)
    assert ours.upper == pytest.approx(bounds.high.probabilities, abs=1e-9, nan_ok=True)


@pytest.mark.slow
def test_incidence_agrees_with_statsmodels() -> None:
    from statsmodels.duration.survfunc import CumIncidenceRight

    durations, causes = sample()
    # The longest is censored: where all end, statsmodels divides by zero.
    causes[durations.argmax()] = 0
    times, _, censored = grouped(durations, causes > 0)
    ours, theirs = cumulative_incidence(times, by_cause(durations, causes, times), censored), CumIncidenceRight(
        durations, causes
    )
    places = np.searchsorted(times, theirs.times)
    for cause in (0, 1):
        assert ours.incidence[cause][places] == pytest.approx(theirs.cinc[cause], abs=1e-9)
        assert np.sqrt(ours.variance[cause][places]) == pytest.approx(theirs.cinc_se[cause], abs=1e-9)


def test_one_cause_is_the_rest_of_survival_with_the_same_bounds() -> None:
    times, events, censored = grouped(*sample())
    alone, curve = cumulative_incidence(times, [events], censored), survival(times, events, censored)
    assert alone.incidence[0] == pytest.approx(1 - curve.survival)
    assert alone.lower[0] == pytest.approx(1 - curve.upper, nan_ok=True)
    assert alone.upper[0] == pytest.approx(1 - curve.lower, nan_ok=True)


@given(counted)
def test_causes_and_the_rest_add_up_to_one(rows: list[tuple[int, int, int]]) -> None:
    won, lost, censored = np.array(rows).T
    found = cumulative_incidence(np.arange(1, won.size + 1), [won, lost], censored)
    assert found.incidence.sum(axis=0) + found.remaining == pytest.approx(np.ones(won.size))


@given(counted)
def test_a_curve_falls_and_lies_within_its_bounds(rows: list[tuple[int, int, int]]) -> None:
    events, censored, _ = np.array(rows).T
    curve = survival(np.arange(events.size), events, censored)
    known = np.isfinite(curve.lower)
    assert (np.diff(curve.survival) <= 1e-12).all()
    assert (curve.lower[known] <= curve.survival[known]).all()
    assert (curve.survival[known] <= curve.upper[known]).all()


def test_risk_sets_give_the_same_curve_as_counts() -> None:
    found = kaplan_meier([1, 2, 3], [1, 0, 2], [10, 8, 4])
    assert found.survival == pytest.approx(survival([1, 2, 3], [1, 0, 2], [1, 4, 2]).survival)


def test_censored_at_a_time_are_at_risk_of_its_events() -> None:
    assert survival([5], [1], [1]).at(5).value == 0.5


def test_a_share_that_is_not_reached_has_no_quantile() -> None:
    found = survival([1, 2], [2, 0], [0, 8]).quantile(0.5)
    assert math.isnan(found.value)


def test_a_quantile_reached_without_its_upper_bound_has_none() -> None:
    found = survival([1, 2, 3], [1, 1, 1], [0, 0, 0]).quantile(0.5)
    assert found.value == 2
    assert math.isnan(found.upper)


def test_without_censoring_the_restricted_mean_is_that_of_shortened_durations() -> None:
    durations = np.array([1.0, 2.0, 2.0, 5.0, 9.0])
    found = survival(*grouped(durations, [True] * 5)).restricted_mean(6.0)
    shortened = np.minimum(durations, 6)
    assert found.value == pytest.approx(shortened.mean())
    assert found.upper - found.value == pytest.approx(1.959964 * shortened.std() / math.sqrt(5), abs=1e-6)


def test_nothing_is_known_after_the_last_that_was_watched() -> None:
    curve = survival([1, 2], [1, 0], [0, 3])
    assert curve.at(2).value == 0.75
    assert math.isnan(curve.at(2.5).value)
    assert math.isnan(curve.restricted_mean(3).value)


def test_after_the_last_end_nothing_is_left_for_ever() -> None:
    curve = survival([1, 2], [1, 1], [0, 0])
    assert curve.at(100).value == 0
    assert curve.restricted_mean(100).value == 1.5


def test_before_the_first_end_the_share_is_one_without_bounds() -> None:
    found = survival([3], [1], [1]).at(1)
    assert found.value == 1
    assert math.isnan(found.lower)


def test_incidence_at_a_horizon_is_given_by_cause() -> None:
    found = cumulative_incidence([1, 2], [[1, 0], [0, 2]], [1, 6])
    assert [cause.value for cause in found.at(2)] == pytest.approx([0.1, 0.9 * 2 / 8])
    assert [cause.value for cause in found.at(0.5)] == [0, 0]
    assert math.isnan(found.at(3)[0].value)


def test_a_time_with_nobody_at_risk_changes_nothing() -> None:
    found = aalen_johansen([1, 2, 3], [[1, 0, 1]], [4, 0, 4])
    assert found.remaining == pytest.approx([0.75, 0.75, 0.5625])


@pytest.mark.parametrize(
    ("times", "events", "censored"),
    [([2, 1], [1, 1], [0, 0]), ([-1], [1], [0]), ([1], [-1], [0]), ([1, 2], [1], [0]), ([math.nan], [1], [0])],
)
def test_impossible_input_is_refused(times: list[float], events: list[float], censored: list[float]) -> None:
    with pytest.raises(ValueError, match=r"times|count"):
        survival(times, events, censored)


def test_more_ends_than_at_risk_are_refused() -> None:
    with pytest.raises(ValueError, match="at risk"):
        survival([1, 2], [2, 0], [0, 1], entered=[2, 0])


@pytest.mark.parametrize("duration", [-1.0, math.nan, math.inf])
def test_an_impossible_duration_is_refused(duration: float) -> None:
    with pytest.raises(ValueError, match="durations"):
        grouped([duration], [True])
