"""The exporter as a whole: settings in, collectors run on their own clock, a board to serve from."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from pydantic import SecretStr

from sales_exporter.collectors import Arrivals, Collector, Context, Pass, discover
from sales_exporter.config import CollectorSettings, Settings
from sales_exporter.errors import ConfigError, MetricError, SalesExporterError
from sales_exporter.model import Sample, Snapshot
from sales_exporter.runtime import landing, memory
from sales_exporter.runtime.board import FILLING, Board
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.database import Database, Reader
from sales_exporter.runtime.exposition import Format
from sales_exporter.runtime.ledgers import Ledgers
from sales_exporter.runtime.scheduler import Job, Scheduler

log = logging.getLogger(__name__)

Load = Callable[[], tuple[Settings, SecretStr | None]]
WATCHDOG_DEADLINES = 3
FILL_SECONDS = 1.0
"""Seconds between two looks at whether the first fill is done."""


class Beside(Protocol):
    """What runs beside the collectors under the same configuration: the webhook intake."""

    @property
    def report(self) -> Arrivals | None:
        """What there is to say about it; None when it is off."""
        ...

    def adopt(self, settings: Settings) -> None:
        """Go on with these settings.

        Raises:
            ConfigError: what is wrong with them; the old ones stay in force.
        """
        ...


class Exporter:
    """Runs the enabled collectors and holds the board. ``load`` reads the configuration anew for a reload."""

    def __init__(self, load: Load, clock: Clock, beside: Beside | None = None) -> None:
        self._load = load
        self._clock = clock
        self._beside = beside
        self._reloads = (True, clock.now())
        self._stop: Callable[[], None] | None = None
        self._setup(*load())

    def _setup(self, settings: Settings, dsn: SecretStr | None) -> None:
        collectors = enabled(settings)
        self.settings = settings
        self._replay = moment(settings.as_of) if settings.as_of is not None else None
        self._database = Database(dsn, settings.database)
        self._ledgers = Ledgers(settings, self._database, self._clock, self._replay)
        self._board = Board(self._clock, settings.limits)
        self._first_passes = asyncio.Event()
        self._jobs = [self._job(collector, settings) for collector in collectors]

    def _job(self, collector: Collector, settings: Settings) -> Job:
        own = settings.collectors.get(collector.name, CollectorSettings())
        interval = own.interval or collector.interval
        self._board.add(collector.name, interval, own.max_age or 3 * interval)
        return Job(collector, interval, WATCHDOG_DEADLINES * settings.database.pass_deadline)

    @property
    def names(self) -> frozenset[str]:
        """Names of the collectors that run."""
        return self._board.names

    @property
    def passes(self) -> Mapping[str, Pass]:
        """How the last pass of each collector went."""
        return self._board.passes

    @property
    def ready(self) -> bool:
        """Whether each collector has finished its first pass."""
        return self._board.ready

    @property
    def words(self) -> landing.Wording:
        """How the landing page speaks of it."""
        return landing.EXPORTER

    @property
    def replay(self) -> bool:
        """Whether a moment of the past is shown."""
        return self._replay is not None

    @property
    def as_of(self) -> float:
        """The moment of evaluation, in epoch seconds."""
        return self._replay if self._replay is not None else self._clock.now()

    def exposition(self, kind: Format, packed: bool, only: frozenset[str] | None) -> bytes:
        """The bytes of a scrape; touches neither the database nor a collector."""
        return self._board.exposition(kind, packed, only)

    async def run(self) -> None:
        """Run until cancelled; a reload swaps settings, collectors and connections in between.

        Raises:
            ConfigError: the folder of the state cannot be used; nothing has run then.
        """
        await self._ledgers.claim()
        while True:
            again = asyncio.Event()
            self._stop = again.set
            # There may be no others to wait for.
            self._look_at_first_passes()
            scheduler = Scheduler(self._clock, self._run, self._missed, self._abandoned, self._soon)
            database, ledgers = self._database, self._ledgers
            tasks = [asyncio.create_task(self._loop(scheduler, job), name=job.collector.name) for job in self._jobs]
            tasks.append(asyncio.create_task(ledgers.work(), name="ledger"))
            try:
                await again.wait()
            finally:
                await database.close()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await ledgers.close()

    async def reload(self) -> None:
        """Read the configuration again. A bad one leaves the old one in force.

        Raises:
            ConfigError: what is wrong with it.
        """
        try:
            settings, dsn = self._load()
            enabled(settings)
            if self._beside is not None:
                self._beside.adopt(settings)
        except ConfigError as error:
            self._reloads = (False, self._reloads[1])
            log.error("configuration not reloaded", extra={"error": str(error)})
            raise
        stop, old = self._stop, self._database
        self._reloads = (True, self._clock.now())
        self._setup(settings, dsn)
        log.info("configuration reloaded")
        await old.close()
        if stop is not None:
            stop()

    async def _loop(self, scheduler: Scheduler, job: Job) -> None:
        if job.collector.after_others:
            await self._first_passes.wait()
        await scheduler.loop(job)

    def _soon(self, job: Job) -> float | None:
        """The pass that follows a fill comes at once, not an interval later."""
        return FILL_SECONDS if self._board.passes[job.collector.name].reason == FILLING else None

    def _look_at_first_passes(self) -> None:
        passes = [self._board.passes[job.collector.name] for job in self._jobs if not job.collector.after_others]
        if all(one.finished or one.reason == FILLING for one in passes):
            self._first_passes.set()

    async def _run(self, job: Job) -> None:
        """One pass: the only place where a failure of a collector is decided about."""
        collector, board = job.collector, self._board
        began = self._clock.monotonic()
        try:
            if collector.folds or collector.always_folds:
                await self._ledgers.current(self.as_of)
            async with self._database.reader(self.settings.database.pass_deadline) as reader:
                samples = await self._collect(collector, reader)
            duration = self._clock.monotonic() - began
            if samples is not None:
                was = board.passes[collector.name].success
                await board.succeed(Snapshot(collector.name, samples, self._clock.now()), duration)
                if collector.folds:
                    memory.trim()
                if was is False:
                    log.info("collector recovered", extra={"collector": collector.name})
        except Exception as error:
            if board.fail(collector.name, error, self._clock.monotonic() - began):
                known = isinstance(error, SalesExporterError)
                log.warning(
                    "collector failed",
                    extra={"collector": collector.name, "error": str(error) if known else type(error).__name__},
                    exc_info=None if known else error,
                )
        self._look_at_first_passes()

    async def _collect(self, collector: Collector, reader: Reader) -> tuple[Sample, ...] | None:
        relations = await reader.relations() if collector.reads else frozenset[str]()
        absent = sorted(set(collector.reads) - relations)
        if absent:
            self._board.switch_off(collector.name, "needs " + ", ".join(f"sales.{name}" for name in absent))
            return None
        waits = self._ledgers.waiting(collector.folds)
        if waits:
            self._board.wait(collector.name, waits)
            return None
        samples = tuple(await collector.collect(self._context(reader, relations)))
        own = set(collector.metrics)
        for sample in samples:
            if sample.metric not in own:
                raise MetricError(f"{sample.metric.name} is not declared by {collector.name}")
        return samples

    def _context(self, reader: Reader, relations: frozenset[str]) -> Context:
        return Context(
            now=self.as_of, db=reader, business=self.settings.business, relations=relations, wall=self._clock.now(),
            ledger=self._ledgers.view, folding=self._ledgers.report,
            passes=self._board.passes, replay=self.replay, overflow=self._overflow(), dips=self._board.dips,
            dropped=dict(self._board.dropped), reload=self._reloads,
            arrivals=self._beside.report if self._beside is not None else None,
        )

    def _overflow(self) -> Mapping[str, int]:
        return sum((Counter(job.collector.overflow) for job in self._jobs), Counter(self._board.overflow))

    def _missed(self, job: Job, passes: int) -> None:
        self._board.skip(job.collector.name, passes)

    def _abandoned(self, job: Job) -> None:
        self._board.fail(job.collector.name, TimeoutError("given up by the watchdog"), job.patience)
        self._look_at_first_passes()
        log.error("pass given up", extra={"collector": job.collector.name, "seconds": job.patience})

    async def close(self) -> None:
        """Close the connections; passes under way end at once."""
        with contextlib.suppress(Exception):
            await self._database.close()
            await self._ledgers.close()


def enabled(settings: Settings) -> list[Collector]:
    """The collectors that the settings do not switch off.

    Raises:
        ConfigError: the settings name a collector that does not exist.
    """
    known = discover()
    for name in settings.collectors:
        if name not in known:
            raise ConfigError(f"collectors.{name}: no such collector; there are {', '.join(known)}")
    return [kind() for name, kind in known.items() if settings.collectors.get(name, CollectorSettings()).enabled]


def moment(text: str) -> float:
    """Epoch seconds of an ISO 8601 moment; without an offset it is UTC.

    Raises:
        ConfigError: not such a moment.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError("as_of: expected an ISO 8601 moment such as 2018-06-01T12:00:00+02:00") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
