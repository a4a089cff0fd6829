"""Accuracy of a classifier's decisions before their labels arrive, from scores calibrated on labels that have.

It sees that the mix of cases has changed. It cannot see that the same score has come to mean something else (concept
drift) until labels show it: no method can, from scores alone.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
LEAST_PERIODS = 4
"""With fewer past estimates than this there is none: nobody could say how good it is."""
LEAST_LABELS = 200
"""Labels without which scores are not calibrated."""
WINDOW = 13
"""Periods that an estimate learns from: fewer are noisy, more remember a world that may be gone."""


class EstimatedAccuracy(NamedTuple):
    """Estimated accuracy of the pending decisions, and its record.

    ``error`` is the mean absolute difference between past estimates and the accuracy that came out, over ``periods``
    matured periods; ``naive_error`` that of carrying on the accuracy of the labels which the estimate learned from.
    """

    value: float
    error: float
    naive_error: float
    periods: int


UNDEFINED = EstimatedAccuracy(math.nan, math.nan, math.nan, 0)


def calibrate(positives: ArrayLike, negatives: ArrayLike) -> Floats:
    """Probability of a positive by bin of ascending score: the rising step function nearest to the labels.

    A bin without labels takes the value between its neighbours; NaN everywhere without any label. The first and last
    step may be 0 and 1.

    Source: B. Zadrozny, C. Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD
    (2002) 694-699, by pool-adjacent-violators.

    Raises:
        ValueError: the lengths differ, or a count is negative or not finite.
    """
    above, below = _counts(positives, 1), _counts(negatives, 1)
    if above.shape != below.shape:
        raise ValueError("positives and negatives must have the same bins")
    labels = above + below
    some = np.flatnonzero(labels)
    if some.size == 0:
        return np.full(labels.shape, np.nan)
    return np.asarray(np.interp(np.arange(labels.size), some, _rising(above[some], labels[some])))


def expected_accuracy(probability: ArrayLike, count: ArrayLike, decided: ArrayLike) -> float:
    """Mean confidence of decisions: the probability of a positive where it was decided for, else of a negative.

    All by bin: calibrated probabilities, predictions, and those of them decided positive. NaN without predictions, or
    where a bin with predictions has no probability.

    Source: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML (2017)
    1321-1330, for confidence as accuracy; S. Garg and others, "Leveraging unlabeled data to predict out-of-distribution
    performance", ICLR (2022), for its mean as estimate.

    Raises:
        ValueError: the lengths differ, a count is negative or not finite, or more are decided than there are.
    """
    all_of, positive = _counts(count, 1), _counts(decided, 1)
    chance = np.asarray(probability, dtype=np.float64)
    if not chance.shape == all_of.shape == positive.shape or np.any(positive > all_of):
        raise ValueError("probability, count and decided must have the same bins, and no more decided than counted")
    some = all_of > 0
    if not some.any():
        return math.nan
    right = positive[some] * chance[some] + (all_of - positive)[some] * (1 - chance[some])
    return float(right.sum() / all_of.sum())


def estimated_accuracy(
    positives: ArrayLike, negatives: ArrayLike, decided: ArrayLike, pending: ArrayLike, pending_decided: ArrayLike,
    lag: int,
) -> EstimatedAccuracy:
    """Accuracy that the pending decisions will turn out to have, with the error of such estimates in the past.

    ``positives``, ``negatives`` and ``decided`` (decided positive, of both) are periods x bins of ascending score:
    predictions by the period in which they were made, of periods all of whose labels are mature, the oldest first.
    ``pending`` and ``pending_decided`` are bins of later predictions. Take whole periods of these too: what is left of
    a period once its quick wins have matured is no fair sample of it. ``lag`` is how many periods pass until a
    period's labels are mature; a past estimate learns from the periods before its own less these. Inside a bin,
    decisions and labels are taken as independent, so thresholds should lie on edges, or bins be many.

    An estimate learns from the last WINDOW periods that are mature. Undefined below LEAST_PERIODS past estimates from
    LEAST_LABELS labels each, with fewer labels than these now, and without pending predictions.

    Raises:
        ValueError: shapes differ, counts are negative, more are decided than there are, or the lag is below 1.
    """
    above, below, chosen = (_counts(part, 2) for part in (positives, negatives, decided))
    if not above.shape == below.shape == chosen.shape or np.any(chosen > above + below):
        raise ValueError("positives, negatives and decided must have the same periods and bins, and decided not exceed")
    if lag < 1:
        raise ValueError(f"lag must be at least one period, not {lag}")
    learned = above[-WINDOW:].sum(axis=0), below[-WINDOW:].sum(axis=0)
    value = expected_accuracy(calibrate(*learned), pending, pending_decided)
    past = _past(above, below, chosen, lag)
    if math.isnan(value) or sum(map(np.sum, learned)) < LEAST_LABELS or len(past) < LEAST_PERIODS:
        return UNDEFINED
    estimate, carried, came = np.array(past).T
    return EstimatedAccuracy(
        value, float(np.abs(estimate - came).mean()), float(np.abs(carried - came).mean()), len(past),
    )


def _past(above: Floats, below: Floats, chosen: Floats, lag: int) -> list[tuple[float, float, float]]:
    """Estimate, accuracy carried on, and accuracy that came out, of each period that had labels to learn from."""
    right, labels = _right(above, below, chosen), (above + below).sum(axis=1)
    found = []
    for period in range(lag, len(above)):
        known = slice(max(0, period - lag + 1 - WINDOW), period - lag + 1)
        learned = float(labels[known].sum())
        if learned >= LEAST_LABELS and labels[period] > 0:
            chance = calibrate(above[known].sum(axis=0), below[known].sum(axis=0))
            estimate = expected_accuracy(chance, above[period] + below[period], chosen[period])
            found.append((estimate, float(right[known].sum()) / learned, float(right[period] / labels[period])))
    return found


def _rising(above: Floats, labels: Floats) -> Floats:
    """Shares of positives, with neighbours that fall joined until none does."""
    blocks: list[tuple[float, float, int]] = []
    for positive, size in zip(above.tolist(), labels.tolist(), strict=True):
        block = (positive, size, 1)
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            last = blocks.pop()
            block = (last[0] + block[0], last[1] + block[1], last[2] + block[2])
        blocks.append(block)
    positives, sizes, widths = zip(*blocks, strict=True)
    return np.repeat(np.array(positives) / np.array(sizes), widths)


def _right(above: Floats, below: Floats, chosen: Floats) -> Floats:
    """Right decisions of each period."""
    count = above + below
    share = np.divide(chosen, count, out=np.zeros_like(count), where=count > 0)
    return np.asarray((above * share + below * (1 - share)).sum(axis=1))


def _counts(values: ArrayLike, dimensions: int) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != dimensions or not np.all(np.isfinite(array)) or np.any(array < 0):
        raise ValueError(f"expected {dimensions} dimension(s) of finite counts that are not negative")
    return array
