"""The ledger at work: opened when the source first answers, filled in the background, folded before it is read."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager

from sales_exporter.config import Business, Settings
from sales_exporter.errors import ConfigError, SalesExporterError, SourceError, SourceUnavailable
from sales_exporter.ledger.audit import Audit
from sales_exporter.ledger.fill import recompute, rewrite
from sales_exporter.ledger.ledger import Ledger
from sales_exporter.ledger.scheme import Scheme
from sales_exporter.ledger.source import Moment, Names
from sales_exporter.ledger.sources import discover
from sales_exporter.ledger.state import Folding, State
from sales_exporter.ledger.store import Store
from sales_exporter.ledger.view import View
from sales_exporter.runtime import memory
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.database import Database, Reader

log = logging.getLogger(__name__)

FRESH = 5.0
"""Seconds for which the passes of several collectors share one fold."""
LONG_STATEMENT, LONG_PASS = 5.0, 60.0
"""Limits of a statement and of a transaction in a fill or an audit."""
RETRY = 10.0
IDLE = 1.0
"""Seconds between two looks at whether something wants filling."""


def scheme_of(business: Business) -> Scheme:
    """What decides the meaning of cells."""
    stages = business.stages
    spans = (*business.windows, *business.conversion_horizons)
    longest = max([int(span[:-1]) for span in spans if span != "all"], default=0)
    return Scheme(
        tuple(one.name for one in stages), tuple(one.kind for one in stages), business.reporting_timezone, longest)


class Ledgers:
    """Owns the ledger of one configuration."""

    def __init__(self, settings: Settings, database: Database, clock: Clock, replay: float | None) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._replay = replay
        self._scheme = scheme_of(settings.business)
        self._relations: frozenset[str] = frozenset()
        self._store: Store | None = None
        self._ledger: Ledger | None = None
        self._replayed: View | None = None
        self._tried = -math.inf
        self._failure: SourceError | None = None
        self._opening = asyncio.Lock()
        self.audit = Audit()
        self._set_aside = 0
        # Something large was read since memory was given back: at first the state itself.
        self._read = True

    @property
    def view(self) -> View:
        """The cells of the last fold, or of the replayed moment."""
        if self._replay is not None:
            return self._replayed or View(self._scheme)
        return View(self._scheme) if self._ledger is None else self._ledger.view

    @property
    def states(self) -> Mapping[str, State]:
        """The sources by name; none before the database first answered, and none in a replay."""
        return {} if self._ledger is None else self._ledger.states

    @property
    def report(self) -> Folding:
        """What there is to say about the ledger."""
        return Folding(
            {name: state.report(self.audit.mismatches.get(name)) for name, state in self.states.items()},
            0 if self._ledger is None else self._ledger.size, self._set_aside)

    async def current(self, now: float) -> View:
        """The cells as of now, folded unless that was done a moment ago.

        Raises:
            SourceError: the database did not answer.
        """
        if self._replay is None:
            async with self._opening:
                # Those who waited for this attempt share its outcome: a database that is away costs one deadline.
                if self._clock.monotonic() - self._tried >= FRESH:
                    await self._attempt(now)
                if self._failure is not None:
                    raise self._failure
        return self.view

    async def claim(self) -> None:
        """Hold the state on disk from now on; without this it is held from the first answer of the database on.

        Raises:
            ConfigError: the folder cannot be used, or another process holds it.
        """
        if self._replay is None and self._store is None:
            self._store = await asyncio.to_thread(self._opened)

    async def _attempt(self, now: float) -> None:
        try:
            deadline = self._settings.database.pass_deadline
            async with self._database.reader(deadline) as db:
                relations = await db.relations()
            # Reading the state from disk may take longer than a pass may.
            ledger = await self._open(relations)
            # A part of the fill that is under way must not use the deadline up.
            await ledger.idle()
            async with self._database.reader(deadline) as db:
                await ledger.fold(db, now)
            self._failure = None
        except SourceError as error:
            self._failure = error
        except ConfigError as error:
            # After a reload, which must not end the exporter: told like a source that is away, and tried again.
            self._failure = SourceUnavailable(str(error))
        self._tried = self._clock.monotonic()

    def waiting(self, sources: Iterable[str]) -> str:
        """What these sources wait for, '' when they are ready, or will not be."""
        if self._replay is not None:
            return "" if self._replayed is not None else "the moment of the past is being computed"
        for name in sources:
            state = self.states.get(name)
            if state is not None and not state.ready:
                return f"the ledger is being filled ({name}: {state.progress:.0%})"
        return ""

    async def work(self) -> None:
        """Fill what wants filling, for ever; a source that is away is tried again."""
        while True:
            try:
                busy = await (self._fill() if self._replay is None else self._compute(self._replay))
                await self._clock.sleep(0.0 if busy else IDLE)
            except Exception as error:
                # A full disk, or a defect of ours: whoever ends here would leave the collectors waiting for ever.
                known = isinstance(error, SalesExporterError)
                log.warning("ledger waits", extra={"error": str(error) if known else type(error).__name__},
                            exc_info=None if known else error)
                await self._clock.sleep(RETRY)

    async def _fill(self) -> bool:
        if self._ledger is None:
            return False
        if (await self._ledger.fill(self._long)
                or await self.audit.step(self._ledger, self._long, self._clock.now())):
            self._read = True
            return True
        if self._read:
            self._read = False
            memory.trim()
        return False

    async def _compute(self, moment: float) -> bool:
        if self._replayed is not None:
            return False
        async with self._long() as db:
            relations = await db.relations()
        view = View(self._scheme, Names())
        for name, kind in discover().items():
            if relations.issuperset(kind.reads):
                source = kind(self._scheme, relations)
                cubes = await recompute(source, self._long, Moment(moment), view.names, progress(name))
                books = await rewrite(source, self._long, Moment(moment), view.names, progress(name))
                view = view.joined(name, cubes, books)
        self._replayed = view
        return True

    async def _open(self, relations: frozenset[str]) -> Ledger:
        if self._ledger is None or relations != self._relations:
            if self._ledger is not None:
                await self._ledger.close()
                self._ledger = self._store = None
            await self.claim()
            assert self._store is not None
            self._ledger = await asyncio.to_thread(Ledger, self._scheme, self._store, relations)
            self._relations = relations
        return self._ledger

    def _opened(self) -> Store:
        kinds = discover().values()
        layouts = [layout for kind in kinds for layout in kind.layouts]
        store = Store(self._settings.storage.path, layouts, [book for kind in kinds for book in kind.books])
        if store.set_aside:
            self._set_aside += 1
            log.warning("state set aside, a new one is filled", extra={"reason": store.set_aside})
        return store

    def _long(self) -> AbstractAsyncContextManager[Reader]:
        return self._database.reader(LONG_PASS, LONG_STATEMENT)

    async def close(self) -> None:
        """Close the state, after a commit that is under way."""
        ledger, self._ledger = self._ledger, None
        store, self._store = self._store, None
        if ledger is not None:
            await ledger.close()
        elif store is not None:
            store.close()


def progress(name: str) -> Callable[[int, int], None]:
    """Says in the log how far a computation has come."""
    return lambda done, total: log.info("ledger is computed", extra={"source": name, "part": done, "parts": total})
