"""The past of the business gauges: the ledger as it was at a first hour, moved on hour by hour, read by the collectors.

Every row is taken to have been known when it happened: what was recorded late shows up when it occurred, and a lead
that was changed later is shown as it is now.
"""

from __future__ import annotations

import asyncio
import gc
import math
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr

from sales_exporter.collectors import Collector, Context, discover
from sales_exporter.config import Business
from sales_exporter.config import Database as DatabaseSettings
from sales_exporter.errors import SourceError
from sales_exporter.ledger.book import KEY, Book, Records
from sales_exporter.ledger.calendar import Ints
from sales_exporter.ledger.cube import Cube, Tally
from sales_exporter.ledger.fill import recompute, rewrite
from sales_exporter.ledger.source import Moment, Names, Reads, Source
from sales_exporter.ledger.sources import discover as sources
from sales_exporter.ledger.view import View
from sales_exporter.runtime.blocks import HOUR, Series, columns, rising
from sales_exporter.runtime.database import Database, Reader
from sales_exporter.runtime.exposition import Renderer
from sales_exporter.runtime.ledgers import scheme_of

# These speak of the machine, the process and the state of the source now.
NOT_EVALUATED = frozenset({"system", "exporter", "ledger", "source", "violations"})
PROCESSES = 2
READINGS = 3
"""Sources that are read side by side at the beginning, when the database has more to do than we: as many connections as
the exporter leaves of those that its role may have."""
LEAPT = 16
"""How many hours are leapt over in the time that one takes to be evaluated, about."""
CHUNK = 48
"""Hours whose changes are read at once."""
POLL = 0.2
DEAR = 86_400.0
"""Seconds for which dear figures are kept: a forecast or a projection of each day of the past is enough."""
LEAP = 7 * 86_400.0
"""Seconds that are passed over at once by who begins in the middle: the changes of a week are held in memory."""

CADENCE = ((0.012, 1), (0.05, 6))
"""Hours between two evaluations of a collector, by the CPU seconds that one takes; above all of them a day."""
EVENLY = ((math.inf, 1),)
"""Each collector each hour, whatever it costs: what is found does not hang on how busy the machine is."""

Progress = Callable[[int, int], None]
Cadence = tuple[tuple[float, int], ...]
Floats = NDArray[np.float64]
Columns = dict[str, Floats]
"""Values at each moment by series, NaN where there is none."""


def begin(dsn: str, business: Business, moment: float, progress: Progress) -> Beginning:
    """The sources as they were at a moment; the progress is in per cent.

    Raises:
        SourceError: the database failed under way.
    """
    return asyncio.run(Past(dsn, business).begin(moment, progress))


def evaluate(
    dsn: str, business: Business, beginning: Beginning, when: Sequence[float], progress: Progress
) -> list[Series]:
    """Every collector that reads the source, at each moment (ascending, none before the beginning), with two processes
    side by side.

    Raises:
        SourceError: the database failed under way.
    """
    context = multiprocessing.get_context("spawn")
    done = context.Value("q", 0)
    # The second one begins in the middle, and has to get there first.
    middle = max(CHUNK, math.ceil(len(when) / (2 - 1 / LEAPT)))
    spans = [list(span) for span in (when[:middle], when[middle:]) if len(span)]
    with ProcessPoolExecutor(PROCESSES, mp_context=context, initializer=_share, initargs=(done,)) as pool:
        jobs = [pool.submit(_evaluate_span, dsn, business, beginning, span) for span in spans]
        while not all(job.done() for job in jobs):
            progress(done.value, len(when))
            wait(jobs, POLL)
        found = [job.result() for job in jobs]
    progress(len(when), len(when))
    return columns(_joined(found, [len(span) for span in spans]), HOUR)


def _evaluate_span(dsn: str, business: Business, beginning: Beginning, when: list[float]) -> Columns:
    # What was handed over stays to the end, and samples are no garbage that only a collector finds.
    gc.freeze()
    gc.set_threshold(200_000)
    return asyncio.run(Past(dsn, business).columns(beginning, when))


def _joined(spans: Sequence[Columns], sizes: Sequence[int]) -> Columns:
    """The spans one after the other; a series that one of them lacks has a gap there."""
    names = dict.fromkeys(name for span in spans for name in span)
    gaps = [np.full(size, np.nan) for size in sizes]
    return {name: np.concatenate([span.get(name, gap) for span, gap in zip(spans, gaps, strict=True)])
            for name in names}


