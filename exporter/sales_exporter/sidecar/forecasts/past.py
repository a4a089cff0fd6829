"""A past cut into whole days that end now, and the origins in it from which forecasts can be tried."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kinds = NDArray[np.int64]
Mask = NDArray[np.bool_]

HOLIDAY = 7
"""Kind of a day beside 0 (Monday) to 6 (Sunday)."""
CLASS = np.array([0, 0, 0, 0, 0, 1, 1, 2])
"""Workday, weekend or holiday, by kind."""
LEAST_DAYS = 4
"""With fewer whole days there is no forecast: nobody could say how good it is."""
WARM_UP = 7
"""Days before the first origin; half the past when that is shorter."""
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Past:
    """``values`` (series, days, steps of a day), NaN where missing, and ``kinds`` (days + days ahead, steps of a day).

    A day is the 24 hours up to the same time of day as now, so that every origin sees the coming hours in the same
    order. An origin is the number of days before it; the last one is now.
    """

    values: Floats
    kinds: Kinds

    @classmethod
    def of(cls, history: Floats, kinds: Kinds, day: int, leads: int) -> Past:
        """The newest whole days of a history (series, steps); kinds has an entry for each step and each lead."""
        values, ahead = whole_days(history, day), -(-leads // day)
        days = values.shape[1]
        coming = kinds[history.shape[1] - days * day :]
        padded = np.pad(coming, (0, (days + ahead) * day - coming.size), mode="edge")
        return cls(values, padded.reshape(days + ahead, day))

    @property
    def days(self) -> int:
        """Whole days in the past."""
        return int(self.values.shape[1])

    @property
    def day(self) -> int:
        """Steps in a day."""
        return int(self.values.shape[2])

    @property
    def ahead(self) -> int:
        """Days that are forecast, the last perhaps in part."""
        return len(self.kinds) - self.days

    @property
    def origins(self) -> NDArray[np.int64]:
        """Days before each origin."""
        return np.arange(min(WARM_UP, self.days // 2), self.days + 1)

    def came(self) -> Floats:
        """What came after each origin (series, origins, days ahead, steps of a day); NaN where not known yet."""
        target = self.origins[:, None] + np.arange(self.ahead)
        found = self.values[:, np.minimum(target, self.days - 1)]
        return np.where((target < self.days)[None, :, :, None], found, np.nan)


def day_kinds(start: float, step: float, count: int, offset: float = 0.0) -> Kinds:
    """Weekday, 0 for Monday, of ``count`` steps from ``start``, epoch seconds, in a zone ``offset`` seconds ahead."""
    day = np.floor((start + offset + step * np.arange(count)) / _DAY)
    return ((day + 3) % 7).astype(np.int64)


def ratio(above: Floats, below: Floats) -> Floats:
    """Quotient, NaN where there is nothing to divide by."""
    shape = np.broadcast_shapes(above.shape, below.shape)
    return np.asarray(np.divide(above, below, out=np.full(shape, np.nan), where=below > 0))


def whole_days(history: Floats, day: int) -> Floats:
    """The newest whole days of a history (series, steps), as (series, days, day); NaN for what is not finite."""
    days = history.shape[1] // day
    cut = history[:, history.shape[1] - days * day :].reshape(len(history), days, day)
    return np.where(np.isfinite(cut), cut, np.nan)


def daily_means(days: Floats) -> Floats:
    """Means of days (series, days, steps of a day); NaN where less than half of a day is known."""
    known = ~np.isnan(days)
    count = known.sum(axis=2)
    mean = ratio(np.where(known, days, 0.0).sum(axis=2), count.astype(np.float64))
    return np.where(2 * count >= days.shape[2], mean, np.nan)
