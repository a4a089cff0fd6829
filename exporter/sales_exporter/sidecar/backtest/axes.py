"""Ticks of a picture's axes: round numbers in the unit of the values, and local days. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sales_exporter.sidecar.fleet.quantities import quantity

DAY = 86_400.0
_SECONDS = ((2 * DAY, DAY), (7_200.0, 3_600.0), (120.0, 60.0))
"""Where the top of the axis lies, and what its ticks are then a round number of."""
_MOST_DAYS = 10
_SHORT = 8 * 3_600.0
"""Up to here each hour has a name."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear axis from ``bottom`` to ``top`` with its ticks and what stands at them."""

    bottom: float
    top: float
    ticks: tuple[tuple[float, str], ...]

    def share(self, value: float) -> float:
        """Where a value lies: 0 at the bottom, 1 at the top; what is beyond, at the edge."""
        return min(max((value - self.bottom) / (self.top - self.bottom), 0.0), 1.0)


def scale(least: float, most: float, unit: str, currency: str, count: int = 4) -> Scale:
    """An axis on which all of these values fit, with about ``count`` round steps.

    It begins at 0 when that costs little room.
    """
    if most - least <= 1e-9 * max(abs(most), abs(least)):
        margin = abs(most) / 2 or 1.0
        least, most = least - margin, most + margin
    if 0 < least <= 0.5 * most:
        least = 0.0
    elif most < 0 and most >= 0.5 * least:
        most = 0.0
    part = _part(max(abs(least), abs(most)), unit)
    step = part * _round((most - least) / part / count)
    first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
    ticks = tuple((number * step, quantity(number * step, unit, currency)) for number in range(first, last + 1))
    return Scale(first * step, last * step, ticks)


def days(start: float, until: float, zone: ZoneInfo) -> Sequence[tuple[float, str]]:
    """Local times to name: hours of a day, each day of a short time, each Monday of a longer one, months of a long one.
    """
    if until - start <= 2 * DAY:
        return list(_hours(start, until, zone))
    first, last = (datetime.fromtimestamp(at, UTC).astimezone(zone).date() for at in (start, until))
    all_days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    if len(all_days) <= _MOST_DAYS + 1:
        named = [(day, f"{_weekday(day)} {day.day}") for day in all_days]
    elif len(all_days) <= 12 * 7:
        named = [(day, f"{day.day} {_month(day)}") for day in all_days if day.weekday() == 0]
    else:
        named = [(day, f"{_month(day)} {day.year}") for day in all_days if day.day == 1]
    marks = [(datetime.combine(day, time(), zone).timestamp(), name) for day, name in named]
    return [(at, name) for at, name in marks if start <= at <= until]


def _hours(start: float, until: float, zone: ZoneInfo) -> Iterator[tuple[float, str]]:
    """Every third hour by the zone's clock, each in a short time; midnight by its day."""
    every = 1 if until - start <= _SHORT else 3
    for at in range(math.ceil(start / 900) * 900, math.floor(until) + 1, 900):
        moment = datetime.fromtimestamp(at, UTC).astimezone(zone)
        if moment.minute == 0 and moment.hour % every == 0:
            yield float(at), f"{moment:%H:%M}" if moment.hour else f"{_weekday(moment)} {moment.day}"


def local(at: float, zone: ZoneInfo) -> str:
    """A moment as people in the zone write it: ``Mon 3 Nov 2026, 14:05``."""
    moment = datetime.fromtimestamp(at, UTC).astimezone(zone)
    return f"{_weekday(moment)} {moment.day} {_month(moment)} {moment.year}, {moment:%H:%M}"


def short(at: float, zone: ZoneInfo) -> str:
    """The same without the year: ``Mon 3 Nov, 14:05``."""
    moment = datetime.fromtimestamp(at, UTC).astimezone(zone)
    return f"{_weekday(moment)} {moment.day} {_month(moment)}, {moment:%H:%M}"


def _part(size: float, unit: str) -> float:
    """What ticks are a round number of."""
    if unit == "s":
        return next((part for top, part in _SECONDS if size >= top), 1.0)
    if unit == "bytes":
        return float(1024 ** max(0, math.floor(math.log(size, 1024)))) if size >= 1 else 1.0
    return 1.0


def _round(step: float) -> float:
    """The least of 1, 2, 2.5, 5 and 10 times a power of ten that is not below."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= step * (1 - 1e-9))


# Names are given here so that no locale of the machine changes them.
def _weekday(day: date) -> str:
    return ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[day.weekday()]


def _month(day: date) -> str:
    return ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[day.month - 1]
