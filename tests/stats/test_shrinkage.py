"""Shrunk figures of reps against closed forms, numerical integration and the truth of simulated teams."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.stats.shrinkage import differences_p_value, levels, rates

# Monte Carlo over many teams takes its time.
pytestmark = pytest.mark.slow

COUNTS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair))), min_size=3, max_size=12
)


def test_win_rates_agree_with_integration_over_a_fine_grid() -> None:
    from scipy.special import betaln

    wins, decided = np.array([2, 9, 5, 30, 12]), np.array([10, 20, 22, 60, 50])
    root, mean = (grid.ravel() for grid in np.meshgrid((np.arange(400) + 0.5) / 400, (np.arange(200) + 0.5) / 200))
    size = 1 / root**2 - 1
    a, b = (mean * size)[:, None], ((1 - mean) * size)[:, None]
    log_weights = (betaln(a + wins, b + decided - wins) - betaln(a, b)).sum(axis=1)
    weights = np.exp(log_weights - log_weights.max())
    exact = weights @ ((a + wins) / (a + b + decided)) / weights.sum()
    assert rates(wins, decided).value == pytest.approx(exact, abs=2e-3)


def test_levels_agree_with_integration_over_a_fine_grid() -> None:
    # The eight schools of Gelman et al., section 5.5, as reps whose means have these errors.
    y, sigma = np.array([28.0, 8, -3, 7, -1, 1, 18, 12]) / 10, np.array([15.0, 10, 16, 11, 9, 11, 10, 18]) / 10
    n = 1000 / sigma**2

    tau = ((np.arange(20_000) + 0.5) / 200)[:, None]
    w = 1 / (sigma**2 + tau**2)
    team = (w @ y / w.sum(axis=1))[:, None]
    log_density = np.log(w).sum(axis=1) - np.log(w.sum(axis=1)) - (w * (y - team) ** 2).sum(axis=1)
    exact = np.exp(log_density / 2) @ ((y * tau**2 + team * sigma**2) * w) / np.exp(log_density / 2).sum()
    assert levels(n, y, np.full(8, 1000.0)).mean == pytest.approx(exact, abs=2e-3)


def test_a_shrunk_rate_lies_between_the_raw_one_and_the_team() -> None:
    found = rates([1, 8, 20, 60], [10, 16, 60, 120])
    raw = np.array([0.1, 0.5, 1 / 3, 0.5])
    assert ((found.value - found.team) * (raw - found.team) > 0).all()
    assert (np.abs(found.value - found.team) < np.abs(raw - found.team)).all()


def test_few_deals_are_pulled_further_than_many() -> None:
    found = rates([5, 50, 30, 20, 10], [10, 100, 100, 100, 100])
    assert found.team < found.value[0] < found.value[1]


def test_equal_rates_are_pooled() -> None:
    found = rates([3, 30, 60, 15], [10, 100, 200, 50])
    assert found.value == pytest.approx(np.full(4, 0.3), abs=0.005)
    assert found.above == pytest.approx(np.full(4, 0.5), abs=0.05)


def test_clear_differences_are_hardly_shrunk() -> None:
    assert rates([100, 500, 900], [1000, 1000, 1000]).value == pytest.approx([0.1, 0.5, 0.9], abs=0.003)


def test_a_rep_without_deals_gets_the_team_with_the_widest_bounds() -> None:
    found = rates([0, 20, 30, 45], [0, 100, 100, 100])
    widths = np.subtract(*found.bounds()[::-1])
    assert found.value[0] == pytest.approx(found.team, abs=1e-9)
    assert widths.argmax() == 0


@pytest.mark.parametrize(("wins", "decided"), [([], []), ([3], [9]), ([3, 4], [9, 9]), ([3, 4, 0], [9, 9, 0])])
def test_fewer_than_three_reps_with_deals_are_undefined(wins: list[int], decided: list[int]) -> None:
    found = rates(wins, decided)
    assert np.isnan([found.team, *found.value, *found.above, *found.bounds().lower]).all()
    assert found.value.shape == (len(wins),)


@given(COUNTS)
def test_rates_lie_within_their_bounds_and_those_in_zero_and_one(counts: list[tuple[int, int]]) -> None:
    wins, decided = np.array(counts).T
    found = rates(wins, decided)
    lower, upper = found.bounds()
    if np.count_nonzero(decided) >= 3:
        assert ((lower >= 0) & (lower < found.value) & (found.value < upper) & (upper <= 1)).all()


@given(COUNTS, st.randoms())
def test_the_order_of_the_reps_does_not_matter(counts: list[tuple[int, int]], shuffler: np.random.Generator) -> None:
    order = list(range(len(counts)))
    shuffler.shuffle(order)
    wins, decided = np.array(counts).T
    assert rates(wins[order], decided[order]).value == pytest.approx(rates(wins, decided).value[order], nan_ok=True)


@pytest.mark.parametrize(("wins", "decided"), [([3, 1, 1], [2, 5, 5]), ([-1, 1, 1], [2, 5, 5]), ([1], [2, 3])])
def test_impossible_counts_are_refused(wins: list[int], decided: list[int]) -> None:
    with pytest.raises(ValueError, match="wins <= decided"):
        rates(wins, decided)
    with pytest.raises(ValueError, match="wins <= decided"):
        differences_p_value(wins, decided)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_outside_zero_and_one_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        rates([1, 2, 3], [5, 5, 5]).bounds(level)
    with pytest.raises(ValueError, match="level"):
        levels([5, 5, 5], [1, 2, 3], [1, 1, 1]).bounds(level)


@pytest.mark.parametrize("spread", [(20, 40), (2e5, 4e5)])
def test_bounds_of_rates_hold_the_truth_as_often_as_said(spread: tuple[float, float]) -> None:
    rng = np.random.default_rng(11)
    held = []
    for _ in range(50):
        decided, skill = rng.integers(10, 40, 12), rng.beta(*spread, 12)
        lower, upper = rates(rng.binomial(decided, skill), decided).bounds()
        held.append(np.mean((lower <= skill) & (skill <= upper)))
    assert np.mean(held) >= 0.93


@pytest.mark.parametrize("spread", [0.0, 0.15, 1.0])
def test_bounds_of_levels_hold_the_truth_as_often_as_said(spread: float) -> None:
    rng = np.random.default_rng(12)
    held = []
    for _ in range(80):
        n, truth = rng.integers(2, 40, 10), 8 + spread * rng.standard_normal(10)
        values = [truth[rep] + 0.7 * rng.standard_normal(n[rep]) for rep in range(10)]
        found = levels(n, [v.mean() for v in values], [v.var(ddof=1) for v in values])
        lower, upper = found.bounds()
        held.append(np.mean((lower <= np.exp(truth)) & (np.exp(truth) <= upper)))
    assert np.mean(held) >= 0.93


def test_levels_do_not_depend_on_the_unit() -> None:
    n, y, variances = [4, 20, 9], np.array([8.0, 8.3, 7.7]), [0.4, 0.5, 0.6]
    euros, cents = levels(n, y, variances), levels(n, y + math.log(100), variances)
    assert cents.value == pytest.approx(100 * euros.value)
    assert cents.above == pytest.approx(euros.above)


def test_a_rep_with_one_deal_borrows_the_variance_of_the_others() -> None:
    found = levels([1, 20, 30, 25], [9.5, 8.0, 8.1, 8.2], [math.nan, 0.5, 0.5, 0.5])
    assert math.exp(8.0) < found.value[0] < math.exp(8.6)
    assert found.error.argmax() == 0


def test_a_rep_without_values_gets_the_team() -> None:
    found = levels([0, 20, 30, 25], [math.nan, 8.0, 8.1, 8.2], [math.nan, 0.5, 0.5, 0.5])
    assert found.mean[0] == pytest.approx(found.team)
    assert found.above[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("n", "variances"), [([5, 5], [0.2, 0.2]), ([1, 1, 1], [math.nan] * 3), ([4, 4, 4], [0.0] * 3)]
)
def test_levels_without_reps_or_variance_are_undefined(n: list[int], variances: list[float]) -> None:
    found = levels(n, np.arange(len(n)), variances)
    assert np.isnan([found.team, *found.value, *found.above]).all()


@pytest.mark.parametrize(
    ("n", "means", "variances"),
    [([1, 2], [1.0], [1.0]), ([-1, 2, 3], [1.0] * 3, [1.0] * 3), ([2, 2, 2], [math.inf, 1, 1], [1.0] * 3),
     ([2, 2, 2], [1.0] * 3, [-1.0, 1, 1])],
)
def test_impossible_moments_are_refused(n: list[int], means: list[float], variances: list[float]) -> None:
    with pytest.raises(ValueError, match=r"counts, means and variances|finite"):
        levels(n, means, variances)


def test_draws_follow_the_posterior() -> None:
    rng = np.random.default_rng(3)
    share, size = rates([3, 9, 20], [10, 20, 60]), levels([5, 9, 20], [8.0, 8.5, 9.0], [0.3, 0.3, 0.3])
    assert share.draw(rng, 20_000).mean(axis=0) == pytest.approx(share.value, abs=0.003)
    assert np.median(size.draw(rng, 20_000), axis=0) == pytest.approx(size.value, rel=0.01)


def test_the_test_of_differences_agrees_with_all_ways_of_dealing_the_wins() -> None:
    from itertools import product

    # 6 wins dealt to 3, 4 and 5 deals: every outcome with its number of ways.
    wins, decided = (0, 1, 5), (3, 4, 5)
    expected = [n / 2 for n in decided]
    ways = {
        k: math.prod(math.comb(n, x) for n, x in zip(decided, k, strict=True))
        for k in product(range(4), range(5), range(6)) if sum(k) == 6
    }
    uneven = {k: sum((x - e) ** 2 for x, e in zip(k, expected, strict=True)) for k in ways}
    exact = sum(ways[k] for k in ways if uneven[k] >= uneven[wins]) / sum(ways.values())
    assert differences_p_value(wins, decided, draws=50_000) == pytest.approx(exact, abs=0.003)


def test_equal_reps_are_rarely_called_different() -> None:
    rng = np.random.default_rng(4)
    decided = rng.integers(1, 15, (300, 8))
    p = [differences_p_value(rng.binomial(n, 0.2), n, draws=199) for n in decided]
    # 5 % of 300 and three standard errors.
    assert np.nansum(np.array(p) <= 0.05) <= 26


def test_clear_differences_are_found() -> None:
    assert differences_p_value([10, 20, 50], [100, 100, 100]) == pytest.approx(1 / 2000)


@pytest.mark.parametrize(
    ("wins", "decided"), [([], []), ([4], [9]), ([4, 0], [9, 0]), ([0, 0], [5, 5]), ([5, 5], [5, 5])]
)
def test_differences_that_cannot_show_are_undefined(wins: list[int], decided: list[int]) -> None:
    assert math.isnan(differences_p_value(wins, decided))


def test_the_test_of_differences_is_deterministic_by_seed() -> None:
    assert len({differences_p_value([9, 14, 20], [30, 30, 30], seed=7) for _ in range(3)}) == 1


def test_parts_of_deals_and_no_draws_are_refused_by_the_test_of_differences() -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        differences_p_value([1.5, 2], [4, 4])
    with pytest.raises(ValueError, match="draw"):
        differences_p_value([1, 2], [4, 4], draws=0)
