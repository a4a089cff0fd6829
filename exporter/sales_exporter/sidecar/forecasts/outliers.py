"""Past values that must not teach a profile: single ones far from what is usual at their time of day."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.forecasts.past import CLASS, Floats, Past

REACH = 5.0
"""Median absolute deviations from the median within which values are usual."""


def calmed(past: Past) -> Past:
    """The same past with outliers cut to the edge of what is usual at their time of day and class of day.

    What is beyond for most of a day is no outlier but a new level, and stays.
    """
    middle, size = _usual(past)
    everywhere = _median(np.abs(past.values - middle).reshape(len(past.values), -1, 1))
    # Four weekends alone make small deviations by chance.
    reach = REACH * np.maximum(size, everywhere)
    beyond = (np.abs(past.values - middle) > reach) & (reach > 0)
    cut = np.clip(past.values, middle - reach, middle + reach)
    return Past(np.where(beyond & ~_lasting(beyond), cut, past.values), past.kinds)


def _usual(past: Past) -> tuple[Floats, Floats]:
    """Median and median absolute deviation for each value of the past."""
    middle, size = np.full_like(past.values, np.nan), np.full_like(past.values, np.nan)
    classes = CLASS[past.kinds[: past.days]]
    for one in np.unique(classes):
        some = np.where(classes == one, past.values, np.nan)
        centre = _median(some)
        middle = np.where(classes == one, centre, middle)
        size = np.where(classes == one, _median(np.abs(some - centre)), size)
    return middle, size


def _lasting(beyond: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether at least half of the day around a value is marked."""
    series, days, day = beyond.shape
    count = np.pad(np.cumsum(beyond.reshape(series, -1), axis=1), ((0, 0), (1, 0)))
    at = np.arange(days * day)
    begin, end = np.maximum(at - day // 2, 0), np.minimum(at + day // 2 + 1, days * day)
    return np.asarray(2 * (count[:, end] - count[:, begin]) >= end - begin).reshape(beyond.shape)


def _median(values: Floats) -> Floats:
    """Of the known values along days (series, 1, steps); NaN without any."""
    known = (~np.isnan(values)).sum(axis=1, keepdims=True)
    ordered = np.sort(values, axis=1)
    lower, upper = (
        np.take_along_axis(ordered, np.maximum(place, 0), axis=1) for place in ((known - 1) // 2, known // 2)
    )
    return np.where(known > 0, (lower + upper) / 2, np.nan)
