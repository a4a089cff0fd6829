"""The far end of a distribution, from the few largest values: what is rarer than anything seen so far."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.floating]

PRIOR_SHAPE, PRIOR_WEIGHT = 0.2, 8.0
"""A dozen excesses say little of the shape: it starts as that of moderately heavy tails, worth this many excesses."""
LARGEST_SHAPE = 0.5
"""Beyond it, the variance would be infinite."""


class Tail(NamedTuple):
    """Generalised Pareto tails (...): excesses y of the threshold survive with (1 + shape y / scale)^(-1 / shape)."""

    threshold: Reals
    scale: Reals
    shape: Reals
    peaks: Reals
    """How many it was fitted to, the threshold among them."""


def fit(peaks: Reals, least_scale: Reals | float, shape: Reals | None = None) -> Tail:
    """Tails by probability-weighted moments from ascending peaks (m, ...), ``-inf`` where there is none.

    The smallest peak is the threshold. A ``shape`` that is given is taken for what it is; else it is shrunk to
    ``PRIOR_SHAPE`` and held within 0 and ``LARGEST_SHAPE``: no tail is taken to end, nor to be so heavy that nothing is
    ever odd. Without peaks the threshold is ``-inf``.

    Source: J. R. M. Hosking, J. R. Wallis, Technometrics 29 (1987) 339-349.
    """
    there = np.isfinite(peaks)
    count = there.sum(axis=0, dtype=np.float32)
    known = count > 0
    threshold = np.where(known, np.where(there, peaks, np.inf).min(axis=0), -np.inf)
    excess = np.where(there, peaks - np.where(known, threshold, 0), 0)
    size = np.maximum(count, 2)
    mean = excess.sum(axis=0) / size
    if shape is None:
        rank = np.arange(1, len(peaks) + 1, dtype=np.float32).reshape(-1, *[1] * count.ndim) - (len(peaks) - count)
        weighted = ((1 - (rank - np.float32(0.35)) / size) * excess).sum(axis=0) / size
        spread = mean - 2 * weighted
        shape = np.where(spread > 0, 2 - mean / np.where(spread > 0, spread, 1), LARGEST_SHAPE)
        shape = np.where(mean > 0, np.clip(shape, 0, LARGEST_SHAPE), 0)
        shape = (count * shape + PRIOR_WEIGHT * PRIOR_SHAPE) / (count + PRIOR_WEIGHT)
    return Tail(threshold, np.maximum(mean * (1 - shape), least_scale), shape, count)


def survival(tail: Tail, values: Reals) -> Reals:
    """Share of the excesses of the threshold that are as large as each value; 1 below the threshold."""
    excess = np.maximum(values - tail.threshold, 0) / tail.scale
    return np.asarray(np.exp(-np.log1p(tail.shape * excess) / tail.shape))


def value_at(tail: Tail, share: Reals) -> Reals:
    """What only this share of the excesses reaches: the inverse of :func:`survival`."""
    return np.asarray(tail.threshold + tail.scale * (np.power(share, -tail.shape) - 1) / tail.shape)
