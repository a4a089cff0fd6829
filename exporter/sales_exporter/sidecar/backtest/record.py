"""What a replay leaves behind: each alert once, and the course of every series at the resolution of a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sales_exporter.sidecar.backtest.course import Course
from sales_exporter.sidecar.backtest.recent import Recent
from sales_exporter.sidecar.fleet.incidents import Incident
from sales_exporter.sidecar.fleet.severity import Class
from sales_exporter.sidecar.fleet.words import texts
from sales_exporter.sidecar.judging.alarming import Page
from sales_exporter.sidecar.judging.finding import finding
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.verdicts import NONE, Floats, Verdicts

COLUMNS = 672
"""Of a picture: an hour each when four weeks are shown."""
CLOSE_UPS = 200
"""Alerts around whose beginning each moment is kept: the first ones."""
_ROOM, _PARTS = 64, 5


@dataclass(frozen=True, slots=True)
class Alert:
    """One page: what was told at its first moment, and how it went on."""

    at: float
    """When it was told of."""
    until: float
    """The last moment at which it stood."""
    watch: str
    series: SeriesId
    """The heaviest at the first moment, whose numbers these are."""
    value: float
    expected: float
    lower: float
    upper: float
    severity: Class
    """The highest that it reached."""
    texts: Mapping[str, str]
    """Annotations at the first moment."""
    members: frozenset[SeriesId]
    """Every series that had a part in it."""
    incident: int | None = None
    """Number of the marked incident that it told of: it is no false page."""
    close: Course | None = field(default=None, compare=False)
    """The hours around its first moment; None from some number of alerts on."""


class Record:
    """Keeps what the moments of a replay brought. Not for concurrent use."""

    def __init__(self, start: float, until: float, step: float, currency: str, incidents: Sequence[Incident]) -> None:
        """Moments from ``start`` on, ``step`` seconds apart, until ``until``."""
        self._start, self._currency, self._incidents = start, currency, tuple(incidents)
        self._width = max(step, (until - start) / COLUMNS)
        self._columns = int((until - start) / self._width) + 1
        self._alerts: dict[tuple[SeriesId, float], Alert] = {}
        self._places: dict[SeriesId, int] = {}
        self._ids: tuple[SeriesId, ...] = ()
        self._of = np.zeros(0, np.intp)
        self._names: dict[str, int] = {}
        self._owners = np.zeros(0, np.intp)
        self._course = np.full((_PARTS, self._columns, _ROOM), np.nan, np.float32)
        self._recent = Recent(step)
        self._judged = np.zeros(0, np.int64)
        self.moments = 0
        """At which anything could be judged."""

    def take(self, at: float, ids: tuple[SeriesId, ...], values: Floats, verdicts: Verdicts,
             pages: Iterable[Page]) -> None:
        """One moment."""
        self._follow(ids)
        low, high, expected, lower, upper = self._course[:, int((at - self._start) / self._width)]
        of = self._of
        self._recent.take(at, of, len(self._places), values, verdicts)
        low[of], high[of] = np.fmin(low[of], values), np.fmax(high[of], values)
        lower[of], upper[of] = np.fmin(lower[of], verdicts.lower), np.fmax(upper[of], verdicts.upper)
        expected[of] = np.where(np.isnan(verdicts.expected), expected[of], verdicts.expected)
        judged = np.bincount(self._owners[verdicts.channel != NONE], minlength=self._judged.size) > 0
        self._judged += judged
        self.moments += bool(judged.any())
        for page in pages:
            self._note(page, at)

    def alerts(self) -> list[Alert]:
        """Each page once, the oldest first."""
        found = [replace(one, close=self._recent.close(key, one.series)) for key, one in self._alerts.items()]
        return sorted(found, key=lambda one: (one.at, one.series))

    def judged(self, watch: str) -> int:
        """Moments at which any series of the watch could be judged."""
        return int(self._judged[self._names[watch]]) if watch in self._names else 0

    def series(self, watch: str) -> list[SeriesId]:
        """The series of a watch that were held at any time, by name."""
        return sorted(one for one in self._places if one.watch == watch)

    def course(self, series: SeriesId) -> Course:
        """How a series went."""
        low, high, expected, lower, upper = self._course[:, :, self._places[series]]
        return Course(series, self._start, self._width, low, high, expected, lower, upper)

    def _follow(self, ids: tuple[SeriesId, ...]) -> None:
        if ids is self._ids:
            return
        for one in ids:
            self._places.setdefault(one, len(self._places))
            self._names.setdefault(one.watch, len(self._names))
        missing = len(self._places) - self._course.shape[2]
        if missing > 0:
            room = np.full((_PARTS, self._columns, max(missing, self._course.shape[2])), np.nan, np.float32)
            self._course = np.concatenate((self._course, room), axis=2)
        self._judged = np.append(self._judged, np.zeros(len(self._names) - self._judged.size, np.int64))
        self._of = np.array([self._places[one] for one in ids], np.intp)
        self._owners = np.array([self._names[one.watch] for one in ids], np.intp)
        self._ids = ids

    def _note(self, page: Page, at: float) -> None:
        key = page.cause.lead, page.cause.since
        members = frozenset(one.series for one in page.cause.members)
        known = self._alerts.get(key)
        if known is not None:
            self._alerts[key] = replace(known, until=at, severity=page.severity, members=known.members | members)
            return
        if len(self._alerts) < CLOSE_UPS:
            self._recent.follow(key, self._places[page.series])
        one = page.verdict
        self._alerts[key] = Alert(
            at, at, page.cause.lead.watch, page.series, page.value, one.expected, one.lower, one.upper, page.severity,
            texts(finding(page, at, self._currency)), members, self._incident(members, at))

    def _incident(self, members: Iterable[SeriesId], at: float) -> int | None:
        """The marked incident that lasts at this moment and is about one of the series."""
        return next((one.number for one in self._incidents if one.since <= at < one.until
                     and any(one.concerns(each) for each in members)), None)
