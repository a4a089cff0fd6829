"""Intervals against published figures, an independent library, and the truth of simulated draws."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sales_exporter.stats.intervals import (
    bootstrap,
    clopper_pearson,
    compound_poisson,
    difference,
    poisson,
    proportion_ratio,
    sum_ratio,
    wilson,
)


@pytest.mark.parametrize(
    ("k", "n", "lower", "upper"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I: method 3 (score).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_bounds(k: int, n: int, lower: float, upper: float) -> None:
    bounds = wilson(k, n)
    assert (round(float(bounds.lower), 4), round(float(bounds.upper), 4)) == (lower, upper)


@pytest.mark.parametrize(
    ("k", "n", "lower", "upper"),
    # The same table: method 5 (Clopper-Pearson).
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_clopper_pearson_gives_the_published_bounds(k: int, n: int, lower: float, upper: float) -> None:
    bounds = clopper_pearson(k, n)
    assert (round(float(bounds.lower), 4), round(float(bounds.upper), 4)) == (lower, upper)


@pytest.mark.slow
@pytest.mark.parametrize("interval", ["wilson", "exact"])
def test_proportions_agree_with_scipy_stats(interval: str) -> None:
    # The package itself must not import scipy.stats; a test may.
    from scipy.stats import binomtest

    ours = {"wilson": wilson, "exact": clopper_pearson}[interval]
    for k, n in [(0, 1), (1, 1), (3, 7), (842, 8000), (7999, 8000)]:
        theirs = binomtest(k, n).proportion_ci(0.95, method=interval)
        bounds = ours(k, n)
        assert float(bounds.lower) == pytest.approx(theirs.low, abs=1e-12)
        assert float(bounds.upper) == pytest.approx(theirs.high, abs=1e-12)


@pytest.mark.parametrize(
    ("events", "lower", "upper"),
    # F. Garwood's exact limits as tabulated in Pearson and Hartley, Biometrika Tables I, table 40.
    [(0, 0.0, 3.69), (1, 0.0253, 5.57), (5, 1.62, 11.67), (10, 4.80, 18.39), (30, 20.24, 42.83)],
)
def test_poisson_gives_the_published_limits(events: int, lower: float, upper: float) -> None:
    bounds = poisson(events)
    assert float(bounds.lower) == pytest.approx(lower, abs=0.005)
    assert float(bounds.upper) == pytest.approx(upper, abs=0.005)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_a_proportion_without_trials_has_no_bounds(interval: type) -> None:
    bounds = interval([0, 1], [0, 2])
    assert np.isnan(bounds.lower).tolist() == [True, False]
    assert np.isnan(bounds.upper).tolist() == [True, False]


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_none_of_n_has_lower_bound_zero_and_all_of_n_upper_bound_one(interval: type) -> None:
    n = np.arange(1, 400)
    assert (interval(0 * n, n).lower == 0).all()
    assert (interval(n, n).upper == 1).all()


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
@pytest.mark.parametrize(("k", "n"), [(3, 2), (-1, 2), (1, -1), (math.nan, 2), (1, math.inf)])
def test_impossible_counts_are_refused(interval: type, k: float, n: float) -> None:
    with pytest.raises(ValueError, match=r"exceed|finite"):
        interval(k, n)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_outside_zero_and_one_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        poisson(3, level)


def test_a_higher_level_gives_wider_bounds() -> None:
    narrow, wide = wilson(30, 100, 0.8), wilson(30, 100, 0.99)
    assert wide.lower < narrow.lower
    assert narrow.upper < wide.upper


def test_shapes_are_broadcast() -> None:
    assert wilson([[1], [2]], [4, 5, 6]).lower.shape == (2, 3)


def test_equal_amounts_make_a_sum_as_sure_as_its_count() -> None:
    counts = np.array([1, 4, 25])
    sums, exact = compound_poisson(counts * 50.0, counts * 2500.0, 50.0), poisson(counts)
    assert sums.lower == pytest.approx(exact.lower * 50)
    assert sums.upper == pytest.approx(exact.upper * 50)


def test_a_sum_of_nothing_reaches_up_to_what_no_event_allows() -> None:
    bounds = compound_poisson(0, 0, 100.0)
    assert float(bounds.lower) == 0
    assert float(bounds.upper) == pytest.approx(100 * -math.log(0.025))


def test_a_sum_without_a_known_amount_has_no_bounds() -> None:
    bounds = compound_poisson(0, 0, 0)
    assert math.isnan(bounds.lower)
    assert math.isnan(bounds.upper)


def test_unequal_amounts_widen_the_bounds() -> None:
    # Both sum to 1000 over ten deals.
    even, uneven = compound_poisson(1000, 10 * 100**2, 100), compound_poisson(1000, 910**2 + 9 * 10**2, 100)
    assert uneven.lower < even.lower
    assert even.upper < uneven.upper


@pytest.mark.parametrize(("sigma", "mean_count", "least"), [(0.0, 10, 0.95), (0.6, 50, 0.93), (1.0, 50, 0.91)])
def test_bounds_of_a_sum_hold_the_truth_as_often_as_said(sigma: float, mean_count: float, least: float) -> None:
    rng = np.random.default_rng(20)
    draws = [np.exp(sigma * rng.standard_normal(n)) for n in rng.poisson(mean_count, 2_000) if n]
    total = np.array([amounts.sum() for amounts in draws])
    squares = np.array([(amounts**2).sum() for amounts in draws])
    bounds = compound_poisson(total, squares, squares / total)
    truth = mean_count * math.exp(sigma**2 / 2)
    assert np.mean((bounds.lower <= truth) & (truth <= bounds.upper)) >= least


def test_the_module_does_not_need_scipy_stats() -> None:
    import subprocess
    import sys

    probe = "import sys, sales_exporter.stats.intervals; sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


@pytest.mark.parametrize(
    ("one", "other", "lower", "upper"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890, table II: method 10.
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ],
)
def test_a_difference_has_the_published_bounds(
    one: tuple[int, int], other: tuple[int, int], lower: float, upper: float
) -> None:
    bounds = difference(*one, *other)
    assert (round(float(bounds.lower), 4), round(float(bounds.upper), 4)) == (lower, upper)


@given(st.integers(0, 40), st.integers(1, 40), st.integers(0, 40), st.integers(1, 40))
def test_a_difference_turned_round_has_its_bounds_turned_round(k: int, n: int, j: int, m: int) -> None:
    k, j = min(k, n), min(j, m)
    there, back = difference(k, n, j, m), difference(j, m, k, n)
    assert float(there.lower) == pytest.approx(-float(back.upper))
    assert -1 <= there.lower <= k / n - j / m <= there.upper <= 1


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_a_ratio_turned_round_has_its_bounds_turned_over(k: int, n: int, j: int, m: int) -> None:
    n, m = n + k, m + j
    there, back = proportion_ratio(k, n, j, m), proportion_ratio(j, m, k, n)
    assert float(there.lower) == pytest.approx(1 / float(back.upper))
    assert there.lower <= (k / n) / (j / m) <= there.upper


def test_a_ratio_of_proportions_follows_katz() -> None:
    # Variance of the logarithm: 1/30 - 1/100 + 1/20 - 1/110.
    reach = math.exp(1.959963984540054 * math.sqrt(1 / 30 - 1 / 100 + 1 / 20 - 1 / 110))
    bounds = proportion_ratio(30, 100, 20, 110)
    assert float(bounds.lower) == pytest.approx(1.65 / reach)
    assert float(bounds.upper) == pytest.approx(1.65 * reach)


@pytest.mark.slow
def test_two_proportions_agree_with_statsmodels() -> None:
    proportions = pytest.importorskip("statsmodels.stats.proportion")
    for case in [(30, 100, 20, 110), (1, 50, 3, 40), (56, 70, 48, 80)]:
        for ours, compare, method in [(difference, "diff", "newcomb"), (proportion_ratio, "ratio", "log")]:
            theirs = proportions.confint_proportions_2indep(*case, compare=compare, method=method)
            assert tuple(map(float, ours(*case))) == pytest.approx(theirs, abs=1e-9)


def test_comparisons_with_an_empty_sample_have_no_bounds() -> None:
    for bounds in (difference(1, 2, 0, 0), proportion_ratio(0, 0, 1, 2), proportion_ratio(1, 2, 0, 5)):
        assert math.isnan(bounds.lower)
        assert math.isnan(bounds.upper)


def test_a_ratio_to_an_exact_sum_is_as_uncertain_as_the_other() -> None:
    # 25 deals of 40: the logarithm's standard error is 1/5.
    bounds = sum_ratio(1000, 25 * 40**2, 500, 0)
    assert float(bounds.lower) == pytest.approx(2 * math.exp(-1.959963984540054 / 5))
    assert float(bounds.upper) == pytest.approx(2 * math.exp(1.959963984540054 / 5))


def test_a_ratio_of_sums_holds_the_truth_as_often_as_said() -> None:
    rng = np.random.default_rng(4)
    draws = np.exp(0.7 * rng.standard_normal((2, 1_000, 60))) * (rng.random((2, 1_000, 60)) < 0.7)
    one, other = draws.sum(axis=2)
    bounds = sum_ratio(one, (draws[0] ** 2).sum(axis=1), other, (draws[1] ** 2).sum(axis=1))
    assert 0.93 <= np.mean((bounds.lower <= 1) & (bounds.upper >= 1)) <= 0.99


def test_a_ratio_to_nothing_has_no_bounds() -> None:
    assert math.isnan(sum_ratio(5, 25, 0, 0).upper)


@pytest.mark.slow
@pytest.mark.parametrize("statistic", [np.median, np.mean, np.std])
def test_the_bootstrap_agrees_with_scipy_stats(statistic: Callable[..., NDArray[np.float64]]) -> None:
    from scipy.stats import bootstrap as theirs

    values = np.random.default_rng(1).lognormal(8, 0.7, 60)
    found = theirs(
        (values,), statistic, n_resamples=999, method="BCa", rng=np.random.default_rng(3), vectorized=True, axis=-1
    ).confidence_interval
    bounds = bootstrap(values, statistic, seed=3, draws=999)
    assert (float(bounds.lower), float(bounds.upper)) == pytest.approx((found.low, found.high), rel=1e-9)


def test_the_bootstrap_gives_equal_bounds_for_equal_seeds_only() -> None:
    values = [3.0, 9.0, 4.0, 8.0, 1.0, 7.0]
    first, again, other = (bootstrap(values, np.mean, seed, draws=200) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_bootstrap_in_batches_is_the_bootstrap_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(50.0) ** 2
    whole = bootstrap(values, np.median, seed=5, draws=300)
    monkeypatch.setattr("sales_exporter.stats.intervals._BATCH", 700)
    assert bootstrap(values, np.median, seed=5, draws=300) == whole


def test_the_bootstrap_of_equal_values_has_no_width() -> None:
    bounds = bootstrap([5.0, 5.0, 5.0], np.median, seed=1, draws=100)
    assert (float(bounds.lower), float(bounds.upper)) == (5.0, 5.0)


def test_the_bootstrap_of_one_value_is_undefined() -> None:
    assert math.isnan(bootstrap([5.0], np.median, seed=1).lower)


@pytest.mark.parametrize(("values", "draws"), [([1.0, math.nan], 10), ([[1.0, 2.0]], 10), ([1.0, 2.0], 0)])
def test_the_bootstrap_refuses_what_it_cannot_draw_from(values: list[float], draws: int) -> None:
    with pytest.raises(ValueError, match=r"finite|draws"):
        bootstrap(values, np.mean, seed=1, draws=draws)
