"""Rules: each won path divides its own revenue among its touches, whatever other paths did."""

from __future__ import annotations

import numpy as np

from sales_exporter.stats.attribution.journeys import Credit, Floats, Ints, Journeys, share_out

HALF_LIFE_DAYS = 7.0
ENDS = 0.4
"""What the first and the last of three or more touches get by :func:`position`; the others share the rest."""


def last(journeys: Journeys) -> Credit:
    """All to the last touch."""
    place, length = _places(journeys)
    return _credit(journeys, (place == length - 1).astype(np.float64))


def first(journeys: Journeys) -> Credit:
    """All to the first touch."""
    return _credit(journeys, (_places(journeys)[0] == 0).astype(np.float64))


def linear(journeys: Journeys) -> Credit:
    """The same to each touch."""
    return _credit(journeys, journeys.once(_equal))


def position(journeys: Journeys) -> Credit:
    """40 % to the first, 40 % to the last, 20 % to those between; two touches get one half each, a single one all."""
    return _credit(journeys, journeys.once(_by_position))


def time_decay(journeys: Journeys) -> Credit:
    """Half as much to a touch for each seven days that it is further from the outcome.

    Raises:
        ValueError: the journeys have no days, or some are not finite.
    """
    return _credit(journeys, journeys.once(_by_age))


def decay(owner: Ints, days: Floats, paths: int) -> Floats:
    """Weight of each touch by :func:`time_decay`; ``owner`` is the path of each, below ``paths``."""
    # Only differences within a path matter; counted from its nearest touch, no weight of a path is lost to underflow.
    nearest = np.full(paths, np.inf)
    np.minimum.at(nearest, owner, days)
    weights = np.exp2((nearest[owner] - days) / HALF_LIFE_DAYS)
    totals = np.bincount(owner, weights, paths)
    return np.asarray(weights / totals[owner])


def _equal(journeys: Journeys) -> Floats:
    return np.asarray(1 / _places(journeys)[1])


def _by_position(journeys: Journeys) -> Floats:
    place, length = _places(journeys)
    end = (place == 0) | (place == length - 1)
    between = (1 - 2 * ENDS) / np.maximum(length - 2, 1)
    return np.where(length < 3, 1 / length, np.where(end, ENDS, between))


def _by_age(journeys: Journeys) -> Floats:
    days = journeys.ages
    if days is None:
        raise ValueError("time decay needs the days from each touch to the outcome")
    if not np.all(np.isfinite(days)):
        raise ValueError("days must be finite")
    return decay(journeys.owner, days, len(journeys.paths))


def _places(journeys: Journeys) -> tuple[Ints, Ints]:
    """Of each touch, its place in its path from 0, and the length of the path."""
    lengths = np.bincount(journeys.owner, minlength=len(journeys.paths))
    starts = np.cumsum(lengths) - lengths
    return np.arange(journeys.owner.size) - starts[journeys.owner], lengths[journeys.owner]


def _credit(journeys: Journeys, weights: Floats) -> Credit:
    """Credit by the weight of each touch; those of a path sum to 1."""
    cents = journeys.revenue.astype(np.float64)[journeys.owner]
    totals = np.bincount(journeys.channel, weights * cents, journeys.channels)
    return share_out(journeys, totals.astype(np.float64))
