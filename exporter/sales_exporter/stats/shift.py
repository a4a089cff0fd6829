"""Whether a distribution of scores has moved, and by how much: days are drawn together, as their cases are alike.

A test that takes every score as independent finds a shift in any week, as each day has its own campaigns. What moved is
no harm by itself: the distance is the effect, the test says only that it is not the usual difference between days.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
DRAWS = 999
"""Permutations: p is never below a thousandth."""
LEAST_DAYS = 4
"""Days with scores that either side needs."""
_SEED = 1


class Shift(NamedTuple):
    """Distance in units of the score, and how often days put together at random are as far apart."""

    distance: float
    p_value: float


UNKNOWN = Shift(math.nan, math.nan)


def wasserstein(reference: ArrayLike, current: ArrayLike) -> float:
    """How far, in the mean, scores from 0 to 1 must move to turn one distribution into the other; NaN if one is empty.

    Both are counts per bin of ascending score and equal width. Scores of one bin count as equal: at most one bin's
    width off.

    Source: L. N. Vaserstein, "Markov processes over denumerable products of spaces", Problems of Information
    Transmission 5 (1969) 64-72; in one dimension the area between the distribution functions.

    Raises:
        ValueError: the lengths differ, or a count is negative or not finite.
    """
    one, other = _counts(reference, 1), _counts(current, 1)
    if one.shape != other.shape:
        raise ValueError("reference and current must have the same bins")
    if one.sum() == 0 or other.sum() == 0:
        return math.nan
    return float(_areas(one[None], other[None])[0])


def shift(reference: ArrayLike, current: ArrayLike) -> Shift:
    """Distance of two samples of days x bins, with the share of permutations of whole days that are as far apart.

    A permutation test with days as blocks: its p-value holds for days that may be exchanged, however alike the scores
    of one are. The permutations are the same in every call. Unknown below ``LEAST_DAYS`` days on either side.

    Source: E. Edgington, P. Onghena, "Randomization Tests" (2007) ch. 3.

    Raises:
        ValueError: the bins differ, or a count is negative or not finite.
    """
    before, after = _counts(reference, 2), _counts(current, 2)
    if before.shape[1] != after.shape[1]:
        raise ValueError("reference and current must have the same bins")
    before, after = before[before.sum(axis=1) > 0], after[after.sum(axis=1) > 0]
    if min(len(before), len(after)) < LEAST_DAYS:
        return UNKNOWN
    days = np.concatenate([before, after])
    rng = np.random.default_rng(_SEED)
    drawn = rng.permuted(np.broadcast_to(np.arange(len(days)) < len(after), (DRAWS, len(days))), axis=1).astype(float)
    found = wasserstein(before.sum(axis=0), after.sum(axis=0))
    chance = _areas((1 - drawn) @ days, drawn @ days)
    # Sums in another order differ in the last digits.
    return Shift(found, (1 + int((chance >= found * (1 - 1e-9)).sum())) / (1 + DRAWS))


def _areas(one: Floats, other: Floats) -> Floats:
    """Area between distribution functions, by row."""
    shares = one / one.sum(axis=1, keepdims=True) - other / other.sum(axis=1, keepdims=True)
    return np.asarray(np.abs(np.cumsum(shares, axis=1)).sum(axis=1) / one.shape[1])


def _counts(values: ArrayLike, dimensions: int) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != dimensions or not np.all(np.isfinite(array)) or np.any(array < 0):
        raise ValueError(f"expected {dimensions} dimension(s) of finite counts that are not negative")
    return array
