"""Rhythms of any length: memory between restarts, batches every few days."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.forecasts.past import HOLIDAY, Floats, Past, ratio

LEAST = 0.3
"""Autocorrelation at a cycle's length, mean over three cycles, from which it is taken up."""
FINEST = 4
"""Lengths are tried in steps of this part of a step, from a quarter of a day to a third of the past."""
REPEATS = 4
"""How many cycles back are averaged, each with less weight than the next."""
_FADING = 0.8
_NEAR_A_DAY = 0.05


def cycles(past: Past) -> Floats:
    """What was seen whole cycles ago (series, origins, days ahead, steps of a day); NaN for series without a cycle.

    NaN on holidays also, when the cycle is one of whole days: it is the calendar's, and holidays break it.
    """
    found = np.full((len(past.values), past.origins.size, past.ahead, past.day), np.nan)
    flat = past.values.reshape(len(past.values), -1)
    length, strength = _lengths(flat, past.day)
    which = strength > LEAST
    if which.any():
        found[which] = _back(past, flat[which], length[which])
        calendar = np.abs(length / past.day - np.rint(length / past.day)) < _NEAR_A_DAY
        holiday = past.kinds[past.origins[:, None] + np.arange(past.ahead)] == HOLIDAY
        found[calendar[:, None, None, None] & holiday] = np.nan
    return found


def _lengths(values: Floats, day: int) -> tuple[Floats, Floats]:
    """The length of each series' strongest cycle in steps, and its autocorrelation."""
    steps = values.shape[1]
    known = ~np.isnan(values)
    mean = ratio(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1).astype(np.float64))
    centred = np.where(known, values - mean[:, None], 0.0)
    products = np.fft.irfft(np.abs(np.fft.rfft(centred, 2 * steps)) ** 2, 2 * steps)[:, : steps // 2 + 1]
    correlation = np.nan_to_num(ratio(products, products[:, :1])) * steps / (steps - np.arange(steps // 2 + 1))
    tried = np.arange(day / 4, steps / 3.2, 1 / FINEST)
    if tried.size == 0:
        return np.ones(len(values)), np.zeros(len(values))
    lags = tried[:, None] * np.arange(1, 4)
    inside = lags < steps // 2
    whole = np.minimum(lags.astype(np.int64), steps // 2 - 1)
    part = lags - whole
    between = correlation[:, whole] * (1 - part) + correlation[:, whole + 1] * part
    strength = np.where(inside, between, 0.0).sum(axis=2) / inside.sum(axis=1)
    best = strength.argmax(axis=1)
    return tried[best], np.take_along_axis(strength, best[:, None], axis=1)[:, 0]


def _back(past: Past, values: Floats, length: Floats) -> Floats:
    lead = np.arange(past.ahead * past.day)
    target = past.origins[:, None] * past.day + lead
    first = np.ceil((lead + 1) / length[:, None])
    sums = np.zeros((len(values), *target.shape))
    weights = np.zeros_like(sums)
    for repeat in range(REPEATS):
        place = target - ((first + repeat) * length[:, None])[:, None, :]
        whole = np.floor(place).astype(np.int64)
        seen = _between(values, whole, place - whole)
        usable = (whole >= 0) & ~np.isnan(seen)
        sums += np.where(usable, seen, 0.0) * _FADING**repeat
        weights += usable * _FADING**repeat
    return ratio(sums, weights).reshape(len(values), past.origins.size, past.ahead, past.day)


def _between(values: Floats, whole: NDArray[np.int64], part: Floats) -> Floats:
    row = np.arange(len(values))[:, None, None]
    last = values.shape[1] - 1
    before = values[row, np.clip(whole, 0, last)]
    # A step that is hit exactly needs no neighbour, which may be missing or not there yet.
    after = np.where(part > 0, values[row, np.clip(whole + 1, 0, last)], before)
    return before * (1 - part) + after * part
