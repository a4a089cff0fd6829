"""Shifts of scores: distances by hand, and p-values of days that differ as days do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sales_exporter.stats.shift import LEAST_DAYS, UNKNOWN, Floats, shift, wasserstein

BINS = 10


def test_scores_that_all_move_by_three_bins_are_three_widths_apart() -> None:
    one, other = np.zeros(BINS), np.zeros(BINS)
    one[2], other[5] = 7, 100
    assert wasserstein(one, other) == pytest.approx(0.3)


def test_half_of_the_scores_that_move_count_half() -> None:
    assert wasserstein([10, 0, 0, 0], [5, 0, 5, 0]) == pytest.approx(0.25)


@pytest.mark.slow
def test_the_distance_is_that_of_scipy() -> None:
    from scipy.stats import wasserstein_distance

    one, other = np.array([3.0, 0, 5, 1]), np.array([1.0, 4, 0, 2])
    place = np.arange(4) / 4
    assert wasserstein(one, other) == pytest.approx(wasserstein_distance(place, place, one, other))


def test_nothing_has_no_distance() -> None:
    assert math.isnan(wasserstein([0, 0], [1, 2]))


def _days(rng: np.random.Generator, days: int, middle: float, spread: float) -> Floats:
    """Days of 200 scores around a middle of their own."""
    centre = middle + spread * rng.standard_normal((days, 1))
    score = np.clip(centre + 0.1 * rng.standard_normal((days, 200)), 0, 0.999)
    return np.stack([np.bincount((day * BINS).astype(int), minlength=BINS) for day in score]).astype(float)


def test_a_shift_beyond_the_difference_of_days_is_found() -> None:
    rng = np.random.default_rng(3)
    found = shift(_days(rng, 30, 0.4, 0.02), _days(rng, 7, 0.6, 0.02))
    assert found.distance == pytest.approx(0.2, abs=0.03)
    assert found.p_value == 0.001


@pytest.mark.slow
def test_days_with_middles_of_their_own_are_no_shift() -> None:
    rng = np.random.default_rng(5)
    p = np.array([shift(_days(rng, 30, 0.5, 0.05), _days(rng, 7, 0.5, 0.05)).p_value for _ in range(200)])
    assert 0.01 <= np.mean(p <= 0.05) <= 0.10


def test_equal_days_have_a_p_value_of_one() -> None:
    same = np.tile([1.0, 2.0, 3.0], (LEAST_DAYS, 1))
    assert shift(same, same) == (0.0, 1.0)


def test_too_few_days_with_scores_say_nothing() -> None:
    few = np.zeros((9, 3))
    few[: LEAST_DAYS - 1] = 1
    assert shift(np.ones((30, 3)), few) is UNKNOWN


@pytest.mark.parametrize("bad", [[-1.0, 2.0], [math.nan, 1.0], [[1.0, 2.0]]])
def test_impossible_counts_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="finite counts"):
        wasserstein(bad, [1.0, 2.0])


def test_other_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="same bins"):
        wasserstein([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="same bins"):
        shift(np.ones((5, 2)), np.ones((5, 3)))
