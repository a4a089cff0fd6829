"""The log-rank test and Holm's correction against independent libraries; risk sets of periods against exact moments."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.stats.logrank import DAY, holm, log_rank, period_risk, period_risks, slowdown

EDGES = 60 * 1.05 ** np.arange(200)


def risk_sets(durations: np.ndarray, observed: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.array([np.sum((durations == t) & observed) for t in times]),
        np.array([np.sum(durations >= t) for t in times]),
    )


def groups() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Durations, whether observed, and the group: group 1 lasts longer."""
    rng = np.random.default_rng(3)
    which = np.repeat([0, 1], 60)
    durations = np.ceil(rng.exponential(8 + 4 * which))
    watched = np.ceil(rng.exponential(20, which.size))
    shown, observed = np.minimum(durations, watched), durations <= watched
    # The longest is censored: where all end, statsmodels divides by zero.
    observed[shown == shown.max()] = False
    return shown, observed, which


def compared(rho: float = 0.0) -> tuple[float, float, float]:
    durations, observed, which = groups()
    times = np.unique(durations)
    late = risk_sets(durations[which == 1], observed[which == 1], times)
    early = risk_sets(durations[which == 0], observed[which == 0], times)
    found = log_rank(*late, *early, rho=rho)
    return float(found.z), float(found.p), float(found.p_slower)


def cells(entered: np.ndarray, stay: np.ndarray, now: float) -> tuple[np.ndarray, np.ndarray]:
    day, ended, days = entered.astype(int), entered + stay < now, math.ceil(now)
    finished = np.zeros((days, EDGES.size + 1))
    np.add.at(finished, (day[ended], np.searchsorted(EDGES, stay[ended] * DAY, "right")), 1)
    return finished, np.bincount(day[~ended], minlength=days)


@pytest.mark.slow
def test_unweighted_it_agrees_with_scipy_stats() -> None:
    from scipy.stats import CensoredData, logrank

    durations, observed, which = groups()
    theirs = logrank(*(
        CensoredData.right_censored(durations[which == g], ~observed[which == g]) for g in (1, 0)
    ))
    z, p, _ = compared()
    # Theirs is positive for more ends than expected, ours for fewer.
    assert (z, p) == pytest.approx((-theirs.statistic, theirs.pvalue), abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("rho", "options"), [(0.0, {}), (1.0, {"weight_type": "fh", "fh_p": 1})])
def test_it_agrees_with_statsmodels(rho: float, options: dict[str, object]) -> None:
    from statsmodels.duration.survfunc import survdiff

    durations, observed, which = groups()
    statistic, p_value = survdiff(durations, observed.astype(int), which, **options)
    z, p, _ = compared(rho)
    assert (z**2, p) == pytest.approx((statistic, p_value), abs=1e-6)


def test_fewer_ends_than_expected_are_slower() -> None:
    found = log_rank([1], [100], [20], [100])
    assert found.z > 0
    assert found.p_slower == pytest.approx(found.p / 2)


def test_exchanged_groups_turn_the_sign() -> None:
    assert log_rank([3, 1], [9, 5], [1, 2], [8, 6]).z == pytest.approx(-log_rank([1, 2], [8, 6], [3, 1], [9, 5]).z)


def test_stages_are_compared_side_by_side() -> None:
    both = log_rank([[1, 2], [3, 0]], [[9, 7], [9, 5]], [[2, 2], [1, 1]], [[8, 6], [8, 7]])
    assert both.z.shape == (2,)
    assert both.z[1] == pytest.approx(log_rank([3, 0], [9, 5], [1, 1], [8, 7]).z)


def test_without_events_nothing_is_compared() -> None:
    assert math.isnan(log_rank([0], [5], [0], [5]).p)


def test_groups_that_are_never_at_risk_together_are_not_compared() -> None:
    assert math.isnan(log_rank([1, 0], [5, 0], [0, 1], [0, 5]).z)


def test_more_ends_than_at_risk_are_refused() -> None:
    with pytest.raises(ValueError, match="at risk"):
        log_rank([2], [1], [0], [1])


@pytest.mark.slow
def test_holm_agrees_with_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    found = [0.03, 0.001, 0.2, 0.012, 0.9]
    assert holm(found) == pytest.approx(multipletests(found, method="holm")[1])


def test_holm_leaves_undefined_tests_out() -> None:
    assert holm([0.01, math.nan, 0.04]) == pytest.approx([0.02, math.nan, 0.04], nan_ok=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_lowers_nothing(found: list[float]) -> None:
    corrected = holm(found)
    assert (corrected >= np.array(found) - 1e-12).all()
    assert (np.diff(corrected[np.argsort(found)]) >= 0).all()


def test_holm_refuses_what_is_no_probability() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, 1.2])


