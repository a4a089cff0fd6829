"""Quantiles of grouped values: a value for each group and how many there are of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def grouped_quantile(values: ArrayLike, counts: ArrayLike, q: ArrayLike) -> Floats:
    """Quantiles (shape of ``q``) of the sample in which each of the ascending ``values`` occurs ``counts`` times.

    Linear between neighbouring members of the sample, so that with groups of one it equals the quantile of the plain
    values (definition 7 of R. J. Hyndman, Y. Fan, "Sample quantiles in statistical packages", The American
    Statistician 50 (1996) 361-365). NaN for an empty sample.

    Raises:
        ValueError: shapes differ, values are not ascending, a count is negative, or q is not in [0, 1].
    """
    x, n, wanted = (np.asarray(one, dtype=np.float64) for one in (values, counts, q))
    if x.shape != n.shape or x.ndim != 1:
        raise ValueError("values and counts must be vectors of one length")
    if np.any(np.diff(x) < 0) or np.any(n < 0):
        raise ValueError("values must ascend and counts must not be negative")
    if np.any((wanted < 0) | (wanted > 1)):
        raise ValueError("q must be in [0, 1]")
    total = n.sum()
    if total == 0:
        return np.full(wanted.shape, np.nan)
    place = wanted * (total - 1)
    ends = np.cumsum(n)
    below, above = (x[np.searchsorted(ends, part, side="right").clip(max=len(x) - 1)]
                    for part in (np.floor(place), np.ceil(place)))
    return np.asarray(below + (above - below) * (place - np.floor(place)))