@dataclass(frozen=True, slots=True)
class Step:
    """The change of one source from one moment to the next: cells to add, and records with their places."""

    cells: Mapping[str, Tally]
    records: Mapping[str, tuple[Ints, Records]]


@dataclass(slots=True)
class Kept:
    """One source as it was at the moment that has been reached. Changed in place: nobody else reads it meanwhile."""

    source: Source
    grain: int
    """The day before which cells are coarse: a change of a small cube costs less."""
    cubes: dict[str, Cube]
    books: dict[str, Book]
    ahead: list[Step] = field(default_factory=list)
    due: dict[str, list[Tally]] = field(default_factory=dict)
    """Changes up to that moment which no look at their cube has asked for yet."""

    async def look(self, db: Reader, moments: Sequence[float], names: Names) -> None:
        """Read the changes from each moment to the next."""
        if not self.source.timeless:
            changes = await self.source.steps(db, moments, names)
            self.ahead = await asyncio.to_thread(self._placed, changes[::-1])

    def move(self) -> None:
        """On to the next moment."""
        if self.ahead:
            step = self.ahead.pop()
            for name, tally in step.cells.items():
                self.due.setdefault(name, []).append(tally)
            for name, (places, records) in step.records.items():
                self.books[name].put(places, records)

    def tally(self, name: str) -> Tally:
        """The cells of a cube; what has changed since the last look at it is added at once."""
        changes = self.due.pop(name, None)
        if changes:
            keys, counts = (np.concatenate([getattr(one, part) for one in changes]) for part in ("keys", "counts"))
            self.cubes[name].add(Tally.of(keys, counts))
        return self.cubes[name].tally

    def _placed(self, changes: Sequence[Reads]) -> list[Step]:
        """Changes as they are made. Records are looked up for all of them at once: no record comes or goes."""
        records: list[dict[str, tuple[Ints, Records]]] = [{} for _ in changes]
        for name, book in self.books.items():
            there = [(made, change.books[name].records) for made, change in zip(records, changes, strict=True)
                     if name in change.books]
            if there:
                places = book.places(np.concatenate([revised[KEY] for _, revised in there]))
                ends = np.cumsum([len(revised) for _, revised in there])
                for (made, revised), mine in zip(there, np.split(places, ends[:-1]), strict=True):
                    made[name] = mine, revised
        return [Step({name: self.cubes[name].layout.coarsened(tally, self.grain)
                      for name, tally in change.cells.items()}, made)
                for change, made in zip(changes, records, strict=True)]