def test_risk_sets_of_a_period_match_exact_moments() -> None:
    rng = np.random.default_rng(4)
    entered, stay, now = rng.uniform(0, 40, 40_000), 3 * np.exp(0.6 * rng.standard_normal(40_000)), 40
    finished, waiting = cells(entered, stay, now)
    found = period_risk(finished, waiting, EDGES, 30, 37, now)
    assert found.events.sum() == pytest.approx(np.sum((entered + stay >= 30) & (entered + stay < 37)), rel=0.01)
    for age in (0.5, 2.0, 6.0):
        bucket = np.searchsorted(EDGES, age * DAY, "right")
        lower, upper = EDGES[bucket - 1] / DAY, EDGES[bucket] / DAY
        middle, ended = (lower + upper) / 2, entered + stay
        present = (stay >= upper) & (entered + middle >= 30) & (entered + middle < 37)
        leaving = (stay >= lower) & (stay < upper) & (ended >= 30) & (ended < 37)
        assert found.at_risk[bucket] == pytest.approx(np.sum(present | leaving), rel=0.02)


def test_periods_share_out_every_end() -> None:
    rng = np.random.default_rng(5)
    finished, waiting = cells(rng.uniform(0, 20, 500), rng.exponential(4, 500), 20)
    parts = [period_risk(finished, waiting, EDGES, a, b, 20).events for a, b in ((-5, 7), (7, 13), (13, 20))]
    assert sum(parts) == pytest.approx(finished.sum(axis=0))
    together = period_risks(finished, waiting, EDGES, [(-5, 7), (7, 13), (13, 20)], 20)
    assert np.array_equal([found.events for found in together], parts)


def test_an_open_visit_is_at_risk_up_to_its_age_and_no_further() -> None:
    found = period_risk(np.zeros((10, EDGES.size + 1)), [0, 0, 0, 0, 1, 0, 0, 0, 0, 0], EDGES, 0, 10, 10)
    before, after = np.searchsorted(EDGES, [4.5 * DAY, 6.5 * DAY])
    assert (found.at_risk[before], found.at_risk[after]) == (1, 0)


def test_nobody_is_at_risk_before_the_period_begins() -> None:
    found = period_risk(np.zeros((10, EDGES.size + 1)), [1] + [0] * 9, EDGES, 6, 10, 10)
    assert found.at_risk[np.searchsorted(EDGES, 4.5 * DAY)] == 0
    assert found.at_risk[np.searchsorted(EDGES, 7 * DAY)] == 1


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 9.9))
def test_no_more_end_than_are_at_risk(seed: int, now: float) -> None:
    rng = np.random.default_rng(seed)
    finished, waiting = cells(rng.uniform(0, now, 50), rng.exponential(2, 50), now)
    found = period_risk(finished, waiting, EDGES, now / 2, now, now)
    assert (found.events <= found.at_risk).all()
    assert found.at_risk.max() <= 50 + 1e-6


@pytest.mark.parametrize(("start", "end", "now"), [(5, 5, 10), (5, 12, 10), (2, 4, 8)])
def test_a_period_out_of_order_is_refused(start: float, end: float, now: float) -> None:
    with pytest.raises(ValueError, match="period"):
        period_risk(np.zeros((10, EDGES.size + 1)), np.zeros(10), EDGES, start, end, now)


def test_counts_that_do_not_fit_the_edges_are_refused() -> None:
    with pytest.raises(ValueError, match="edges"):
        period_risk(np.zeros((10, 5)), np.zeros(10), EDGES, 0, 5, 10)


def simulated(seed: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Two stages over 80 days; in the second, those who enter from day 60 on stay ``factor`` times as long."""
    rng, parts = np.random.default_rng(seed), []
    for slower in (1.0, factor):
        entered = rng.uniform(0, 80, 1_600)
        stay = 2 * np.exp(0.6 * rng.standard_normal(1_600)) * np.where(entered >= 60, slower, 1)
        parts.append(cells(entered, stay, 80))
    return np.array([p[0] for p in parts]), np.array([p[1] for p in parts])


def test_the_stage_that_slowed_down_is_found_and_the_other_is_not() -> None:
    found = slowdown(*simulated(6, 1.6), EDGES, 80, before=42)
    assert found.p_value[1] < 0.001
    assert found.p_value[0] > 0.05


def test_a_stage_that_became_quicker_is_not_slower() -> None:
    assert slowdown(*simulated(7, 0.6), EDGES, 80, before=42).p_value[1] > 0.9


def test_a_stage_without_visits_has_no_p_value() -> None:
    finished, waiting = simulated(8, 1.0)
    more = [np.concatenate([counts, 0 * counts[:1]]) for counts in (finished, waiting)]
    found = slowdown(*more, EDGES, 80)
    assert np.isnan(found.p_value).tolist() == [False, False, True]


def test_periods_without_days_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one day"):
        slowdown(*simulated(9, 1.0), EDGES, 80, recent=0)
