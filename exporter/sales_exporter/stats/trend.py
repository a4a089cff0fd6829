"""Is there a trend, and how steep: Mann-Kendall and Theil-Sen for values that depend on the ones before.

Both ask only which of two values is larger and how steep the line between them is: a few wild values change little,
and nothing need be normal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sales_exporter.stats.intervals import LEVEL
from sales_exporter.stats.special import ndtr, ndtri

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_VALUES = 8
"""With fewer there is no answer: neither the normal limit nor an autocorrelation is worth anything."""
_BATCH = 2_000_000
"""Pairs of values held in memory at once."""
_LONGEST = 1 / 4
"""Lags up to this share of the steps are looked at: of longer ones there are too few pairs."""


class Trends(NamedTuple):
    """One entry a series, NaN where undefined: ``slope`` per step with its bounds, ``p`` two-sided, values ``used``.

    ``inflation`` is by how much dependence widened the variance, at least 1.
    """

    slope: Floats
    lower: Floats
    upper: Floats
    p: Floats
    used: NDArray[np.int64]
    inflation: Floats


def trends(values: Floats, season: int = 1, level: float = LEVEL) -> Trends:
    """Trends of series (series, steps) at regular steps, NaN (or infinite) where missing.

    With a ``season`` of some steps only values whole seasons apart are compared, so that weekdays are compared with
    their like. The variance is that of Mann-Kendall with ties, times one plus what the ranks of the residuals show of
    dependence from step to step; a dependence that would narrow it is not believed. Work grows with the square of the
    steps: meant for hundreds of daily values, not for thousands of samples.

    Sources: M. G. Kendall, "Rank correlation methods" (1975); P. K. Sen, Journal of the American Statistical
    Association 63 (1968) 1379-1389; R. M. Hirsch, J. R. Slack, R. A. Smith, Water Resources Research 18 (1982) 107-121
    (seasons); K. H. Hamed, A. R. Rao, Journal of Hydrology 204 (1998) 182-196 (dependence).

    Raises:
        ValueError: values are not two-dimensional, the season is not positive, or the level is not in (0, 1).
    """
    if values.ndim != 2 or season < 1 or not 0 < level < 1:
        raise ValueError("trends take (series, steps), a positive season and a level between 0 and 1")
    values = np.where(np.isfinite(values), values, np.nan)
    later, earlier = np.tril_indices(values.shape[1], -1)
    alike = (later - earlier) % season == 0
    later, earlier = later[alike], earlier[alike]
    rows = max(_BATCH // max(values.shape[1] ** 2, 1), 1)
    parts = [
        _batch(values[at : at + rows], earlier, later, season, level) for at in range(0, max(len(values), 1), rows)
    ]
    return Trends(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def _batch(values: Floats, earlier: NDArray[np.int64], later: NDArray[np.int64], season: int, level: float) -> Trends:
    used = (~np.isnan(values)).sum(axis=1)
    rise = values[:, later] - values[:, earlier]
    steepness = np.sort(rise / (later - earlier), axis=1)
    pairs = (~np.isnan(rise)).sum(axis=1)
    variance = _variance(values, season)
    slope = _ranked(steepness, pairs, (pairs - 1) / 2)
    inflation = _inflation(_residuals(values, slope, season), variance > 0)
    deviation = np.sqrt(variance * inflation)
    balance = np.nansum(np.sign(rise), axis=1)
    # A step of the statistic is two; half of it is the continuity correction.
    score = np.divide(np.maximum(np.abs(balance) - 1, 0), deviation, out=np.zeros(len(values)), where=deviation > 0)
    reach = float(ndtri((1 + level) / 2)) * deviation
    enough = (used >= LEAST_VALUES) & (pairs > 0)
    lower, upper = (_ranked(steepness, pairs, (pairs + way) / 2) for way in (-reach - 2, reach))
    slope, lower, upper, p, inflation = (
        np.where(enough, found, np.nan) for found in (slope, lower, upper, 2 * ndtr(-score), inflation)
    )
    return Trends(slope, lower, upper, p, used, inflation)


def _ranked(ordered: Floats, count: NDArray[np.int64], place: Floats) -> Floats:
    """Values at places, from 0, of rows in ascending order of which ``count`` are known; between two, in part."""
    if ordered.shape[1] == 0:
        return np.full(len(ordered), np.nan)
    place = np.clip(place, 0, np.maximum(count - 1, 0))
    whole = np.floor(place).astype(np.int64)
    after = np.minimum(whole + 1, np.maximum(count - 1, 0))
    first, second = (np.take_along_axis(ordered, at[:, None], axis=1)[:, 0] for at in (whole, after))
    return np.asarray(first + (second - first) * (place - whole))


def _variance(values: Floats, season: int) -> Floats:
    """Of Kendall's statistic for independent values, summed over the seasons' places."""
    total = np.zeros(len(values))
    for place in range(min(season, values.shape[1])):
        some = values[:, place::season]
        n = (~np.isnan(some)).sum(axis=1)
        # Each value of a tie of t contributes (t - 1)(2t + 5): the sum over values is that over ties of t(t - 1)(2t+5).
        tied = (some[:, :, None] == some[:, None, :]).sum(axis=2)
        total += (n * (n - 1) * (2 * n + 5) - np.where(tied > 0, (tied - 1) * (2 * tied + 5), 0).sum(axis=1)) / 18
    return total


def _residuals(values: Floats, slope: Floats, season: int) -> Floats:
    """What neither the line nor the season explains."""
    left = values - slope[:, None] * np.arange(values.shape[1])
    for place in range(min(season, values.shape[1]) if season > 1 else 0):
        some = left[:, place::season]
        left[:, place::season] = some - _median(some)
    return left


def _median(values: Floats) -> Floats:
    known = (~np.isnan(values)).sum(axis=1)
    return _ranked(np.sort(values, axis=1), known, (known - 1) / 2)[:, None]


def _inflation(left: Floats, usable: Mask) -> Floats:
    """By how much dependence of the residuals widens the variance of Kendall's statistic.

    Lags up to the first that chance explains count, none with less than the power of the first that it is in a
    process of first order: alone, correlations found at long lags of short series are too small.
    """
    series, steps = left.shape
    known = ~np.isnan(left)
    n = known.sum(axis=1)
    ranks = (left[:, :, None] > left[:, None, :]).sum(axis=2) + (left[:, :, None] == left[:, None, :]).sum(axis=2) / 2
    centred = np.where(known, ranks - n[:, None] / 2, 0.0)
    power = (centred**2).sum(axis=1) / np.maximum(n, 1)
    total, first, sure = np.zeros(series), np.ones(series), np.maximum(n, 3)
    going = np.ones(series, bool)
    for lag in range(1, max(int(steps * _LONGEST), 1) + 1):
        pairs = (known[:, lag:] & known[:, :-lag]).sum(axis=1)
        product = (centred[:, lag:] * centred[:, :-lag]).sum(axis=1) / np.maximum(pairs, 1)
        found = np.divide(product, power, out=np.zeros(series), where=power > 0)
        # Line and mean have taken some of the dependence with them: F. H. C. Marriott, J. A. Pope, Biometrika 41
        # (1954) 390-402, twice over.
        found = np.clip((n * found + 2) / np.maximum(n - 4, 1), -1, 1)
        first = found if lag == 1 else first
        found = np.maximum(found, first**lag)
        going &= found > 1.0 / np.sqrt(sure)
        weight = (sure - lag) * (sure - lag - 1) * (sure - lag - 2)
        total += np.where(going & (weight > 0), weight * found, 0.0)
    return np.where(usable, 1 + 2 * total / (sure * (sure - 1) * (sure - 2)), 1.0)
