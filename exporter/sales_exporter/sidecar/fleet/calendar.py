"""Days and hours of a business: whether a watch may page now."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Hours:
    """When a watch may page: on these days (Monday is 0) from one minute of the day until before another.

    An end at or before the beginning lies on the next day. On holidays a watch with hours does not begin to page.
    """

    days: frozenset[int]
    begin: int
    end: int

    @classmethod
    def of(cls, days: Collection[str], minutes: tuple[int, int]) -> Hours | None:
        """From names of days (``WEEKDAYS``) and minutes of the day; None when that is always."""
        if len(set(days)) == 7 and minutes == (0, 1_440):
            return None
        return cls(frozenset(WEEKDAYS.index(day) for day in days), *minutes)


@dataclass(frozen=True, slots=True)
class Calendar:
    """A time zone and its holidays; all moments are epoch seconds."""

    zone: ZoneInfo
    holidays: frozenset[date] = frozenset()

    @classmethod
    def of(cls, zone: str, holidays: Collection[date]) -> Calendar:
        """From the settings; the zone is known to exist."""
        return cls(ZoneInfo(zone), frozenset(holidays))

    def may_page(self, hours: Hours | None, at: float) -> bool:
        """Whether a watch with these hours pages at this moment; without hours it always does."""
        if hours is None:
            return True
        local = self.local(at)
        minute = local.hour * 60 + local.minute
        if hours.end > hours.begin:
            return hours.begin <= minute < hours.end and self._works(hours, local.date())
        yesterday = local.date() - timedelta(days=1)
        return (minute >= hours.begin and self._works(hours, local.date())) or (
            minute < hours.end and self._works(hours, yesterday))

    def offset(self, at: float) -> float:
        """Seconds by which local time is ahead of UTC at a moment."""
        ahead = self.local(at).utcoffset()
        return ahead.total_seconds() if ahead is not None else 0.0

    def local(self, at: float) -> datetime:
        """The moment by the clocks of the zone."""
        return datetime.fromtimestamp(at, UTC).astimezone(self.zone)

    def _works(self, hours: Hours, day: date) -> bool:
        return day.weekday() in hours.days and day not in self.holidays
