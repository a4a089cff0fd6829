"""Trends of watched series in whole days: what a sentence about them needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sales_exporter.sidecar.forecasts.past import Floats, daily_means, whole_days
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.stats.trend import trends

WEEK = 7
LEAST_WEEKS = 3
"""From so many weeks on, weekdays are compared with their like only: below, too few pairs are left."""


@dataclass(frozen=True, slots=True)
class Trend:
    """One series' trend over ``days`` days, of which ``known`` have a value.

    ``per_day`` with its 95 % bounds is in units of the series; ``p`` is two-sided. ``level`` is the median day, and
    ``change`` what the slope makes of the window as a share of it: 0.12 is a rise by 12 % of the usual day. NaN when
    that is 0.
    """

    series: SeriesId
    per_day: float
    lower: float
    upper: float
    p: float
    days: int
    known: int
    level: float
    change: float


def daily_trends(series: Sequence[SeriesId], history: Floats, day: int) -> Iterator[Trend]:
    """Trends of the daily means of histories (series, steps) up to now, ``day`` steps to the day; NaN is missing.

    A day counts when half of it is known. Series that nothing can be said about are left out.

    Raises:
        ValueError: there is not one history a series.
    """
    if len(series) != len(history):
        raise ValueError("there must be one history for each series")
    mean = daily_means(whole_days(history, day))
    days = mean.shape[1]
    found = trends(mean, WEEK if days >= LEAST_WEEKS * WEEK else 1)
    for row, one in enumerate(series):
        if not np.isnan(found.p[row]):
            level, slope = float(np.nanmedian(mean[row])), float(found.slope[row])
            yield Trend(
                one, slope, float(found.lower[row]), float(found.upper[row]), float(found.p[row]), days,
                int(found.used[row]), level, slope * (days - 1) / abs(level) if level else np.nan,
            )
