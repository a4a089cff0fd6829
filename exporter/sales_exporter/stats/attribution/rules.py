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
    return _credit(journeys, 1 / _places(journeys)[1])


def position(journeys: Journeys) -> Credit:
    """40 % to the first, 40 % to the last, 20 % to those between; two touches get one half each, a single one all."""
    place, length = _places(journeys)
    end = (place == 0) | (place == length - 1)
    between = (1 - 2 * ENDS) / np.maximum(length - 2, 1)
    return _credit(journeys, np.where(length < 3, 1 / length, np.where(end, ENDS, between)))


def time_decay(journeys: Journeys) -> Credit:
    """Half as much to a touch for each seven days that it is further from the outcome.

    Raises:
        ValueError: the journeys have no days, or some are not finite.
    """
    days = journeys.ages
    if days is None:
        raise ValueError("time decay needs the days from each touch to the outcome")
    if not np.all(np.isfinite(days)):
        raise ValueError("days must be finite")
    # Only differences within a path matter; counted from its nearest touch, no weight of a path is lost to underflow.
    nearest = np.full(len(journeys.paths), np.inf)
    np.minimum.at(nearest, journeys.owner, days)
    weights = np.exp2((nearest[journeys.owner] - days) / HALF_LIFE_DAYS)
    totals = np.bincount(journeys.owner, weights, len(journeys.paths))
    return _credit(journeys, weights / totals[journeys.owner])


def _places(journeys: Journeys) -> tuple[Ints, Ints]:
    """Of each touch, its place in its path from 0, and the length of the path."""
    lengths = np.bincount(journeys.owner, minlength=len(journeys.paths))
    starts = np.cumsum(lengths) - lengths
    return np.arange(journeys.owner.size) - starts[journeys.owner], lengths[journeys.owner]


def _credit(journeys: Journeys, weights: Floats) -> Credit:
    """Credit by the weight of each touch; those of a path sum to 1."""
    cents = np.array(journeys.cents, np.float64)[journeys.owner]
    totals = np.bincount(journeys.channel, weights * cents, journeys.channels)
    return share_out(journeys, totals.astype(np.float64))
