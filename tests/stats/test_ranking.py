"""Ranks from posterior draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.stats.ranking import ranks
from sales_exporter.stats.shrinkage import rates

# Monte Carlo over many teams takes its time.
pytestmark = pytest.mark.slow


def test_the_highest_value_ranks_first() -> None:
    found = ranks([[0.1, 0.5, 0.3]])
    assert found.mean.tolist() == found.median.tolist() == [3, 1, 2]


def test_bounds_span_the_ranks_that_the_draws_give() -> None:
    # Two always swap places, the third is always last.
    found = ranks([[0.9, 0.8, 0.1], [0.8, 0.9, 0.1]] * 50)
    assert found.mean.tolist() == [1.5, 1.5, 3]
    assert found.lower.tolist() == [1, 1, 3]
    assert found.upper.tolist() == [2, 2, 3]


def test_a_rank_held_in_one_draw_of_a_hundred_is_outside_the_bounds() -> None:
    found = ranks([[0.9, 0.1]] * 99 + [[0.1, 0.9]])
    assert (found.lower[0], found.upper[0]) == (1, 1)


def test_a_rep_without_draws_is_not_ranked_and_does_not_count() -> None:
    found = ranks([[0.2, np.nan, 0.4], [0.2, np.nan, 0.4]])
    assert np.isnan([part[1] for part in found]).all()
    assert found.mean[[0, 2]].tolist() == [2, 1]


def test_draws_without_any_rep_known_are_undefined() -> None:
    assert np.isnan(ranks(np.full((5, 2), np.nan))).all()


@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 2**32))
def test_mean_ranks_sum_to_that_of_any_order(reps: int, draws: int, seed: int) -> None:
    found = ranks(np.random.default_rng(seed).standard_normal((draws, reps)))
    assert found.mean.sum() == pytest.approx(reps * (reps + 1) / 2)
    assert ((found.lower >= 1) & (found.lower <= found.median) & (found.median <= found.upper)).all()
    assert (found.upper <= reps).all()


@pytest.mark.slow
def test_ranks_agree_with_scipy() -> None:
    from scipy.stats import rankdata

    draws = np.random.default_rng(2).standard_normal((50, 7))
    assert ranks(draws).mean == pytest.approx(rankdata(-draws, axis=1).mean(axis=0), abs=1e-12)


def test_bounds_hold_the_true_rank_as_often_as_said() -> None:
    rng = np.random.default_rng(6)
    held = []
    for _ in range(40):
        decided, skill = rng.integers(8, 200, 15), rng.beta(20, 40, 15)
        found = ranks(rates(rng.binomial(decided, skill), decided).draw(rng, 1000))
        truth = (-skill).argsort().argsort() + 1
        held.append(np.mean((found.lower <= truth) & (truth <= found.upper)))
    assert np.mean(held) >= 0.93


@pytest.mark.parametrize("draws", [[], [0.1, 0.2], np.empty((0, 3))])
def test_what_is_no_table_of_draws_is_refused(draws: object) -> None:
    with pytest.raises(ValueError, match="draws x reps"):
        ranks(np.asarray(draws))


def test_draws_that_are_missing_in_part_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN throughout"):
        ranks([[0.1, np.nan], [0.1, 0.2]])


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_level_outside_zero_and_one_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        ranks([[0.1, 0.2]], level)
