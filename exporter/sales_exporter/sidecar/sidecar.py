"""The sidecar as a whole: a tick each interval in another process, a board to serve from, an outbox to tell from."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import aiohttp

from sales_exporter.collectors import Pass
from sales_exporter.config import Settings
from sales_exporter.errors import ConfigError, SalesExporterError, SourceError
from sales_exporter.model import Snapshot
from sales_exporter.runtime.board import Board
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.exposition import Format
from sales_exporter.runtime.landing import Wording
from sales_exporter.sidecar import metrics
from sales_exporter.sidecar.desk import metrics as desk_metrics
from sales_exporter.sidecar.desk.desk import Desk
from sales_exporter.sidecar.desk.messenger import Messenger
from sales_exporter.sidecar.desk.policy import configured as escalation
from sales_exporter.sidecar.desk.seen import ORIGIN
from sales_exporter.sidecar.history.history import delay
from sales_exporter.sidecar.outbox import Alert, Alertmanager, Outbox
from sales_exporter.sidecar.outbox import report as outbox_report
from sales_exporter.sidecar.process import Failed, Progress, Work, Worker
from sales_exporter.sidecar.report import PARTS, Plan, Report, Save, Tick

log = logging.getLogger(__name__)

Load = Callable[[], Settings]

WORDS = Wording(
    "What Prometheus knows is judged: expected ranges, anomalies, drift of models, forecasts and capacity dates.",
    "Part", "A scrape never waits for a tick: it is answered from the last good one.",
)
SELF, OUTBOX, DESK = "sidecar", "outbox", "desk"
DESK_SECONDS = 10.0
"""Between two times that the desk's numbers are put up."""
FILL_SECONDS = 3_600.0
"""The first answer may take so long: it reads weeks of the past."""
SLOW = 3.0
"""Intervals that a later answer may take."""
SAVE_SECONDS = 600.0
SAVE_PATIENCE = 30.0
KEPT = 3.0
"""Intervals for which a part's series are served after its last good tick."""


