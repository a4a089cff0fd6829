"""What a backtest found: by watch, and against the budget. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sales_exporter.config import Settings
from sales_exporter.errors import SourceError
from sales_exporter.sidecar.backtest.course import Course
from sales_exporter.sidecar.backtest.record import Alert, Record
from sales_exporter.sidecar.fleet.budget import pages_per_week
from sales_exporter.sidecar.fleet.incidents import Incident
from sales_exporter.sidecar.judging.core import REPLAY, Core
from sales_exporter.sidecar.watches.watch import Watch

DAY, WEEK = 86_400.0, 604_800.0


@dataclass(frozen=True, slots=True)
class Span:
    """The time that is replayed, the distance of its moments, and how much before it teaches; all in seconds."""

    start: float
    until: float
    step: float
    taught: float


@dataclass(frozen=True, slots=True)
class Watched:
    """One watch. ``weeks`` are those in which any of its series could be judged."""

    watch: Watch
    series: int
    weeks: float
    before: float
    """Seconds of its history before the span."""
    alerts: tuple[Alert, ...]
    """Of which it was the first to alarm."""
    shared: tuple[Alert, ...]
    """Of other watches, in which series of this one had a part."""
    course: Course | None
    """Of the series with the most alerts; None when nothing was seen."""
    error: str
    """Why it was not read, or not in full; empty when it was."""

    @property
    def pages(self) -> int:
        """Alerts outside of marked incidents."""
        return sum(one.incident is None for one in self.alerts)

    @property
    def young(self) -> bool:
        """Whether less than two weeks taught it before the span."""
        return self.before < REPLAY


@dataclass(frozen=True, slots=True)
class Outcome:
    """The whole backtest."""

    span: Span
    zone: ZoneInfo
    currency: str
    budget: float
    """Pages a week that are accepted."""
    weeks: float
    """In which anything could be judged."""
    watches: tuple[Watched, ...]
    """The most pages first."""
    incidents: tuple[Incident, ...]
    """Marked ones within the span."""
    left_out: int
    """Series above a limit."""
    seconds: float
    """That it took."""

    @property
    def alerts(self) -> list[Alert]:
        """All, the oldest first."""
        return sorted((one for each in self.watches for one in each.alerts), key=lambda one: (one.at, one.series))

    @property
    def pages(self) -> int:
        """Alerts outside of marked incidents."""
        return sum(each.pages for each in self.watches)

    @property
    def per_week(self) -> float:
        """Pages a week of what could be judged; NaN when nothing could."""
        return self.pages / self.weeks if self.weeks else math.nan

    @property
    def series(self) -> int:
        """Series that were judged."""
        return sum(each.series for each in self.watches)

    @property
    def chance(self) -> float:
        """Chance of so many pages or more in that time when exactly the budget holds (Poisson)."""
        mean, term, below = self.budget * self.weeks, 1.0, 0.0
        for count in range(self.pages):
            below += term
            term *= mean / (count + 1)
        return max(0.0, 1.0 - below * math.exp(-mean))

    def found(self, incident: Incident) -> list[Alert]:
        """The alerts that told of a marked incident."""
        return [one for one in self.alerts if one.incident == incident.number]


def outcome(span: Span, watches: Sequence[Watch], settings: Settings, core: Core, record: Record,
            first: Mapping[str, float], errors: Mapping[str, SourceError], left_out: int, seconds: float) -> Outcome:
    """Sum up what was recorded."""
    alerts = record.alerts()
    found = [_watched(watch, span, record, alerts, first.get(watch.name, span.until),
                      str(errors.get(watch.name, ""))) for watch in watches]
    return Outcome(
        span, core.calendar.zone, settings.business.reporting_currency,
        pages_per_week(settings.sidecar.false_alarm_budget), record.moments * span.step / WEEK,
        tuple(sorted(found, key=lambda one: (-one.pages, -len(one.alerts), -len(one.shared), not one.series,
                                             one.watch.name))),
        tuple(one for one in core.incidents if one.until > span.start and one.since < span.until), left_out, seconds)


def _watched(watch: Watch, span: Span, record: Record, alerts: Sequence[Alert], first: float, error: str) -> Watched:
    series = record.series(watch.name)
    own = tuple(one for one in alerts if one.watch == watch.name)
    shared = tuple(one for one in alerts if one.watch != watch.name
                   and any(each.watch == watch.name for each in one.members))
    shown = min(series, key=lambda one: (-sum(one == alert.series for alert in alerts),
                                         -sum(one in alert.members for alert in alerts), one), default=None)
    return Watched(watch, len(series), record.judged(watch.name) * span.step / WEEK, max(span.start - first, 0.0), own,
                   shared, None if shown is None else record.course(shown), error)
