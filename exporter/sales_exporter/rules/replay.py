"""Rules tried on the past: what each alert would have done, asked of any Prometheus-compatible API by range queries."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np

from sales_exporter.errors import SourceError
from sales_exporter.rules.api import Api
from sales_exporter.rules.book import Alert, Book, Recording
from sales_exporter.rules.firing import Episode, Floats, Grid, Labels, episodes, labels_of
from sales_exporter.rules.inline import inlined

WEEK = 604_800.0
INTERVAL = 60.0
"""Seconds between two evaluations of a group that names no interval."""
AT_ONCE = 2
"""Queries under way at the same time."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Span:
    """What is replayed: both ends in epoch seconds, and the seconds between two evaluations."""

    since: float
    until: float
    step: float

    @property
    def weeks(self) -> float:
        """Its length."""
        return (self.until - self.since) / WEEK

    def grid(self, before: float) -> Grid:
        """The moments of evaluation, from so many seconds before it on."""
        early = math.ceil(before / self.step)
        count = early + math.floor((self.until - self.since) / self.step) + 1
        return Grid(self.since - early * self.step, self.step, count)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one alert would have done within the span."""

    alert: Alert
    episodes: tuple[Episode, ...]
    error: str = ""
    """Why it could not be evaluated; it has no episodes then."""

    @property
    def fired(self) -> tuple[Episode, ...]:
        """Those that fired, the first one first."""
        return tuple(one for one in self.episodes if one.fired is not None)

    @property
    def almost(self) -> int:
        """Times that it was pending and did not fire: what a shorter ``for`` would have let through."""
        return sum(one.fired is None and one.until is not None for one in self.episodes)

    def per_week(self, span: Span) -> float:
        """Times that it fired, a week."""
        return len(self.fired) / span.weeks

    def seconds(self, span: Span) -> float:
        """How long it fired within the span, all series together."""
        return sum((one.until or span.until) - max(one.fired, span.since)
                   for one in self.fired if one.fired is not None)


@dataclass(frozen=True, slots=True)
class Column:
    """A recorded series on the moments of a span."""

    name: str
    labels: Labels
    values: Floats


def replay(api: Api, book: Book, span: Span, progress: Progress, *, recorded: bool = False) -> list[Outcome]:
    """Each alert of the book over the span, in the book's order.

    What happened before the span counts: an alert that fires when it begins is one that began before. ``recorded``:
    names that recording rules make are read from the server as it recorded them; else they are replaced by what they
    are made from, so that nothing of the rules has to be there yet.
    """
    found: dict[int, Outcome] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = {pool.submit(_outcome, api, alert, () if recorded else book.recordings, span): place
                for place, alert in enumerate(book.alerts)}
        for done, job in enumerate(as_completed(jobs), 1):
            found[jobs[job]] = job.result()
            progress(done, len(jobs))
    return [found[place] for place in range(len(book.alerts))]


def record(api: Api, book: Book, span: Span, progress: Progress) -> list[Column]:
    """Every recorded series over the span. Between two evaluations of its group a value stays as it is.

    Raises:
        SourceError: the server did not answer, or refused one of the rules.
    """
    grid, columns = span.grid(0), []
    for done, rule in enumerate(book.recordings, 1):
        steps = max(1, round((rule.interval or INTERVAL) / grid.step))
        moments = Grid(grid.start, grid.step * steps, -(-grid.count // steps))
        for labels, found in api.range(inlined(rule.expr, book.recordings, INTERVAL), moments).items():
            values = np.repeat(found, steps)[: grid.count]
            columns.append(Column(rule.name, recorded_labels(dict(labels), rule), values))
        progress(done, len(book.recordings))
    return columns


def recorded_labels(series: dict[str, str], rule: Recording) -> Labels:
    """The labels of a recorded series: those of the result without its name, and the rule's."""
    found = {name: value for name, value in series.items() if name != "__name__"} | dict(rule.labels)
    return tuple(sorted((name, value) for name, value in found.items() if value))


def _outcome(api: Api, alert: Alert, recordings: Sequence[Recording], span: Span) -> Outcome:
    grid = span.grid(alert.hold + alert.keep + span.step)
    try:
        answer = api.range(inlined(alert.expr, recordings, INTERVAL), grid)
    except (SourceError, ValueError) as error:
        return Outcome(alert, (), str(error))
    merged: dict[Labels, Floats] = {}
    for series, values in answer.items():
        labels = labels_of(dict(series), alert)
        before = merged.get(labels)
        merged[labels] = values if before is None else np.where(np.isnan(before), values, before)
    found = [one for labels, values in merged.items() for one in episodes(labels, values, grid, alert)
             if one.until is None or one.until > span.since]
    return Outcome(alert, tuple(sorted(found, key=lambda one: (one.since, one.labels))))