class Sidecar:
    """Ticks, publishes and tells. ``load`` reads the configuration anew for a reload; ``work`` is what judges."""

    def __init__(self, load: Load, clock: Clock, work: Work) -> None:
        self._load, self._clock, self._work = load, clock, work
        self._stop: Callable[[], None] | None = None
        self._setup(load())
        path, own = self.settings.storage.path, self.settings.sidecar
        folder = path / "desk" if path is not None else None
        self.messenger = Messenger(folder, own.desk, clock)
        self.desk = Desk(folder, escalation(self.settings), own.alertmanagers, self._outbox, clock,
                         aiohttp.ClientSession, self.messenger.notices.send)

    def _setup(self, settings: Settings) -> None:
        own = settings.sidecar
        self.settings = settings
        self._board = Board(self._clock, settings.limits)
        for name in (*PARTS, SELF, OUTBOX, DESK):
            self._board.add(name, own.interval, KEPT * own.interval)
        self._worker = Worker(self._work, Plan(settings, self._clock), self._heard)
        folder = settings.storage.path / "outbox" if settings.storage.path is not None else None
        sinks = [Alertmanager(url, aiohttp.ClientSession, self._clock) for url in own.alertmanagers]
        self._outbox = Outbox(folder, sinks, self._clock)
        self._ticks: Counter[str] = Counter()
        self._failures: Counter[tuple[str, str]] = Counter()
        self._series: Mapping[str, int] = {}
        self._history = 0.0
        self._last: Report | None = None
        self._saved = self._clock.monotonic()

    @property
    def names(self) -> frozenset[str]:
        """Names of the parts."""
        return self._board.names

    @property
    def passes(self) -> Mapping[str, Pass]:
        """How the last tick of each part went."""
        return self._board.passes

    @property
    def ready(self) -> bool:
        """Whether a tick has ended, well or badly."""
        return self._board.ready

    @property
    def words(self) -> Wording:
        """How the landing page speaks of it."""
        return WORDS

    @property
    def replay(self) -> bool:
        """It judges the present."""
        return False

    @property
    def as_of(self) -> float:
        """Now, in epoch seconds."""
        return self._clock.now()

    @property
    def worker_pid(self) -> int | None:
        """Of the judging process; None before the first tick."""
        return self._worker.pid

    @property
    def _url(self) -> str:
        own = self.settings.sidecar
        return own.desk.external_url or f"http://{own.listen_address[0]}"

    def active(self) -> Sequence[Alert]:
        """Alerts that last."""
        return self._outbox.active()

    def exposition(self, kind: Format, packed: bool, only: frozenset[str] | None) -> bytes:
        """The bytes of a scrape."""
        return self._board.exposition(kind, packed, only)

    async def run(self) -> None:
        """Run until cancelled; a reload swaps settings, process and outbox in between. The desk stays."""
        try:
            while True:
                await self._run_until_reload()
                self._setup(self._next)
                own = self.settings.sidecar
                await self.messenger.renew(own.desk)
                await self.desk.renew(escalation(self.settings), own.alertmanagers, self._outbox)
        finally:
            await self.desk.close()
            await self.messenger.close()

    async def reload(self) -> None:
        """Read the configuration again. A bad one leaves the old one in force.

        Raises:
            ConfigError: what is wrong with it.
        """
        try:
            self._next = self._load()
        except ConfigError as error:
            log.error("configuration not reloaded", extra={"error": str(error)})
            raise
        log.info("configuration reloaded")
        if self._stop is not None:
            self._stop()

    async def _run_until_reload(self) -> None:
        again = asyncio.Event()
        self._stop = again.set
        if not self.settings.sidecar.push:
            # What an earlier life pushed would be repeated for ever.
            await self._tell((), frozenset(), self._clock.now())
        tasks = [asyncio.create_task(work, name=name) for name, work in (
            ("outbox", self._outbox.run()), ("ticks", self._tick_for_ever()), ("desk", self.desk.run()),
            ("notices", self.messenger.notices.run()), ("desk's numbers", self._show_desk()))]
        try:
            await again.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._leave()

    async def _leave(self) -> None:
        if self._worker.alive and self._last is not None:
            with contextlib.suppress(SalesExporterError):
                await self._worker.ask(Save(), SAVE_PATIENCE)
        await self._worker.close()
        await self._outbox.close()

    async def _tick_for_ever(self) -> None:
        interval = self.settings.sidecar.interval
        behind = delay(interval)
        await self._say(self._clock.monotonic())
        while True:
            at = math.floor((self._clock.now() - behind) / interval) * interval
            await self._tick(at)
            await self._clock.sleep(interval - (self._clock.now() - behind) % interval)

    async def _tick(self, at: float) -> None:
        """One tick: the only place where a failure of the judging process is decided about."""
        interval = self.settings.sidecar.interval
        began = self._clock.monotonic()
        patience = FILL_SECONDS if not self._worker.alive else max(SLOW * interval, 30.0)
        try:
            answer = await self._worker.ask(Tick(at), patience)
        except SalesExporterError as error:
            answer = Failed(error.reason if isinstance(error, SourceError) else "worker", str(error))
        if isinstance(answer, Report):
            await self._took(answer)
        else:
            self._missed(answer if isinstance(answer, Failed) else Failed("internal", "an answer that is none"), began)
        await self._say(began)
        if self._last is not None and self._clock.monotonic() - self._saved >= SAVE_SECONDS:
            self._saved = self._clock.monotonic()
            with contextlib.suppress(SalesExporterError):
                await self._worker.ask(Save(), SAVE_PATIENCE)

    async def _took(self, report: Report) -> None:
        self._series = report.series
        self._failures.update(report.failures)
        if report.judged:
            self._last, self._history = report, 1.0
        broken = [name for name, part in report.parts.items() if part.page is None]
        self._ticks["failed" if not report.judged else "partial" if broken or report.failures else "ok"] += 1
        for name, part in report.parts.items():
            if part.page is not None:
                self._board.post(name, part.page, report.at, part.seconds)
            elif self._board.fail(name, SalesExporterError(part.defect), part.seconds):
                log.warning("part failed", extra={"part": name, "error": part.defect})
        if self.settings.sidecar.push:
            await self._tell(report.alerts, report.unsettled, report.at)

    async def _tell(self, alerts: Sequence[Alert], unsettled: frozenset[str], at: float) -> None:
        """Raise what stands, end what does not. Alerts of before a start without a state wait until it is known.

        Copies that escalation made are the desk's, and what was resolved by hand waits until it has been gone once.
        """
        admitted = await self.desk.admitted(alerts, unsettled)
        await self._outbox.raise_(admitted)
        self.desk.wake()
        standing = {alert.fingerprint for alert in admitted}
        over = [alert.fingerprint for alert in self._outbox.active() if alert.fingerprint not in standing
                and alert.alertname not in unsettled and ORIGIN not in alert.annotations]
        await self._outbox.resolve(over, at)

    def _missed(self, failed: Failed, began: float) -> None:
        self._ticks["failed"] += 1
        error = SourceError(failed.detail)
        error.reason = failed.reason
        news = [self._board.fail(name, error, self._clock.monotonic() - began) for name in PARTS]
        if any(news):
            log.warning("tick failed", extra={"reason": failed.reason, "error": failed.detail})

    async def _say(self, began: float) -> None:
        """What the sidecar says of itself."""
        now, last = self._clock.now(), self._last
        state = metrics.State(
            interval=self.settings.sidecar.interval, push=self.settings.sidecar.push,
            last_tick=last.at if last is not None else None, seconds=last.seconds if last is not None else 0.0,
            history=self._history, ticks=self._ticks, series=self._series, failures=self._failures,
            restarts=max(0, self._worker.starts - 1), snapshot=last.saved if last is not None else None)
        took = self._clock.monotonic() - began
        await self._board.succeed(Snapshot(SELF, tuple(metrics.samples(state)), now), took)
        facts = tuple(outbox_report.of(self._outbox.facts(), now))
        await self._board.succeed(Snapshot(OUTBOX, facts, now), took)

    async def _show_desk(self) -> None:
        """Put up the desk's numbers for ever."""
        while True:
            began = self._clock.monotonic()
            samples = (*desk_metrics.samples(self.desk.facts(), self._url), *self.messenger.samples())
            await self._board.succeed(Snapshot(DESK, samples, self._clock.now()), self._clock.monotonic() - began)
            await self._clock.sleep(DESK_SECONDS)

    async def _heard(self, progress: Progress) -> None:
        share = progress.done / max(progress.total, 1)
        # A line for each tenth.
        if int(10 * share) > int(10 * self._history) or not self._history:
            log.info(progress.step, extra={"done": f"{share:.0%}"})
        self._history = share
        await self._say(self._clock.monotonic())
