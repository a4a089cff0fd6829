"""Projected conversion against worked examples, what must hold for any cohort, and the truth of simulated leads."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.stats import projection
from sales_exporter.stats.projection import (
    DAY,
    Cohorts,
    Course,
    foresee,
    learn,
    learn_each,
    maturity,
    project,
    simulate,
)

EDGES = 60 * 1.05 ** np.arange(240)
DAYS = DAY * np.arange(1, 31)
"""Edges for worked examples: a bucket a day."""


def cohorts(seed: int, leads: int = 3_000, now: int = 120, rate: float = 0.3, losing: float = 0.4) -> tuple:
    """Leads of ``now`` days that are won, lost or neither; and the share of the last 30 days won within 30 days."""
    rng = np.random.default_rng(seed)
    created, kind = rng.uniform(0, now, leads), rng.random(leads)
    ended = created + 10 * np.exp(0.6 * rng.standard_normal(leads))
    day, bucket = created.astype(int), np.searchsorted(EDGES, (ended - created) * DAY, "right")
    won, lost = np.zeros((2, now, EDGES.size + 1))
    np.add.at(won, (day[wins := (kind < rate) & (ended < now)], bucket[wins]), 1)
    np.add.at(lost, (day[gone := (kind > 1 - losing) & (ended < now)], bucket[gone]), 1)
    recent = created >= now - 30
    truth = np.mean((kind < rate)[recent] & (ended - created <= 30)[recent])
    return Cohorts(np.bincount(day, minlength=now).astype(float), won, lost, EDGES, float(now)), float(truth)


def constant(hazard: float, size: float = 1e9) -> Course:
    """Leads that are won with the same small chance on each day of their age, never lost."""
    events = np.zeros((2, DAYS.size + 1))
    events[0] = hazard * size
    return Course(events, np.full(DAYS.size + 1, size), DAYS, 100.0)


def one_day(size: float, won: float, age: int) -> Cohorts:
    """Leads of a single day whose mean age is ``age`` and a half; the wins came at once."""
    sizes, wins = np.zeros(age + 1), np.zeros((age + 1, DAYS.size + 1))
    sizes[0], wins[0, 0] = size, won
    return Cohorts(sizes, wins, np.zeros_like(wins), DAYS, float(age + 1))


def test_open_leads_count_with_the_chance_that_is_left() -> None:
    found = project(one_day(100, 20, 9), constant(0.01), 20, seed=1)
    # Open at 9.5 days: half of the tenth day is over, so the chance until then is interpolated.
    at = (0.99**9 + 0.99**10) / 2
    assert found.observed == 0.2
    assert found.projected.value == pytest.approx(0.2 + 0.8 * (at - 0.99**20) / at)


def test_a_cohort_older_than_the_horizon_is_as_observed_and_certain() -> None:
    found = project(one_day(100, 20, 25), constant(0.01), 20, seed=1)
    assert found.projected == (0.2, 0.2, 0.2)
    assert found.maturity == 1


def test_wins_after_the_horizon_do_not_count() -> None:
    known = one_day(100, 20, 25)
    late = Cohorts(known.sizes, np.roll(known.won, 22, axis=1), known.lost, DAYS, known.now_day)
    assert project(late, constant(0.01), 20, seed=1).observed == 0


def test_maturity_is_the_share_of_outcomes_that_comes_by_the_cohorts_age() -> None:
    found = project(one_day(100, 0, 9), constant(0.01), 20, seed=1)
    assert found.maturity == pytest.approx((1 - (0.99**9 + 0.99**10) / 2) / (1 - 0.99**20))


def test_half_a_day_of_leads_is_a_quarter_of_a_day_old() -> None:
    known = Cohorts(np.array([3.0, 2.0]), np.zeros((2, 31)), np.zeros((2, 31)), DAYS, 1.5)
    assert known.ages.tolist() == [1.0, 0.25]


@pytest.mark.parametrize("losing", [0.4, 0.0])
def test_the_projection_is_near_what_comes_true_with_and_without_recorded_losses(losing: float) -> None:
    errors, seen = [], []
    for seed in range(8):
        known, truth = cohorts(seed, losing=losing)
        found = project(known.since(90), learn(known), 30, seed, draws=20)
        errors.append(found.projected.value - truth)
        seen.append(truth - found.observed)
    assert abs(np.mean(errors)) < 0.015
    assert np.mean(seen) > 0.1


@pytest.mark.slow
def test_bands_hold_what_comes_true() -> None:
    held = []
    for seed in range(100, 130):
        known, truth = cohorts(seed, leads=600)
        band = project(known.since(90), learn(known), 30, seed, draws=100).projected
        held.append(band.lower <= truth <= band.upper)
    assert np.mean(held) >= 0.85


def test_fewer_leads_in_the_reference_widen_the_band() -> None:
    sure, unsure = (project(one_day(1_000, 0, 2), constant(0.01, size), 20, seed=1).projected for size in (1e6, 300))
    assert unsure.upper - unsure.lower > 1.5 * (sure.upper - sure.lower)


def test_after_no_win_at_all_a_win_is_still_possible() -> None:
    found = project(one_day(1_000, 0, 2), constant(0.0, 50), 20, seed=1).projected
    assert (found.value, found.lower) == (0, 0)
    assert found.upper > 0


def test_equal_seeds_give_equal_bands() -> None:
    known, _ = cohorts(1, leads=300)
    course = learn(known)
    assert project(known, course, 30, seed=5) == project(known, course, 30, seed=5)


def test_courses_drawn_once_give_each_cohort_the_band_that_it_has_alone() -> None:
    known, _ = cohorts(1, leads=300)
    course = learn(known)
    drawn = simulate(course, 5)
    for since, horizon in ((30, 30.0), (90, 20.0)):
        alone = project(known.since(since), course, horizon, seed=5)
        assert foresee(known.since(since), drawn, horizon) == alone.projected
        assert maturity(known.since(since), course, horizon) == alone.maturity


@pytest.mark.slow
def test_many_leads_have_the_band_of_exact_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    known, _ = cohorts(7, leads=40_000)
    course = learn(known)
    fast = project(known.since(90), course, 30, seed=1, draws=20_000).projected
    monkeypatch.setattr(projection, "LARGE", math.inf)
    exact = project(known.since(90), course, 30, seed=2, draws=20_000).projected
    # An end of a band is sure to 0.5 % of its width: two of them, at three standard errors.
    assert fast == pytest.approx(exact, abs=0.02 * (exact.upper - exact.lower))


def test_the_imaginary_win_is_half_a_win_in_all_and_equal_for_all_ages() -> None:
    # Private, because no band shows its distribution.
    found = projection._imaginary(np.random.default_rng(1), np.arange(2, 12), (15, 40_000))
    assert not found[[0, 1, 12, 13, 14]].any()
    assert found.sum(axis=0).mean() == pytest.approx(0.5, rel=0.03)
    assert found[2:12].mean(axis=1) == pytest.approx(np.full(10, 0.05), rel=0.15)
    # Independent gammas: the variance of each is its mean, that of the sum the sum of them.
    assert found[2:12].var(axis=1).mean() == pytest.approx(0.05, rel=0.06)
    assert found.sum(axis=0).var() == pytest.approx(0.5, rel=0.06)


def test_groups_learn_together_what_each_learns_alone() -> None:
    groups = [cohorts(seed, leads=300)[0] for seed in (1, 2)]
    for found, group in zip(learn_each(groups), groups, strict=True):
        alone = learn(group)
        assert found.events == pytest.approx(alone.events)
        assert found.at_risk == pytest.approx(alone.at_risk)
        assert found.oldest == alone.oldest
    assert learn_each([]) == []


def test_groups_of_other_moments_are_refused() -> None:
    with pytest.raises(ValueError, match="same buckets and moment"):
        learn_each([cohorts(1, now=120)[0], cohorts(1, now=121)[0]])


def test_a_course_follows_its_last_days_only() -> None:
    known, _ = cohorts(2, rate=0.5)
    quiet = Cohorts(known.sizes, known.won * (np.arange(120) < 40)[:, None], known.lost, EDGES, 120.0)
    assert learn(quiet, days=30).events[0].sum() < 0.05 * learn(known, days=30).events[0].sum()


def test_without_leads_nothing_is_projected() -> None:
    known, _ = cohorts(3, leads=300)
    found = project(known.since(120), learn(known), 30, seed=1)
    assert math.isnan(found.observed)
    assert math.isnan(found.projected.value)
    assert math.isnan(found.maturity)


def test_nothing_is_projected_further_than_the_oldest_lead_has_come() -> None:
    known, _ = cohorts(4, leads=300, now=20)
    found = project(known, learn(known), 30, seed=1)
    assert found.observed > 0
    assert math.isnan(found.projected.value)


def test_an_age_that_everyone_left_before_does_not_prevent_a_projection() -> None:
    known, _ = cohorts(5, losing=0.7)
    assert project(known, learn(known), 100, seed=1, draws=20).projected.value == pytest.approx(0.3, abs=0.03)


@given(st.integers(0, 10_000), st.floats(1, 40), st.sampled_from([0.0, 0.4, 0.7]))
def test_a_projection_lies_between_what_is_won_and_what_can_still_be(seed: int, horizon: float, losing: float) -> None:
    known, _ = cohorts(seed, leads=60, now=61, losing=losing)
    found = project(known, learn(known), horizon, seed, draws=20)
    most = found.observed + known.open.sum() / known.sizes.sum()
    assert found.observed - 1e-12 <= found.projected.lower <= found.projected.value
    assert found.projected.value <= found.projected.upper <= most + 1e-12
    assert math.isnan(found.maturity) or 0 <= found.maturity <= 1 + 1e-12


def test_more_ends_than_leads_are_refused() -> None:
    with pytest.raises(ValueError, match="more leads ended"):
        Cohorts(np.ones(1), np.full((1, 31), 1.0), np.zeros((1, 31)), DAYS, 1.0)


def test_a_course_of_other_buckets_is_refused() -> None:
    known, _ = cohorts(6, leads=60)
    with pytest.raises(ValueError, match="same buckets"):
        project(known, constant(0.01), 20, seed=1)


@pytest.mark.parametrize("horizon", [0.0, -1.0, math.inf])
def test_a_horizon_that_never_comes_is_refused(horizon: float) -> None:
    with pytest.raises(ValueError, match="horizon"):
        project(one_day(10, 0, 2), constant(0.01), horizon, seed=1)
