"""Lines through the daily levels of series, and how far they have led astray."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.forecasts.past import Floats, Mask, ratio

LINES = ((1.5, True), (4.0, True), (10.0, True), (1.5, False), (np.inf, False))
"""Days in which a day loses half its weight, and whether the line may slope. The last is the mean of all days."""
LONGEST_GAP = 14
"""Days ahead up to which lines were tried in the past; beyond, errors grow by the power law found below."""
MEMORY = 10.0
"""Days in which an error loses half its weight."""
CAUTION = 1.4
"""Errors are taken as so much larger: they are few, overlap, and are those of the best of some lines."""
_WARM_UP = 4


class Line(NamedTuple):
    """Level and slope per day by series; past errors were of ``size`` at one day and grew as days ** ``power``.

    ``settled`` are those whose best line is the mean of all days.
    """

    level: Floats
    slope: Floats
    size: Floats
    power: Floats
    settled: Mask


def best_line(level: Floats) -> Line:
    """Of lines through daily levels (series, days), the one of each series that foresaw the past best, as it is now.

    Tried are discounted lines that forget faster and slower, the last days' mean, and the mean of all.
    """
    days = level.shape[1]
    ends = np.arange(min(_WARM_UP, days - 2), days)
    gaps = np.arange(1, min(LONGEST_GAP, days - ends[0] - 2) + 1)
    found = [_lines(level, ends, half_life, sloping) for half_life, sloping in LINES]
    after = np.minimum(ends[:, None] + gaps, days - 1)
    came = np.where(ends[:, None] + gaps < days, level[:, after], np.nan)
    errors = np.stack([
        np.abs(came - start[:, :, None] - steep[:, :, None] * gaps) for start, steep in found
    ])
    known = ~np.isnan(errors)
    # What went wrong lately says more: the rate may have changed.
    fresh = np.where(known, 0.5 ** ((days - ends) / MEMORY)[:, None], 0.0)
    sizes = CAUTION * ratio((np.nan_to_num(errors) * fresh).sum(axis=2), fresh.sum(axis=2))
    # A gap that missing days leave without errors is without them for every line.
    best = np.nan_to_num(sizes / np.sqrt(gaps)).sum(axis=2).argmin(axis=0)
    row = np.arange(len(level))
    size, power = _growth(sizes[best, row], gaps)
    start, steep = (np.stack([one[which][:, -1] for one in found])[best, row] for which in (0, 1))
    return Line(start, steep, size, power, best == len(LINES) - 1)


def _lines(level: Floats, ends: NDArray[np.int64], half_life: float, sloping: bool) -> tuple[Floats, Floats]:
    """Height at its end, and slope, of the discounted line or mean up to each end (series, ends)."""
    known = ~np.isnan(level)
    age = ends[:, None] - np.arange(level.shape[1])
    weight = np.where(age >= 0, 0.5 ** (np.maximum(age, 0) / half_life), 0.0)
    value = np.where(known, level, 0.0)
    w, wx, wxx = (known @ (weight * (-age) ** power).T for power in (0, 1, 2))
    wy, wxy = (value @ (weight * (-age) ** power).T for power in (0, 1))
    slope = sloping * np.nan_to_num(ratio(w * wxy - wx * wy, w * wxx - wx**2))
    # A level without a slope is that of the middle of its days, which is now as well.
    return ratio(wy - slope * wx, w), slope


def _growth(sizes: Floats, gaps: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Standard deviation at one day, and the power with which it grows, from mean absolute errors (series, gaps)."""
    usable = ~np.isnan(sizes) & (sizes > 0)
    weight = usable / gaps
    y, x = np.log(np.where(usable, sizes, 1.0)), np.log(gaps)
    w, wx, wxx = weight.sum(axis=1), weight @ x, weight @ x**2
    wy, wxy = (weight * y).sum(axis=1), (weight * y) @ x
    power = np.clip(np.nan_to_num(ratio(w * wxy - wx * wy, w * wxx - wx**2)), 0.0, 1.0)
    size = np.exp(ratio(wy - power * wx, w))
    return np.nan_to_num(size) * np.sqrt(np.pi / 2), power