class Tallies(Mapping[str, Tally]):
    """The cells of all cubes by name, each brought up to now when it is looked at."""

    def __init__(self, kept: Sequence[Kept]) -> None:
        self._kept = {name: one for one in kept for name in one.cubes}

    def __getitem__(self, name: str) -> Tally:
        return self._kept[name].tally(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


@dataclass(frozen=True, slots=True)
class Beginning:
    """All sources at a moment, with the names that they refer to."""

    moment: float
    relations: frozenset[str]
    names: Names
    kept: tuple[Kept, ...]


class Past:
    """The sources of one database, moved through time."""

    def __init__(self, dsn: str, business: Business, cadence: Cadence | None = None) -> None:
        """``cadence`` is CADENCE by default; with ``EVENLY`` the result hangs on nothing but the data."""
        self._business = business
        self._cadence = CADENCE if cadence is None else cadence
        self._scheme = scheme_of(business)
        self._database = Database(
            SecretStr(dsn), DatabaseSettings(connections=READINGS, statement_timeout=60.0, row_budget=200_000))

    def _reader(self) -> AbstractAsyncContextManager[Reader]:
        return self._database.reader(300.0)

    async def begin(self, moment: float, progress: Progress) -> Beginning:
        """The sources as they were at a moment, some read side by side."""
        names, turn = Names(), asyncio.Semaphore(READINGS)
        try:
            async with self._reader() as db:
                relations = await db.relations()
            kinds = [kind for kind in sources().values() if relations.issuperset(kind.reads)]
            shares = dict.fromkeys((kind.name for kind in kinds), 0.0)

            async def read(kind: type[Source]) -> Kept:
                def told(done: int, total: int) -> None:
                    shares[kind.name] = done / total
                    progress(round(100 * sum(shares.values()) / len(shares)), 100)

                async with turn:
                    return await self._kept(kind(self._scheme, relations), moment, names, told)

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(read(kind)) for kind in kinds]
            return Beginning(moment, relations, names, tuple(task.result() for task in tasks))
        except* SourceError as errors:
            raise errors.exceptions[0] from None
        finally:
            await self._database.close()

    async def _kept(self, source: Source, moment: float, names: Names, progress: Progress) -> Kept:
        grain, then = self._scheme.grain(moment), Moment(moment)
        cubes = await recompute(source, self._reader, then, names, progress)
        books = await rewrite(source, self._reader, then, names, progress)
        coarse = {name: Cube(cube.layout, cube.layout.coarsened(cube.tally, grain)) for name, cube in cubes.items()}
        return Kept(source, grain, coarse, books)

    async def columns(self, beginning: Beginning, when: Sequence[float]) -> Columns:
        """What the collectors say at each moment, none of them before the beginning."""
        found: Columns = {}
        collectors = [Evaluated(kind(), self._cadence) for name, kind in discover().items()
                      if name not in NOT_EVALUATED and beginning.relations.issuperset(kind.reads)]
        try:
            await self._leap(beginning, when[0])
            before = when[0]
            for start in range(0, len(when), CHUNK):
                chunk = when[start : start + CHUNK]
                async with self._reader() as db:
                    for one in beginning.kept:
                        await one.look(db, [before, *chunk], beginning.names)
                    for place, moment in enumerate(chunk, start):
                        context = self._context(beginning, db, moment)
                        for collector in collectors:
                            values, hours = await collector.at(context, last=place == len(when) - 1)
                            put(found, slice(place, place + hours), len(when), values)
                        _count()
                before = chunk[-1]
            return found
        finally:
            await self._database.close()

    async def _leap(self, beginning: Beginning, moment: float) -> None:
        """Move all sources on to the moment, without a look in between."""
        edges = [*np.arange(beginning.moment, moment, LEAP).tolist(), moment]
        for edge in pairwise(edges):
            async with self._reader() as db:
                for one in beginning.kept:
                    await one.look(db, edge, beginning.names)
                    one.move()

    def _context(self, beginning: Beginning, db: Reader, moment: float) -> Context:
        """The sources moved on to their next moment, which is this one."""
        for one in beginning.kept:
            one.move()
        ready = frozenset(one.source.name for one in beginning.kept)
        books = {name: book.records for one in beginning.kept for name, book in one.books.items()}
        view = View(self._scheme, beginning.names, Tallies(beginning.kept), ready, books)
        return Context(now=moment, wall=moment, db=db, business=self._business, ledger=view,
                       relations=beginning.relations, dear=DEAR)


class Evaluated:
    """A collector in the past: where one evaluation takes long, its figures are those of fewer hours, held between.

    Running totals are not held: nothing would rise for a day, and all of it within the next hour.
    """

    def __init__(self, collector: Collector, cadence: Cadence) -> None:
        self._collector = collector
        self._cadence = cadence
        self._renderer = Renderer()
        self._due = -math.inf
        self._warm = False

    async def at(self, context: Context, *, last: bool) -> tuple[Mapping[str, float], int]:
        """Values by series at a moment, and for how many hours; nothing where those of an earlier one still hold.

        The ``last`` moment is always evaluated: totals rise until then.
        """
        if context.now < self._due and not last:
            return {}, 0
        began = time.process_time()
        samples = tuple(await self._collector.collect(context))
        took = time.process_time() - began
        # The first look also makes ready what all later ones find: it says nothing of them.
        hours = next((hours for most, hours in self._cadence if took < most), 24) if self._warm else 1
        self._warm, self._due = True, context.now + HOUR * hours
        return self._renderer.values(samples), hours


def put(found: Columns, places: slice, size: int, values: Mapping[str, float]) -> None:
    """Gauges hold at these places; a total is known at the first of them alone."""
    for name, value in values.items():
        column = found.get(name)
        if column is None:
            column = found[name] = np.full(size, np.nan)
        column[places] = value
        if rising(name.partition("{")[0]):
            column[places.start + 1 : places.stop] = np.nan


_shared: dict[str, Any] = {}


def _share(done: object) -> None:
    _shared.update(done=done)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Nobody is left to wait for what is evaluated when the command was killed. An exception would not do: the pool
    sends it back as a result and waits for more work."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _count() -> None:
    """One more moment."""
    if _shared:
        with _shared["done"].get_lock():
            _shared["done"].value += 1
