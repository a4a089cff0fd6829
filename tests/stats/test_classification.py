"""Figures of classifiers against hand-checked literals, brute force and the equations they come from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sales_exporter.stats.classification import (
    UNDEFINED,
    Confusion,
    auc,
    calibration_error,
    kolmogorov_smirnov,
    population_stability_index,
    proportion,
)

Z = 1.959963984540054
DECIDED = Confusion(true_positive=30, false_positive=10, false_negative=20, true_negative=40)


def test_shares_of_a_confusion_table() -> None:
    assert DECIDED.total == 100
    assert DECIDED.accuracy.value == 0.7
    assert DECIDED.base_rate.value == 0.5
    assert DECIDED.precision.value == 0.75
    assert DECIDED.recall.value == 0.6
    assert DECIDED.f1.value == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))


def test_bounds_of_a_share_are_wilsons() -> None:
    assert DECIDED.accuracy.lower == pytest.approx(0.6041515, abs=1e-6)
    assert DECIDED.accuracy.upper == pytest.approx(0.7810511, abs=1e-6)


def test_bounds_of_f1_are_those_of_the_jaccard_share_carried_over() -> None:
    share = proportion(30, 60)
    assert DECIDED.f1.lower == pytest.approx(2 * share.lower / (1 + share.lower))
    assert DECIDED.f1.upper == pytest.approx(2 * share.upper / (1 + share.upper))
    assert DECIDED.f1.lower == pytest.approx(0.547911, abs=1e-4)


def test_a_model_that_finds_no_success_is_no_better_than_its_baseline() -> None:
    blind = Confusion(true_positive=0, false_positive=0, false_negative=22, true_negative=78)
    assert blind.accuracy == blind.baseline
    assert blind.recall.value == 0
    assert blind.f1.value == 0
    assert math.isnan(blind.precision.value)


def test_nothing_decided_defines_nothing() -> None:
    empty = Confusion(0, 0, 0, 0)
    for estimate in (empty.accuracy, empty.baseline, empty.base_rate, empty.precision, empty.recall, empty.f1):
        assert all(math.isnan(part) for part in estimate)


def test_confusion_tables_add_up() -> None:
    assert DECIDED + Confusion(1, 2, 3, 4) == Confusion(31, 12, 23, 44)


def test_auc_counts_pairs_and_halves_ties() -> None:
    # Scores .2 .4 .6 .8; positives .4 and .8, negatives .2 .4 .6: 4 pairs won, 1 tied, of 6.
    assert auc([0, 1, 0, 1], [1, 1, 1, 0]).value == pytest.approx(4.5 / 6)


def test_auc_of_one_bin_is_one_half() -> None:
    assert auc([7], [9]).value == 0.5


def test_auc_with_one_class_is_undefined() -> None:
    assert auc([3, 4], [0, 0]) is UNDEFINED
    assert auc([0, 0], [3, 4]) is UNDEFINED


def _delong(positive: NDArray[np.int64], negative: NDArray[np.int64]) -> tuple[float, float]:
    """Area and its standard error from every single pair, as in the paper."""
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    variance = wins.mean(axis=1).var(ddof=1) / positive.size + wins.mean(axis=0).var(ddof=1) / negative.size
    return float(wins.mean()), math.sqrt(variance)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_auc_bounds_are_delongs_on_the_logit_scale(seed: int) -> None:
    draw = np.random.default_rng(seed)
    positive, negative = draw.integers(3, 12, 40), draw.integers(0, 10, 70)
    area, error = _delong(positive, negative)
    reach = Z * error / (area * (1 - area))
    middle = math.log(area / (1 - area))

    found = auc(np.bincount(positive, minlength=12), np.bincount(negative, minlength=12))

    assert found.value == pytest.approx(area)
    assert found.lower == pytest.approx(1 / (1 + math.exp(reach - middle)))
    assert found.upper == pytest.approx(1 / (1 + math.exp(-reach - middle)))


def test_auc_of_reversed_scores_is_mirrored() -> None:
    there, back = auc([1, 5, 9], [8, 4, 2]), auc([9, 5, 1], [2, 4, 8])
    assert (back.value, back.lower, back.upper) == pytest.approx((1 - there.value, 1 - there.upper, 1 - there.lower))


def test_perfect_order_of_a_few_is_no_certainty() -> None:
    found = auc([0, 5], [5, 0])
    assert (found.value, found.upper) == (1.0, 1.0)
    theta = found.lower
    spread = 1 + 4 * ((1 - theta) / (2 - theta) + theta / (1 + theta))
    assert 1 - theta == pytest.approx(Z * math.sqrt(theta * (1 - theta) * spread / 25))
    assert 0.5 < theta < 0.9


def test_worst_order_mirrors_perfect_order() -> None:
    worst, best = auc([5, 0], [0, 5]), auc([0, 5], [5, 0])
    assert (worst.value, worst.lower) == (0.0, 0.0)
    assert worst.upper == pytest.approx(1 - best.lower)


def test_a_single_positive_has_wide_bounds_around_its_place() -> None:
    found = auc([0, 0, 1, 0], [5, 5, 0, 5])
    assert found.lower < found.value < found.upper
    assert found.upper - found.lower > 0.5


def test_auc_bounds_hold_the_truth_as_often_as_they_say() -> None:
    draw, edges, truth, held = np.random.default_rng(7), np.linspace(-4, 5, 400), 0.760250, 0
    for _ in range(400):
        positive, _ = np.histogram(draw.normal(1, 1, 40), edges)
        negative, _ = np.histogram(draw.normal(0, 1, 200), edges)
        found = auc(positive, negative)
        held += found.lower <= truth <= found.upper
    assert 0.92 <= held / 400 <= 0.98


def test_auc_refuses_histograms_of_different_bins() -> None:
    with pytest.raises(ValueError, match="same bins"):
        auc([1, 2], [1, 2, 3])


def test_calibration_error_weighs_each_bin_by_its_size() -> None:
    # Bin 1: 4 labels, mean score .25, 1 true: no error. Bin 2: 6 labels, mean score .9, 3 true: error .4.
    error = calibration_error([1, 3], [3, 3], [1.0, 5.4], bins=2)
    assert error == pytest.approx(0.6 * 0.4)


def test_calibration_error_joins_fine_bins_before_it_compares() -> None:
    # Apart the halves err by .5 each; in one bin they make up for each other.
    assert calibration_error([2, 0], [0, 2], [1.0, 1.0], bins=1) == 0
    assert calibration_error([2, 0], [0, 2], [1.0, 1.0], bins=2) == 0.5


def test_calibration_error_without_labels_is_undefined() -> None:
    assert math.isnan(calibration_error([0, 0], [0, 0], [0, 0], bins=2))


def test_calibration_error_refuses_bins_that_do_not_join() -> None:
    with pytest.raises(ValueError, match="3 fine bins"):
        calibration_error([1, 1, 1], [0, 0, 0], [1, 1, 1], bins=2)


def test_psi_of_two_groups_by_hand() -> None:
    p, q = (50.5 / 101, 50.5 / 101), (80.5 / 101, 20.5 / 101)
    expected = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    assert population_stability_index([50, 50], [80, 20], groups=2) == pytest.approx(expected)


def test_psi_of_the_same_histogram_is_zero() -> None:
    assert population_stability_index([5, 0, 70, 25], [5, 0, 70, 25]) == pytest.approx(0)


def test_psi_groups_follow_the_reference_not_the_score() -> None:
    # All scores lie in the lowest hundredth, as for a rare event; fixed tenths would see one bin and no movement.
    reference, current = np.zeros(1000), np.zeros(1000)
    reference[:10], current[5:10] = 100, 200
    assert population_stability_index(reference, current) > 1


def test_psi_of_scores_where_the_reference_had_none_is_large_and_finite() -> None:
    assert 1 < population_stability_index([100, 100, 0], [0, 0, 200]) < 20


def test_psi_of_nothing_is_undefined() -> None:
    assert math.isnan(population_stability_index([0, 0], [1, 2]))
    assert math.isnan(population_stability_index([1, 2], [0, 0]))


@pytest.mark.parametrize("counts", [[-1, 2], [math.nan, 1], [[1, 2]]])
def test_histograms_must_be_counts(counts: list[float]) -> None:
    with pytest.raises(ValueError, match="counts"):
        population_stability_index(counts, [1, 2])


def test_kolmogorov_smirnov_finds_the_largest_distance_of_the_cumulated_shares() -> None:
    # Cumulated: .5 .75 1 against .25 .25 1.
    assert kolmogorov_smirnov([2, 1, 1], [1, 0, 3]).statistic == pytest.approx(0.5)


def test_the_same_histogram_is_no_difference() -> None:
    assert kolmogorov_smirnov([5, 0, 70], [5, 0, 70]) == (0.0, 1.0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=30))
def test_kolmogorov_smirnov_does_not_mind_which_sample_is_first(counts: list[tuple[int, int]]) -> None:
    first, second = [one + 1 for one, _ in counts], [other + 1 for _, other in counts]
    found, turned = kolmogorov_smirnov(first, second), kolmogorov_smirnov(second, first)
    assert found == pytest.approx(turned)
    assert 0 <= found.p_value <= 1


@pytest.mark.slow
@pytest.mark.parametrize("moved", [0, 5, 20, 60])
def test_kolmogorov_smirnov_agrees_with_scipy_stats(moved: int) -> None:
    from scipy.stats import ks_2samp

    draw = np.random.default_rng(moved)
    first, second = draw.integers(0, 1000, 20_000), np.minimum(draw.integers(0, 1000, 20_000) + moved, 999)
    theirs = ks_2samp(first, second, method="asymp")
    found = kolmogorov_smirnov(np.bincount(first, minlength=1000), np.bincount(second, minlength=1000))
    assert found.statistic == pytest.approx(theirs.statistic, abs=1e-12)
    assert found.p_value == pytest.approx(theirs.pvalue, abs=5e-6)


def test_kolmogorov_smirnov_finds_a_difference_where_there_is_none_as_often_as_it_says() -> None:
    draw = np.random.default_rng(11)
    found = [
        kolmogorov_smirnov(
            np.bincount(draw.integers(0, 2000, 300), minlength=2000),
            np.bincount(draw.integers(0, 2000, 200), minlength=2000),
        ).p_value for _ in range(1_000)
    ]
    assert 0.03 <= np.mean(np.array(found) < 0.05) <= 0.07


def test_kolmogorov_smirnov_of_nothing_is_undefined() -> None:
    assert all(math.isnan(part) for part in kolmogorov_smirnov([0, 0], [1, 2]))


def test_kolmogorov_smirnov_refuses_different_bins() -> None:
    with pytest.raises(ValueError, match="same bins"):
        kolmogorov_smirnov([1, 2], [1, 2, 3])
