"""Accuracy before labels against small cases by hand and simulated periods whose accuracy is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.stats.estimated_accuracy import (
    LEAST_PERIODS,
    UNDEFINED,
    WINDOW,
    EstimatedAccuracy,
    Floats,
    calibrate,
    estimated_accuracy,
    expected_accuracy,
)

BINS = 100
SCORES = (np.arange(BINS) + 0.5) / BINS
DECIDED = SCORES > 0.4


def test_calibration_joins_neighbours_that_fall() -> None:
    # .5 then .25 of four each fall: together 3 of 8.
    assert calibrate([2, 1, 3], [2, 3, 1]).tolist() == [0.375, 0.375, 0.75]


def test_calibration_weighs_bins_by_their_labels() -> None:
    assert calibrate([1, 0], [0, 9]).tolist() == [0.1, 0.1]


def test_a_bin_without_labels_lies_between_its_neighbours() -> None:
    assert calibrate([0, 1, 0, 3, 0], [0, 3, 0, 1, 0]).tolist() == [0.25, 0.25, 0.5, 0.75, 0.75]


def test_calibration_without_labels_is_undefined() -> None:
    assert np.isnan(calibrate([0, 0], [0, 0])).all()


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=30))
def test_calibration_is_the_isotonic_regression_of_scipy(counts: list[tuple[int, int]]) -> None:
    from scipy.optimize import isotonic_regression

    above, below = np.array(counts, float).T
    theirs = isotonic_regression(above / (above + below), weights=above + below).x
    assert calibrate(above, below) == pytest.approx(theirs, abs=1e-9)


def test_a_decision_is_as_accurate_as_it_is_confident() -> None:
    # 10 decided against at .2, 5 decided for at .7: 8 + 3.5 of 15.
    assert expected_accuracy([0.2, 0.7], [10, 5], [0, 5]) == pytest.approx(11.5 / 15)


def test_decisions_of_one_bin_may_differ() -> None:
    assert expected_accuracy([0.7], [10], [6]) == pytest.approx((6 * 0.7 + 4 * 0.3) / 10)


def test_accuracy_of_no_decisions_is_undefined() -> None:
    assert math.isnan(expected_accuracy([0.2], [0], [0]))
    assert math.isnan(expected_accuracy([math.nan], [3], [0]))


def weeks(seed: int, count: int, size: int, swing: float = 0.0) -> tuple[Floats, Floats, Floats]:
    """Positives, negatives and decided of weeks whose scores s come true with s squared; the mix swings."""
    draw = np.random.default_rng(seed)
    mix = np.exp(swing * np.sin(np.arange(count))[:, None] * (SCORES - 0.5))
    there = draw.poisson(size * mix / mix.sum(axis=1, keepdims=True)).astype(float)
    came = draw.binomial(there.astype(int), SCORES**2).astype(float)
    return came, there - came, there * DECIDED


def told(known: tuple[Floats, Floats, Floats], lag: int = 3) -> EstimatedAccuracy:
    """The estimate for the last week from those that are mature by then."""
    came, failed, decided = known
    mature = slice(0, len(came) - lag)
    return estimated_accuracy(
        came[mature], failed[mature], decided[mature], (came + failed)[-1], decided[-1], lag
    )


def accuracy(came: Floats, failed: Floats) -> Floats:
    return np.asarray(np.where(DECIDED, came, failed).sum(axis=1) / (came + failed).sum(axis=1))


def test_an_estimate_comes_near_the_accuracy_that_comes_out() -> None:
    known = weeks(1, 30, 20_000)
    assert told(known).value == pytest.approx(accuracy(*known[:2])[-1], abs=0.01)


def test_a_moving_mix_is_seen_before_its_labels_arrive() -> None:
    found = told(weeks(2, 30, 5_000, swing=4))
    assert found.error < 0.02
    assert found.naive_error > 3 * found.error


def test_the_error_is_that_of_estimates_from_labels_mature_then() -> None:
    known, lag = weeks(3, 24, 1_000, swing=2), 3
    came, failed, decided = known
    truth, errors = accuracy(came, failed), []
    for now in range(lag, 24 - lag):
        then = slice(max(0, now - lag + 1 - WINDOW), now - lag + 1)
        chance = calibrate(came[then].sum(axis=0), failed[then].sum(axis=0))
        errors.append(abs(expected_accuracy(chance, (came + failed)[now], decided[now]) - truth[now]))
    found = told(known, lag)
    assert found.periods == len(errors)
    assert found.error == pytest.approx(np.mean(errors))


def test_labels_that_came_later_do_not_help_past_estimates() -> None:
    came, failed, decided = weeks(4, 12, 1_000)
    before = estimated_accuracy(came[:9], failed[:9], decided[:9], decided[11], decided[11], 3)
    flipped = np.concatenate([came[:8], failed[8:9]]), np.concatenate([failed[:8], came[8:9]])
    after = estimated_accuracy(*flipped, decided[:9], decided[11], decided[11], 3)
    # Only the last period came out otherwise: its own error changes, no other estimate learned from it.
    gained = abs(after.error - before.error) * after.periods
    truth = accuracy(came[8:9], failed[8:9])[0]
    estimate_error = abs(1 - 2 * truth)
    assert gained == pytest.approx(estimate_error, abs=0.05)


def test_there_is_no_estimate_without_enough_of_a_past() -> None:
    known = weeks(5, 20, 1_000)
    for mature, defined in [(LEAST_PERIODS + 2, False), (LEAST_PERIODS + 3, True)]:
        came, failed, decided = (part[:mature] for part in known)
        found = estimated_accuracy(came, failed, decided, decided[0], decided[0], 3)
        assert (found is not UNDEFINED) is defined


def test_there_is_no_estimate_from_few_labels() -> None:
    assert told(weeks(6, 30, 10)) is UNDEFINED


def test_there_is_no_estimate_of_nothing() -> None:
    came, failed, decided = weeks(7, 20, 1_000)
    assert estimated_accuracy(came, failed, decided, np.zeros(BINS), np.zeros(BINS), 3) is UNDEFINED


def test_what_cannot_be_is_refused() -> None:
    one = np.ones((1, 2))
    with pytest.raises(ValueError, match="same bins"):
        calibrate([1], [1, 2])
    with pytest.raises(ValueError, match="finite counts"):
        calibrate([-1], [1])
    with pytest.raises(ValueError, match="decided"):
        expected_accuracy([0.5], [1], [2])
    with pytest.raises(ValueError, match="decided not exceed"):
        estimated_accuracy(one, one, 3 * one, [1, 1], [0, 0], 1)
    with pytest.raises(ValueError, match="lag"):
        estimated_accuracy(one, one, one, [1, 1], [0, 0], 0)
