"""The judging process: each question is one tick of every part; one part that fails leaves the others as they are."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Protocol

from sales_exporter.config import Settings
from sales_exporter.errors import SalesExporterError
from sales_exporter.model import Sample
from sales_exporter.runtime import logs
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.exposition import Renderer
from sales_exporter.runtime.guard import bound
from sales_exporter.sidecar.desk.links import page
from sales_exporter.sidecar.fleet import insights
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.history.history import Scope
from sales_exporter.sidecar.judging.anomalies import Anomalies
from sales_exporter.sidecar.judging.drifts import Drifts
from sales_exporter.sidecar.judging.forecasting import Forecasting, room
from sales_exporter.sidecar.judging.standing import ALERTS, OF_PART, Place, Standing
from sales_exporter.sidecar.judging.standing import samples as standing_samples
from sales_exporter.sidecar.outbox.alert import Alert
from sales_exporter.sidecar.process import Failed, Progress
from sales_exporter.sidecar.report import PARTS, SHARES, Part, Plan, Report, Save, Tick
from sales_exporter.sidecar.watches.files import load as load_watches

log = logging.getLogger(__name__)

_UNITS = {"d": "days", "w": "weeks"}

Progressed = Callable[[Progress], None]


class Judged(Protocol):
    """One part of a tick."""

    @property
    def settled(self) -> bool:
        """Whether what it does not report is over."""
        ...

    async def tick(self, at: float) -> None:
        """Look at this moment."""
        ...

    def samples(self) -> Iterator[Sample]:
        """What there is to publish."""
        ...

    def standing(self) -> Iterator[Standing]:
        """What stands."""
        ...


def work(pipe: Connection, plan: object) -> None:
    """What runs in the process: answers questions until the pipe ends."""
    assert isinstance(plan, Plan)
    # Ctrl-C reaches every process of a terminal; the other one decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.configure(plan.settings.log)
    asyncio.run(_serve(pipe, plan))


async def _serve(pipe: Connection, plan: Plan) -> None:
    client = Client(plan.settings.sidecar.prometheus, plan.clock)
    async with client:
        judge = Judge(plan.settings, client, plan.clock, pipe.send)
        with contextlib.suppress(EOFError, OSError):
            while True:
                question = await asyncio.to_thread(pipe.recv)
                try:
                    pipe.send(await judge.answer(question))
                except (EOFError, OSError):
                    raise
                except Exception as error:
                    # Said and survived: the next question is answered again.
                    log.exception("a question was not answered")
                    pipe.send(Failed("internal", type(error).__name__))


def share(shard: str) -> tuple[int, int]:
    """Number of this process, from 1, and how many share the series, of a text such as 1/3."""
    number, _, of = shard.partition("/")
    return int(number), int(of)


def seconds(length: str) -> float:
    """A length of time such as 4w or 10d."""
    return timedelta(**{_UNITS[length[-1]]: int(length[:-1])}).total_seconds()


class Judge:
    """All parts. ``heard`` is told how far the first reading of the past is."""

    def __init__(self, settings: Settings, client: Client, clock: Clock, heard: Progressed) -> None:
        own = settings.sidecar
        watches = load_watches(own.watches, own.default_watches)
        place, past = Place(own.cluster, own.tenant), seconds(own.history)
        self._clock, self._limits = clock, settings.limits
        folder = settings.storage.path / "judge" if settings.storage.path is not None else None
        shard = share(own.shard)
        scope = Scope(interval=own.interval, past=past, shard=shard, series=settings.limits.series)
        self._anomalies = Anomalies(client, watches, settings, clock, folder, scope,
                                    lambda done, total: heard(Progress("reading the past", done, total)))
        self._forecasting = Forecasting(client, watches, place, past, own.holidays, room(settings.limits))
        self._currency, self._external_url = settings.business.reporting_currency, own.desk.external_url
        self._drifts = Drifts(client, own.drift, place, past, folder)
        self._parts: dict[str, Judged] = {"anomalies": self._anomalies}
        if shard[0] == 1:
            # Of these there is little enough for one process.
            self._parts |= {"drift": self._drifts, "forecasts": self._forecasting}
        self._renderers = {name: Renderer() for name in PARTS}
        self._standing: dict[str, tuple[Standing, ...]] = {}

    async def answer(self, question: object) -> object:
        """The answer to a question of the serving process."""
        if isinstance(question, Save):
            self._drifts.save()
            return self._anomalies.save()
        assert isinstance(question, Tick)
        return await self.tick(question.at)

    async def tick(self, at: float) -> Report:
        """Look at one moment with every part."""
        began = self._clock.monotonic()
        found = {name: await self._look(name, part, at) for name, part in self._parts.items()}
        standing = [one for name in self._parts for one in self._standing.get(name, ())]
        said = insights.insights(self._anomalies.findings(), list(self._forecasting.lasting(self._currency)))
        found["findings"] = self._page("findings", [*standing_samples(standing), *insights.samples(said)], began)
        found |= {name: self._page(name, [], began) for name in PARTS if name not in found}
        return Report(
            at=at, seconds=self._clock.monotonic() - began, parts=found, alerts=self._pushed(standing),
            unsettled=frozenset(ALERTS[kind] for name, part in self._parts.items() if not part.settled
                                for kind in OF_PART[name]),
            series=self._anomalies.series(), failures=self._anomalies.failures(), saved=self._anomalies.saved)

    def _pushed(self, standing: Iterable[Standing]) -> tuple[Alert, ...]:
        """The alerts of findings, each with the address of its page, so that every notification can link to it."""
        home = self._external_url
        return tuple(one.alert.annotated("desk_url", page(home, one.alert.fingerprint)) if home else one.alert
                     for one in standing)

    async def _look(self, name: str, part: Judged, at: float) -> Part:
        """One part. What it said last stands when it fails now (R13)."""
        began = self._clock.monotonic()
        try:
            await part.tick(at)
            page, standing = self._page(name, list(part.samples()), began), tuple(part.standing())
        except SalesExporterError as error:
            return Part(None, self._clock.monotonic() - began, str(error))
        except Exception as error:
            log.exception("part broke", extra={"part": name})
            return Part(None, self._clock.monotonic() - began, type(error).__name__)
        self._standing[name] = standing
        return page

    def _page(self, name: str, samples: Sequence[Sample], began: float) -> Part:
        bounded = bound(samples, self._limits.series_per_metric, int(SHARES[name] * self._limits.series))
        return Part(self._renderers[name].render(bounded.samples), self._clock.monotonic() - began)
