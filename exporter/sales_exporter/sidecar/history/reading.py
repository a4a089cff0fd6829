"""Reads samples of all watches into the slots: at one moment, or over a piece of the past."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sales_exporter.errors import DeadlineExceeded, RowBudgetExceeded, SourceError, SourceUnavailable
from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.history.answers import Matrix, Vector
from sales_exporter.sidecar.history.client import Client, QueryRejected
from sales_exporter.sidecar.history.ranges import Piece
from sales_exporter.sidecar.history.slots import NOWHERE, Marks, Places, Slots
from sales_exporter.sidecar.verdicts import Floats
from sales_exporter.sidecar.watches.watch import Watch

RETRIES = 3
"""Times that a piece of the past is asked for again when the server does not answer."""
_SMALLEST = 24
"""Moments in a piece that is not halved any more when the server finds it too much."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the server said of one moment."""

    values: dict[str, Vector]
    """By watch, of those that were answered."""
    cases: dict[str, Vector]
    """The denominators, by watch."""
    errors: dict[str, SourceError]
    """By watch; one whose denominator alone failed is here and in ``values``."""

    @property
    def partial(self) -> frozenset[str]:
        """Watches whose answers lack some store's series."""
        return frozenset(name for name, answer in self.values.items() if answer.notes.partial)


@dataclass(frozen=True, slots=True)
class Now:
    """Samples of one moment by slot."""

    values: Floats
    cases: Floats
    """Cases behind each ratio; NaN where its watch has no denominator."""
    known: Marks
    """Where the server was asked and answered in full: NaN there means that there is no sample."""


async def ask(client: Client, watches: Sequence[Watch], at: float, budget: float) -> Asked:
    """Ask all watches for one moment, within ``budget`` seconds; what is not there by then counts as failed."""
    tasks = {(watch.name, cases): asyncio.create_task(client.instant(query, at))
             for watch in watches for cases, query in ((False, watch.query), (True, watch.denominator)) if query}
    try:
        if tasks:
            await asyncio.wait(tasks.values(), timeout=budget)
    except asyncio.CancelledError:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        raise
    found = Asked({}, {}, {})
    for (name, cases), task in tasks.items():
        try:
            (found.cases if cases else found.values)[name] = await _outcome(task, budget)
        except SourceError as error:
            found.errors[name] = error
    return found


def place(asked: Asked, watches: Sequence[Watch], slots: Slots, at: float) -> Now:
    """Put the answers into slots; new series get theirs."""
    answered = [(watch, asked.values[watch.name]) for watch in watches if watch.name in asked.values]
    places = [slots.place(watch.name, watch.series, answer.labels) for watch, answer in answered]
    values, cases, known = _blank(len(slots)), _blank(len(slots)), np.zeros(len(slots), np.bool_)
    for (watch, answer), where in zip(answered, places, strict=True):
        _scatter(values, where, answer.values)
        known |= slots.of(watch.name) & (~np.isnan(values) if answer.notes.partial else True)
        if watch.name in asked.cases:
            counts = asked.cases[watch.name]
            _scatter(cases, slots.find(watch.name, counts.labels), counts.values)
    slots.note(np.flatnonzero(~np.isnan(values)), at)
    return Now(values, cases, known)


async def piece(client: Client, watches: Sequence[Watch], slots: Slots, part: Piece,
                clock: Clock) -> tuple[Floats, dict[str, SourceError]]:
    """A piece of the past by slot, (slots, moments), and the watches of which it could not be read."""
    rows, errors = await _asked(client, {watch.name: watch.query for watch in watches}, part, clock)
    limits = {watch.name: watch.series for watch in watches}
    placed = [(slots.place(name, limits[name], answer.labels), first, answer.values) for name, first, answer in rows]
    values = _grid(len(slots), part.count, placed)
    last = np.where(np.isnan(values), -np.inf, part.times).max(axis=1, initial=-np.inf)
    slots.note(np.arange(len(slots)), last)
    return values, errors


async def piece_of_cases(client: Client, watches: Sequence[Watch], slots: Slots, part: Piece, clock: Clock) -> Floats:
    """The cases behind ratios over a piece of the past, (slots, moments); NaN where none are known."""
    queries = {watch.name: watch.denominator for watch in watches if watch.denominator is not None}
    rows, _ = await _asked(client, queries, part, clock)
    return _grid(len(slots), part.count, [(slots.find(name, answer.labels), first, answer.values)
                                          for name, first, answer in rows])


async def _asked(client: Client, queries: Mapping[str, str], part: Piece,
                 clock: Clock) -> tuple[list[tuple[str, int, Matrix]], dict[str, SourceError]]:
    """Answers by watch, each from a column on, and the watches that were not answered in full."""
    answers = await asyncio.gather(*(_patiently(client, query, part, clock) for query in queries.values()))
    errors: dict[str, SourceError] = {}
    rows = []
    for name, found in zip(queries, answers, strict=True):
        for within, answer in found:
            if isinstance(answer, SourceError):
                errors[name] = answer
            else:
                rows.append((name, round((within.start - part.start) / part.step), answer))
    return rows, errors


async def _outcome(task: asyncio.Task[Vector], budget: float) -> Vector:
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
        raise DeadlineExceeded(f"no answer within the {budget:g} s of a tick")
    return task.result()


async def _patiently(client: Client, query: str, part: Piece,
                     clock: Clock) -> list[tuple[Piece, Matrix | SourceError]]:
    """The answer in as many pieces as the server needs it to be cut into."""
    for attempt in range(RETRIES + 1):
        try:
            return [(part, await client.range(part.query(query), part.start, part.step, part.count))]
        except SourceUnavailable as error:
            if attempt == RETRIES:
                return [(part, error)]
            await clock.sleep(2.0 ** attempt)
        except (DeadlineExceeded, RowBudgetExceeded, QueryRejected) as error:
            # A range that holds too many samples is rejected, too.
            if part.count < 2 * _SMALLEST:
                return [(part, error)]
            first, second = part.halves()
            return [*await _patiently(client, query, first, clock), *await _patiently(client, query, second, clock)]
        except SourceError as error:
            return [(part, error)]
    raise AssertionError("the last attempt returns")


def _grid(slots: int, count: int, rows: Iterable[tuple[Places, int, Floats]]) -> Floats:
    """Samples by slot and moment, from rows that begin at a column."""
    values = np.full((slots, count), np.nan)
    for places, first, samples in rows:
        there = places != NOWHERE
        values[places[there], first:first + samples.shape[1]] = samples[there]
    return values


def _blank(count: int) -> Floats:
    return np.full(count, np.nan)


def _scatter(into: Floats, places: Places, values: Floats) -> None:
    there = places != NOWHERE
    into[places[there]] = values[there]
