"""Evidence that a share (of right decisions) has dropped, for a look after every batch of outcomes and no horizon.

An e-detector sums up, over every moment at which a drop may have begun, the likelihood ratio of what came since. While
nothing has dropped its expectation is the time that passed, so looking as often as one likes costs nothing: a limit of
1/alpha is crossed by chance at most alpha times a month in the mean. Unlike a single e-process from the first day, its
evidence does not decay while all is well.

Everything is vectorised over streams: evidence is (streams, ``SHARES.size``), in logarithms.

Source: J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", New
England Journal of Statistics in Data Science 2 (2023) 229-260, with Shiryaev-Roberts weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sales_exporter.stats.special import betaln, expit, logit

Floats = NDArray[np.float64]

STEP = 0.1
SHARES: Floats = expit(np.arange(-6.0, 6.01, STEP))
"""Shares that outcomes may have dropped to, ``STEP`` apart in the logit."""
CEILING = 1e6
"""Largest e-value that is kept: a stream that has recovered must be able to show it in bounded time."""
PRIOR = 0.5
"""Jeffreys' prior of an unknown share: half a right and half a wrong outcome."""
LEAST_DROP, TYPICAL_DROP, SPREAD = 0.25, 0.55, 0.4
"""Of the drops looked for, in units of the logit (0.90 to 0.85 is 0.46): the least, the median, and the deviation of
their logarithm."""
EDGE = 1e-4
"""Nearest to 0 and 1 that a share is taken to lie."""


def nothing(streams: int) -> Floats:
    """Evidence of streams that have just begun."""
    return np.full((streams, SHARES.size), -np.inf)


def drops(before: ArrayLike) -> Floats:
    """Logarithms of the weights of the shares that each stream may drop to, from the share ``before``, (streams,).

    They add up to 1. A share so low that nothing lies below it by ``LEAST_DROP`` has none.
    """
    share = np.clip(np.asarray(before, dtype=np.float64), EDGE, 1 - EDGE)
    distance = logit(share)[:, None] - logit(SHARES)
    below = distance >= LEAST_DROP
    size = np.log(np.where(below, distance, 1.0))
    weight = np.where(below, np.exp(-0.5 * ((size - np.log(TYPICAL_DROP)) / SPREAD) ** 2 - size), 0.0)
    whole = weight.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.divide(weight, whole, out=np.zeros_like(weight), where=whole > 0)))


def against_floor(right: ArrayLike, total: ArrayLike, floor: ArrayLike) -> Floats:
    """Log-likelihood ratios of ``right`` of ``total`` outcomes: each of ``SHARES`` against a stated floor.

    Their expectation, not in logarithms, is at most 1 whenever every outcome is right with at least the chance
    ``floor``, and the share is one that it may have dropped to.
    """
    least = np.clip(np.asarray(floor, dtype=np.float64), EDGE, 1 - EDGE)
    good, bad = _outcomes(right, total)
    return np.asarray(_likelihoods(good, bad) - (good * np.log(least) + bad * np.log1p(-least))[:, None])


def against_baseline(right: ArrayLike, total: ArrayLike, known_right: ArrayLike, known_total: ArrayLike) -> Floats:
    """The same against one unknown share that the known outcomes before these had too.

    The expectation is 1 when the outcomes are independent of that share, in the mean over Jeffreys' prior of it: a mean
    over baselines, where a stated floor holds for each.
    """
    good, bad = _outcomes(right, total)
    before, failed = _outcomes(known_right, known_total)
    before, failed = before + PRIOR, failed + PRIOR
    predicted = betaln(before + good, failed + bad) - betaln(before, failed)
    return np.asarray(_likelihoods(good, bad) - predicted[:, None])


def begun(weights: Floats, months: ArrayLike) -> Floats:
    """Evidence that drops which begin now start with: ``weights`` (of ``drops``) for each of ``months``, (streams,)."""
    with np.errstate(divide="ignore"):
        return np.asarray(weights + np.log(np.asarray(months, dtype=np.float64))[:, None])


def gathered(evidence: Floats, fresh: Floats, ratios: Floats) -> Floats:
    """Evidence after a batch, before which a drop may have ``begun`` too; scaled down where it is above ``CEILING``."""
    grown = np.logaddexp(evidence, fresh) + ratios
    beyond = np.maximum(_sum(grown) - np.log(CEILING), 0.0)
    return np.asarray(grown - beyond[:, None])


def e_values(evidence: Floats) -> Floats:
    """Evidence of a drop to whatever share, (streams,); in the mean at most the months that passed if there is none."""
    return np.asarray(np.exp(_sum(evidence)))


def dropped_to(evidence: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of the share since the drop, if there is one, by how the evidence is spread; NaN without any.

    It weighs all moments at which the drop may have begun. The deviation allows for the steps between ``SHARES``.
    """
    whole = _sum(evidence)
    known = np.isfinite(whole)
    chance = np.exp(evidence - np.where(known, whole, 0.0)[:, None])
    chance[~known] = np.nan
    mean = np.asarray(chance @ SHARES)
    variance = (chance * (SHARES - mean[:, None]) ** 2).sum(axis=1) + (STEP * mean * (1 - mean)) ** 2 / 12
    return np.asarray(mean), np.asarray(np.sqrt(variance))


def _sum(evidence: Floats) -> Floats:
    return np.asarray(np.logaddexp.reduce(evidence, axis=1))


def _likelihoods(good: Floats, bad: Floats) -> Floats:
    return np.asarray(good[:, None] * np.log(SHARES) + bad[:, None] * np.log1p(-SHARES))


def _outcomes(right: ArrayLike, total: ArrayLike) -> tuple[Floats, Floats]:
    good, count = np.asarray(right, dtype=np.float64), np.asarray(total, dtype=np.float64)
    if good.shape != count.shape or good.ndim != 1 or np.any(good < 0) or np.any(good > count):
        raise ValueError("expected as many counts of right outcomes as totals, none negative nor above its total")
    return good, count - good
