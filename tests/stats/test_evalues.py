"""E-values of a drop: expectations by exact sums, and how often and how soon simulated streams cross the limit."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.stats import evalues
from sales_exporter.stats.evalues import SHARES
from sales_exporter.stats.special import betaln


def _binomial(n: int, share: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    k = np.arange(n + 1)
    ways = -np.log(n + 1) - betaln(k + 1, n - k + 1)
    return np.asarray(np.exp(ways + k * np.log(share) + (n - k) * np.log1p(-share)))


def test_a_ratio_against_the_floor_has_expectation_one_at_the_floor() -> None:
    ratios = evalues.against_floor(np.arange(21), np.full(21, 20), np.full(21, 0.9))
    assert _binomial(20, 0.9) @ np.exp(ratios) == pytest.approx(np.ones(SHARES.size))


def test_above_the_floor_it_is_below_one_for_every_share_that_it_may_have_dropped_to() -> None:
    ratios = evalues.against_floor(np.arange(21), np.full(21, 20), np.full(21, 0.9))
    looked_for = np.isfinite(evalues.drops([0.9])[0])
    assert (_binomial(20, 0.93) @ np.exp(ratios))[looked_for].max() < 1


def test_a_ratio_against_the_baseline_has_expectation_one_in_the_mean_over_the_prior() -> None:
    # After 30 of 40, the next 12 are beta-binomial.
    k = np.arange(13)
    chance = np.exp(-np.log(13) - betaln(k + 1, 13 - k) + betaln(k + 30.5, 22.5 - k) - betaln(30.5, 10.5))
    ratios = evalues.against_baseline(k, np.full(13, 12), np.full(13, 30), np.full(13, 40))
    assert chance.sum() == pytest.approx(1)
    assert chance @ np.exp(ratios) == pytest.approx(np.ones(SHARES.size))


def test_weights_of_drops_add_up_to_one_and_lie_below() -> None:
    weights = np.exp(evalues.drops([0.9, 0.3]))
    assert weights.sum(axis=1) == pytest.approx([1, 1])
    assert weights[0, SHARES > 0.89].sum() == 0
    assert weights[1, SHARES > 0.29].sum() == 0


def test_from_nothing_one_cannot_drop() -> None:
    assert np.isneginf(evalues.drops([0.0])).all()


def test_evidence_grows_with_the_months_and_not_without_outcomes() -> None:
    evidence = evalues.nothing(1)
    fresh = evalues.begun(evalues.drops([0.9]), [0.25])
    evidence = evalues.gathered(evidence, fresh, np.zeros((1, SHARES.size)))
    assert evalues.e_values(evidence) == pytest.approx([0.25])
    evidence = evalues.gathered(evidence, fresh, np.zeros((1, SHARES.size)))
    assert evalues.e_values(evidence) == pytest.approx([0.5])


def test_evidence_is_scaled_down_at_the_ceiling_and_keeps_its_shape() -> None:
    fresh = evalues.begun(evalues.drops([0.9]), [1.0])
    ratios = evalues.against_floor([2_000.0], [4_000.0], [0.9])
    evidence = evalues.gathered(evalues.nothing(1), fresh, ratios)
    assert evalues.e_values(evidence) == pytest.approx([evalues.CEILING])
    assert evalues.dropped_to(evidence)[0] == pytest.approx([0.5], abs=0.01)


def test_what_it_dropped_to_is_undefined_without_evidence() -> None:
    mean, deviation = evalues.dropped_to(evalues.nothing(1))
    assert np.isnan(mean).all()
    assert np.isnan(deviation).all()


@pytest.mark.parametrize(("right", "total"), [([3.0], [2.0]), ([-1.0], [2.0]), ([1.0, 1.0], [2.0]), ([[1.0]], [[2.0]])])
def test_impossible_counts_are_refused(right: list[float], total: list[float]) -> None:
    with pytest.raises(ValueError, match="as many counts of right outcomes"):
        evalues.against_floor(right, total, [0.9])


@pytest.mark.slow
def test_few_quiet_streams_cross_the_limit_and_most_of_those_that_drop_do() -> None:
    rng = np.random.default_rng(11)
    streams, hours = 80, 720
    weights, months = evalues.drops(np.full(streams, 0.9)), np.full(streams, 1 / 720)
    crossed = []
    for late in (0.9, 0.8):
        evidence, highest = evalues.nothing(streams), np.zeros(streams)
        for hour in range(hours):
            right = rng.binomial(20, 0.9 if hour < 360 else late, streams)
            ratios = evalues.against_floor(right, np.full(streams, 20), np.full(streams, 0.9))
            evidence = evalues.gathered(evidence, evalues.begun(weights, months), ratios)
            highest = np.maximum(highest, evalues.e_values(evidence))
        crossed.append(float(np.mean(highest >= 100)))
    assert crossed[0] <= 0.04
    assert crossed[1] == 1
