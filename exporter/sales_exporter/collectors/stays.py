"""Visits of stages as matrices: what the statistics of durations take, from the cells of leads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sales_exporter.collectors.windows import HOUR
from sales_exporter.ledger import leads as visit
from sales_exporter.ledger.calendar import SECOND, Calendar, Ints
from sales_exporter.ledger.cube import Layout
from sales_exporter.ledger.scheme import EDGES
from sales_exporter.ledger.view import View
from sales_exporter.stats.survival import Survival, survival

Floats = NDArray[np.float64]
BUCKETS = len(EDGES) + 1


@dataclass(frozen=True, slots=True)
class Days:
    """The reporting days from ``first`` to that of the moment of evaluation; ``now`` in days since its start."""

    first: int
    now: float

    @classmethod
    def ending(cls, calendar: Calendar, moment: float, first: int) -> Days:
        """Days to a moment in epoch seconds, and at least the one before it."""
        today = calendar.day(moment)
        part = (moment - calendar.start(today)) / (calendar.start(today + 1) - calendar.start(today))
        begin = min(first, today - 1)
        return cls(begin, today - begin + min(max(part, 0.0), 1.0))

    @property
    def size(self) -> int:
        """How many days; one that begins at the moment of evaluation is none."""
        return math.ceil(self.now)


@dataclass(frozen=True, slots=True)
class Stays:
    """Visits by stage and day of entry: finished ones by bucket (stages, days, buckets), open ones (stages, days)."""

    finished: Floats
    open: Floats


def stays(ledger: View, days: Days) -> Stays:
    """Visits that began in these days."""
    stages = len(ledger.scheme.stages)
    columns, counts = ledger.read(visit.STAYS, days.first, days.first + days.size)
    place = (columns["stage"] * days.size + columns["day"] - days.first) * BUCKETS + columns["bucket"]
    finished = np.bincount(place, weights=counts, minlength=stages * days.size * BUCKETS)
    still, waiting = ledger.read(visit.OPEN)
    began = entry_days(ledger, still["hour"]) - days.first
    mine = (began >= 0) & (began < days.size)
    place = still["stage"][mine] * days.size + began[mine]
    left = np.bincount(place, weights=waiting[mine], minlength=stages * days.size)
    return Stays(
        finished.reshape(stages, days.size, BUCKETS).astype(np.float64),
        left.reshape(stages, days.size).astype(np.float64),
    )


def first_day(ledger: View) -> int | None:
    """The day of the earliest visit, None without any."""
    columns, _ = ledger.read(visit.STAYS)
    still, _ = ledger.read(visit.OPEN)
    days = [part for part in (columns["day"][:1], entry_days(ledger, still["hour"][:1])) if len(part)]
    return min(int(part[0]) for part in days) if days else None


def visits(ledger: View) -> float:
    """How many visits there are, finished and open."""
    return float(sum(ledger.read(layout)[1].sum() for layout in (visit.STAYS, visit.OPEN)))


def entry_days(ledger: View, hours: Ints) -> Ints:
    """Reporting days on which hours begin."""
    return ledger.scheme.calendar.days(hours * round(HOUR) * SECOND)


def ages(hours: Ints, now: float) -> Floats:
    """Mean age in seconds of what began in each hour (UTC) up to now, taken as spread evenly over it."""
    start = hours * HOUR
    return np.asarray(np.maximum(now - start - np.minimum(now - start, HOUR) / 2, 0.0))


@dataclass(frozen=True, slots=True)
class Entries:
    """Visits of each stage that began in a range: finished ones by bucket (stages, buckets), open ones by age."""

    finished: Floats
    stage: Ints
    ages: Floats
    open: Ints

    def total(self, stage: int) -> float:
        """How many began."""
        return float(self.finished[stage].sum() + self.open[self.stage == stage].sum())

    def curve(self, stage: int, seconds: Floats) -> Survival:
        """How long visits of one stage last, from the mean duration of those in each bucket."""
        ended, mine = np.flatnonzero(self.finished[stage]), self.stage == stage
        # Time 0 is there in any case: a curve needs one time.
        found = np.concatenate([seconds[ended], self.ages[mine], [0.0]])
        times, place = np.unique(found, return_inverse=True)
        events = np.bincount(place[: len(ended)], self.finished[stage][ended], len(times))
        return survival(times, events, np.bincount(place[len(ended) : -1], self.open[mine], len(times)))


def entries(ledger: View, since: int | None, now: float) -> Entries:
    """Visits that began on this reporting day or later."""
    return entries_since(ledger, [since], now)[0]


def entries_since(ledger: View, days: Sequence[int | None], now: float) -> list[Entries]:
    """Visits that began on each of these reporting days (ascending, None is before all) or later; read once for all."""
    finished = counted_since(ledger, visit.STAYS, days)
    still, waiting = ledger.read(visit.OPEN)
    old = ages(still["hour"], now)
    # Hours ascend, so do their days.
    firsts = np.searchsorted(entry_days(ledger, still["hour"]), _numbers(days)).tolist()
    return [Entries(table, still["stage"][first:], old[first:], waiting[first:])
            for table, first in zip(finished, firsts, strict=True)]


def counted_since(ledger: View, layout: Layout, days: Sequence[int | None]) -> Floats:
    """Cells of each of these days (ascending, None is before all) and later, by stage and bucket (days, stages,
    buckets)."""
    columns, counts = ledger.read(layout, days[0])
    stages = len(ledger.scheme.stages)
    place = columns["stage"] * BUCKETS + columns["bucket"]
    edges = [*np.searchsorted(columns["day"], _numbers(days)).tolist(), len(place)]
    parts = np.array([np.bincount(place[low:high], counts[low:high], stages * BUCKETS)
                      for low, high in pairwise(edges)])
    return np.asarray(np.cumsum(parts[::-1], axis=0)[::-1].reshape(len(days), stages, BUCKETS))


def _numbers(days: Sequence[int | None]) -> list[int]:
    return [0 if day is None else day for day in days]
