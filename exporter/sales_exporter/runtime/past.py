"""The past of the business gauges: the ledger as it was at a first hour, moved on hour by hour, read by the collectors.

Every row is taken to have been known when it happened: what was recorded late shows up when it occurred, and a lead
that was changed later is shown as it is now.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from pydantic import SecretStr

from sales_exporter.collectors import Collector, Context, discover
from sales_exporter.config import Business
from sales_exporter.config import Database as DatabaseSettings
from sales_exporter.ledger.book import Book
from sales_exporter.ledger.cube import Cube
from sales_exporter.ledger.fill import recompute, rewrite
from sales_exporter.ledger.source import Moment, Names, Reads, Source
from sales_exporter.ledger.sources import discover as sources
from sales_exporter.ledger.view import View
from sales_exporter.model import Sample
from sales_exporter.runtime.blocks import HOUR, Page, Series, page_of, transposed
from sales_exporter.runtime.database import Database, Reader
from sales_exporter.runtime.exposition import Renderer
from sales_exporter.runtime.ledgers import scheme_of

# These speak of the machine, the process and the state of the source now.
NOT_EVALUATED = frozenset({"system", "exporter", "ledger", "source", "violations"})
PROCESSES = 2
CHUNK = 24
"""Hours whose changes are read at once."""
POLL = 0.2
DEAR = 86_400.0
"""Seconds for which dear figures are kept: a forecast or a projection of each day of the past is enough."""

CADENCE = ((0.04, 1), (0.08, 6))
"""Hours between two evaluations of a collector, by the seconds that one takes; above all of them a day."""

Progress = Callable[[int, int], None]


def evaluate(dsn: str, business: Business, when: Sequence[float], progress: Progress) -> list[Series]:
    """Every collector that reads the source, at each moment (ascending), with two processes side by side.

    Raises:
        SourceError: the database failed under way.
    """
    context = multiprocessing.get_context("spawn")
    done = context.Value("q", 0)
    size = max(CHUNK, -(-len(when) // PROCESSES))
    spans = [list(when[start : start + size]) for start in range(0, len(when), size)]
    with ProcessPoolExecutor(PROCESSES, mp_context=context, initializer=_share, initargs=(done,)) as pool:
        jobs = [pool.submit(_evaluate_span, dsn, business, span) for span in spans]
        while not all(job.done() for job in jobs):
            progress(done.value, len(when))
            wait(jobs, POLL)
        pages = [page for job in jobs for page in job.result()]
    progress(len(when), len(when))
    return transposed(pages)


def _evaluate_span(dsn: str, business: Business, when: list[float]) -> list[Page]:
    return asyncio.run(Past(dsn, business).pages(when))


@dataclass
class Kept:
    """One source as it was at the moment that has been reached."""

    source: Source
    grain: int = 0
    """The day before which cells are coarse: a change of a small cube costs less."""
    cubes: dict[str, Cube] = field(default_factory=dict)
    books: dict[str, Book] = field(default_factory=dict)

    def move(self, change: Reads) -> None:
        """On to the next moment."""
        for name, tally in change.cells.items():
            self.cubes[name].add(self.cubes[name].layout.coarsened(tally, self.grain))
        for name, revision in change.books.items():
            self.books[name], _ = self.books[name].revised(revision)


class Past:
    """The sources of one database, moved through time."""

    def __init__(self, dsn: str, business: Business) -> None:
        self._business = business
        self._scheme = scheme_of(business)
        self._names = Names()
        self._database = Database(
            SecretStr(dsn), DatabaseSettings(connections=1, statement_timeout=60.0, row_budget=200_000))

    def _reader(self) -> AbstractAsyncContextManager[Reader]:
        return self._database.reader(300.0)

    async def pages(self, when: Sequence[float]) -> list[Page]:
        """Series and values at each moment."""
        try:
            async with self._reader() as db:
                relations = await db.relations()
            kept = [await self._start(kind(self._scheme, relations), when)
                    for kind in sources().values() if relations.issuperset(kind.reads)]
            collectors = [Evaluated(kind()) for name, kind in discover().items()
                          if name not in NOT_EVALUATED and relations.issuperset(kind.reads)]
            pages: list[Page] = []
            before = when[0]
            for start in range(0, len(when), CHUNK):
                pages += await self._chunk(kept, collectors, relations, before, when[start : start + CHUNK])
                before = when[min(start + CHUNK, len(when)) - 1]
            return pages
        finally:
            await self._database.close()

    async def _start(self, source: Source, when: Sequence[float]) -> Kept:
        """The source as it was at the first moment; one whose cells serve any moment, as it is at the last."""
        moment = Moment(when[-1] if source.timeless else when[0])
        cubes = await recompute(source, self._reader, moment, self._names, _quiet)
        books = await rewrite(source, self._reader, moment, self._names, _quiet)
        grain = self._scheme.grain(when[0])
        coarse = {name: Cube(cube.layout, cube.layout.coarsened(cube.tally, grain)) for name, cube in cubes.items()}
        return Kept(source, grain, coarse, books)

    async def _chunk(
        self, kept: Sequence[Kept], collectors: Sequence[Evaluated], relations: frozenset[str], before: float,
        when: Sequence[float],
    ) -> list[Page]:
        pages = []
        async with self._reader() as db:
            changes = [
                [] if one.source.timeless else await one.source.steps(db, [before, *when], self._names) for one in kept]
            for place, moment in enumerate(when):
                for one, steps in zip(kept, changes, strict=True):
                    if steps:
                        one.move(steps[place])
                view = self._view(kept)
                context = Context(now=moment, wall=moment, db=db, business=self._business, ledger=view,
                                  relations=relations, dear=DEAR)
                pages.append(page_of(Renderer().render(await _samples(collectors, context)).text))
                _count()
        return pages

    def _view(self, kept: Sequence[Kept]) -> View:
        view = View(self._scheme, self._names)
        for one in kept:
            view = view.joined(one.source.name, one.cubes, one.books)
        return view


class Evaluated:
    """A collector in the past: where one evaluation takes long, its figures are those of fewer hours, held between."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._samples: tuple[Sample, ...] = ()
        self._due = -math.inf

    async def at(self, context: Context) -> Iterable[Sample]:
        """Samples of a moment, or of the last one at which they were evaluated."""
        if context.now >= self._due:
            began = time.monotonic()
            self._samples = tuple(await self._collector.collect(context))
            took = time.monotonic() - began
            self._due = context.now + HOUR * next((hours for most, hours in CADENCE if took < most), 24)
        return self._samples


async def _samples(collectors: Iterable[Evaluated], context: Context) -> list[Sample]:
    return [sample for collector in collectors for sample in await collector.at(context)]


def _quiet(done: int, total: int) -> None:
    """Of the start of a span nothing is told."""


_shared: dict[str, object] = {}


def _share(done: object) -> None:
    _shared["done"] = done


def _count() -> None:
    done = _shared.get("done")
    if done is not None:
        with done.get_lock():  # type: ignore[attr-defined]
            done.value += 1  # type: ignore[attr-defined]
