"""Ranks that say how sure they are: not the order of the estimates, but the orders that the data allow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sales_exporter.stats.intervals import LEVEL

Floats = NDArray[np.float64]


class Ranks(NamedTuple):
    """Rank of each rep, 1 for the highest; all NaN where undefined.

    ``mean`` is the expected rank, whose order is the one with the least expected squared error; ``median`` and the
    bounds are ranks, whole numbers.
    """

    mean: Floats
    median: Floats
    lower: Floats
    upper: Floats


def ranks(draws: ArrayLike, level: float = LEVEL) -> Ranks:
    """Ranks and their credible bounds from joint posterior draws of the reps' true values, draws x reps.

    The highest value ranks first: pass the negative of what should be low, such as cycle times. A rep whose draws
    are NaN is not ranked and does not count. The bounds hold each rep's rank with at least ``level``; they are not
    simultaneous over all reps.

    Sources: N. M. Laird, T. A. Louis, "Empirical Bayes ranking methods", Journal of Educational Statistics 14 (1989)
    29-46; H. Goldstein, D. J. Spiegelhalter, Journal of the Royal Statistical Society A 159 (1996) 385-443.

    Raises:
        ValueError: draws are not two-dimensional or none, a rep's are NaN in part, or the level is not in (0, 1).
    """
    values = np.asarray(draws, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] == 0:
        raise ValueError("expected draws x reps, at least one draw")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    missing = np.isnan(values)
    known = ~missing.any(axis=0)
    if np.any(missing.any(axis=0) != missing.all(axis=0)):
        raise ValueError("the draws of a rep must be numbers or NaN throughout")
    found = np.full((4, known.size), np.nan)
    if known.any():
        order = (-values[:, known]).argsort(axis=1, kind="stable")
        tail, size = (1 - level) / 2, order.shape[1]
        places = np.empty((size, len(order)), dtype=np.min_scalar_type(size))
        # A row of each rep, in numbers as small as they can be: that is what sorting them costs.
        places[order, np.arange(len(order))[:, None]] = np.arange(1, size + 1)
        found[0, known] = places.mean(axis=1)
        found[1:, known] = np.quantile(places, (0.5, tail, 1 - tail), axis=1, method="inverted_cdf")
    return Ranks(*found)
