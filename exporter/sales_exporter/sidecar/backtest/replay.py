"""Reads weeks of history and has them judged as they would have been live."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sales_exporter.config import Settings
from sales_exporter.errors import SourceError
from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.backtest.outcome import Outcome, Span, outcome
from sales_exporter.sidecar.backtest.record import Record
from sales_exporter.sidecar.backtest.stage import Stage
from sales_exporter.sidecar.history import reading
from sales_exporter.sidecar.history.client import Client, QueryRejected
from sales_exporter.sidecar.history.ranges import Piece, even, pieces
from sales_exporter.sidecar.history.slots import Slots
from sales_exporter.sidecar.judging.core import REPLAY, Core
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.verdicts import Floats
from sales_exporter.sidecar.watches.watch import Watch

DAY = 86_400.0

Told = Callable[[str], Callable[[int, int], None]]
"""Progress: the name of a job gives a function of parts done and parts in all."""


@dataclass(slots=True)
class _Read:
    """What was learned of the server's answers on the way."""

    slots: Slots
    errors: dict[str, SourceError]
    first: dict[str, float]
    """By watch: its earliest sample."""


async def replay(client: Client, watches: Sequence[Watch], settings: Settings, span: Span, clock: Clock,
                 told: Told) -> Outcome:
    """Judge a span of the past; what is before it teaches, as at a start of the sidecar.

    Raises:
        SourceError: the server answers none of the queries.
        UsageError: the budget, or the file of incidents, is wrong.
    """
    began = clock.monotonic()
    own = settings.sidecar.model_copy(update={"interval": span.step})
    core = Core.of(watches, settings.model_copy(update={"sidecar": own}), span.start)
    read = _Read(Slots((1, 1), settings.limits.series), {}, {})
    asked = await _answering(client, watches, span.until, read)
    stage = Stage(core)
    record = Record(span.start, span.until, span.step, settings.business.reporting_currency, core.incidents)
    await _teach(client, asked, stage, span, clock, told("reading the past before, parts"), read)
    await _judge(client, asked, stage, record, span, clock, told("replaying, parts"), read)
    return outcome(span, watches, settings, core, record, read.first, read.errors, sum(read.slots.left_out.values()),
                   clock.monotonic() - began)


async def _answering(client: Client, watches: Sequence[Watch], at: float, read: _Read) -> list[Watch]:
    """The watches whose queries the server takes."""
    asked = await reading.ask(client, watches, at, math.inf)
    if asked.errors and not asked.values:
        raise next(iter(asked.errors.values()))
    read.errors.update(asked.errors)
    reading.place(asked, watches, read.slots, at)
    rejected = {name for name, error in asked.errors.items() if isinstance(error, QueryRejected)}
    return [watch for watch in watches if watch.name not in rejected]


async def _teach(client: Client, watches: Sequence[Watch], stage: Stage, span: Span, clock: Clock,
                 progress: Callable[[int, int], None], read: _Read) -> None:
    rehearsed = span.start - REPLAY
    parts = pieces(span.start - span.taught, span.start, span.step, _largest(read.slots)) if span.taught else []
    for done, part in enumerate(parts):
        progress(done, len(parts))
        values = await _values(client, watches, part, clock, read)
        first = int(np.searchsorted(part.times, rehearsed))
        if first:
            stage.learn(read.slots.ids, part.times[:first], values[:, :first])
        cases = await reading.piece_of_cases(client, watches, read.slots, part, clock)
        stage.rehearse(read.slots.ids, part.times[first:], values[:, first:], cases[:, first:])
    progress(len(parts), len(parts))


async def _judge(client: Client, watches: Sequence[Watch], stage: Stage, record: Record, span: Span, clock: Clock,
                 progress: Callable[[int, int], None], read: _Read) -> None:
    parts = even(span.start, span.until, span.step, _largest(read.slots), DAY)
    for done, part in enumerate(parts):
        progress(done, len(parts))
        values = await _values(client, watches, part, clock, read)
        cases = await reading.piece_of_cases(client, watches, read.slots, part, clock)
        for column, at in enumerate(part.times.tolist()):
            own, verdicts, pages = stage.judge(read.slots.ids, at, values[:, column], cases[:, column])
            record.take(at, stage.ids, own, verdicts, pages)
    progress(len(parts), len(parts))


async def _values(client: Client, watches: Sequence[Watch], part: Piece, clock: Clock, read: _Read) -> Floats:
    values, errors = await reading.piece(client, watches, read.slots, part, clock)
    read.errors.update(errors)
    if len(read.first) < len(watches):
        _note_first(read.first, read.slots.ids, values, part.times)
    return values


def _note_first(first: dict[str, float], ids: tuple[SeriesId, ...], values: Floats, times: Floats) -> None:
    there = ~np.isnan(values)
    for row in np.flatnonzero(there.any(axis=1)).tolist():
        at = float(times[int(there[row].argmax())])
        watch = ids[row].watch
        first[watch] = min(at, first.get(watch, math.inf))


def _largest(slots: Slots) -> int:
    """Series of the watch that has the most: what bounds the length of an answer."""
    return max(Counter(one.watch for one in slots.ids).values(), default=1)
