"""Reporting days: which day of the reporting time zone a moment falls on, vectorised, over clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

SECOND = 1_000_000
"""Moments are whole microseconds since 1970, as exact as PostgreSQL's own."""
HOUR, DAY = 3600 * SECOND, 86_400 * SECOND
FIRST_YEAR, LAST_YEAR = 1970, 2100


class Calendar:
    """Days are numbered from 1970-01-01 in the zone; a day may have 23 or 25 hours.

    Moments outside of 1970 to 2100 count as of the nearest day inside, so that a corrupt date (or infinity) spoils
    one cell and not the ledger.
    """

    def __init__(self, zone: str) -> None:
        self.zone = zone
        self._since, self._offset = _offsets(zone)

    def days(self, at: Ints) -> Ints:
        """Day numbers of moments (microseconds)."""
        inside = _inside(at)
        local = inside + self._offset[np.searchsorted(self._since, inside, side="right") - 1]
        return np.asarray(np.maximum(local // DAY, 0), dtype=np.int64)

    def hours(self, at: Ints) -> Ints:
        """Hours since 1970, UTC."""
        return np.asarray(_inside(at) // HOUR, dtype=np.int64)

    def starts(self, days: Ints) -> Ints:
        """The moments (microseconds) at which days begin."""
        wall = np.asarray(days, dtype=np.int64) * DAY
        # The offset in force at local midnight: look it up with the offset of half a day before, which is at most one
        # clock change away, and again with what that gives.
        guess = wall - self._offset[np.searchsorted(self._since, wall - DAY // 2, side="right").clip(1) - 1]
        again = wall - self._offset[np.searchsorted(self._since, guess, side="right").clip(1) - 1]
        # A midnight that the clock skipped: the day begins at the change, which the first look gave.
        return np.asarray(np.where(self.days(again) < days, guess, again))

    def day(self, moment: float) -> int:
        """Day number of one moment in epoch seconds."""
        return int(self.days(np.array([round(moment * SECOND)]))[0])

    def start(self, day: int) -> float:
        """Epoch seconds at which a day begins."""
        return float(self.starts(np.array([day]))[0]) / SECOND


_LAST = round(datetime(LAST_YEAR, 12, 31, tzinfo=UTC).timestamp()) * SECOND


def _inside(at: Ints) -> Ints:
    # Of a few moments, numpy's clip costs five times these two.
    return np.minimum(np.maximum(at, 0), _LAST)


@lru_cache(maxsize=4)
def _offsets(zone: str) -> tuple[Ints, Ints]:
    """Moments from which an offset from UTC holds, and the offsets, both in microseconds."""
    place = ZoneInfo(zone)
    since, offsets = [0], [_offset(place, datetime(FIRST_YEAR, 1, 1, tzinfo=UTC))]
    low = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    while low.year < LAST_YEAR + 1:
        high = low + timedelta(days=1)
        if _offset(place, high) != offsets[-1]:
            change = _change(place, low, high)
            since.append(round(change.timestamp()) * SECOND)
            offsets.append(_offset(place, high))
        low = high
    return np.array(since, dtype=np.int64), np.array(offsets, dtype=np.int64)


def _change(place: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first second with the offset of ``high``."""
    after = _offset(place, high)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (low, middle) if _offset(place, middle) == after else (middle, high)
    return high


def _offset(place: ZoneInfo, moment: datetime) -> int:
    found = moment.astimezone(place).utcoffset()
    return 0 if found is None else found // timedelta(microseconds=1)
