"""Anomalies: the history's ticks become bands and pages; the state survives a restart."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from sales_exporter.config import Limits, Settings
from sales_exporter.model import Sample
from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.fleet import metrics
from sales_exporter.sidecar.fleet.words import Finding, texts
from sales_exporter.sidecar.history import snapshot
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.history.history import History, Scope, Tick
from sales_exporter.sidecar.history.snapshot import SnapshotRefused
from sales_exporter.sidecar.judging.alarming import Page
from sales_exporter.sidecar.judging.core import REPLAY, Core
from sales_exporter.sidecar.judging.finding import finding
from sales_exporter.sidecar.judging.standing import ALERTS, BUSINESS, Place, Standing, runbook
from sales_exporter.sidecar.outbox.alert import Alert
from sales_exporter.sidecar.report import SHARES
from sales_exporter.sidecar.verdicts import NONE
from sales_exporter.sidecar.watches.watch import Watch

log = logging.getLogger(__name__)

SETTLING = 900.0
"""Seconds after a start without a state until an alarm of before would have begun again, if it lasts."""
PUBLISHED = 1_000
"""Series whose bands are published at most: those that alarm, then the heaviest."""
OWN = 4
"""Series that are not those of a band."""
HISTORY_FILE, BUDGET_FILE = "history.npz", "budget.npz"


class Anomalies:
    """Reads, judges and says what is odd. Not for concurrent use."""

    def __init__(self, client: Client, watches: Sequence[Watch], settings: Settings, clock: Clock, folder: Path | None,
                 scope: Scope, heard: Callable[[int, int], None]) -> None:
        """``folder`` keeps the state; ``heard`` is told how far the first reading of the past is."""
        own, core = settings.sidecar, Core.of(watches, settings, clock.now())
        self._history = History(client, watches, core.detector, clock, scope, core.blank)
        self._alarming = core.alarming
        self._watches = {watch.name: watch for watch in watches}
        self._place, self._folder, self._heard = Place(own.cluster, own.tenant), folder, heard
        self._published = published(settings.limits)
        self._currency, self._clock = settings.business.reporting_currency, clock
        self._pages: list[Page] = []
        self._tick: Tick | None = None
        self._began: float | None = None
        self._told: dict[tuple[str, str], int] = {}
        self.saved: float | None = None
        """When the state was last written, in epoch seconds."""

    @property
    def settled(self) -> bool:
        """Whether what alarmed before the start would alarm again by now, if it lasts."""
        return self._began is not None and self._tick is not None and self._tick.at - self._began >= SETTLING

    async def tick(self, at: float) -> None:
        """Judge one moment; the first time, read the past before.

        Raises:
            SourceError: nothing was answered, and why.
        """
        if self._began is None:
            await self._begin(at)
            # That took a while: the newest moment is another one.
            at = max(at, self._history.due())
        tick = await self._history.tick(at)
        if tick.verdicts is None:
            for error in tick.errors.values():
                raise error
            return
        self._tick = tick
        self._pages = self._alarming.step(at, tick.ids, tick.values, tick.verdicts, tick.cases)

    def samples(self) -> Iterator[Sample]:
        """Bands, scores and alarms by series, and how the budget stands."""
        if self._tick is None:
            return
        at = self._tick.at
        yield from metrics.samples(self._alarming.judged(self._published), self._alarming.standing(at))

    def standing(self) -> Iterator[Standing]:
        """What pages."""
        at = self._tick.at if self._tick is not None else 0.0
        for page in self._pages:
            found = finding(page, at, self._currency)
            home, lead = page.home, page.cause.lead
            annotations = {
                **texts(found), "runbook_url": runbook("anomaly"),
                "dashboard_url": f"/d/{page.watch.dashboard or 'sales-home'}",
            }
            yield Standing("anomaly", Alert(
                ALERTS["anomaly"], page.severity, page.cause.since, annotations, team=home.team,
                category=home.category, cluster=lead.label("cluster") or self._place.cluster,
                tenant=lead.label("tenant") or self._place.tenant, service=home.service, entity=page.entity,
                watch=home.name))

    def findings(self) -> list[Finding]:
        """What is odd of the business, for insights."""
        at = self._tick.at if self._tick is not None else 0.0
        return [finding(page, at, self._currency) for page in self._pages if page.watch.category in BUSINESS]

    def series(self) -> Mapping[str, int]:
        """Series by what is done with them."""
        if self._tick is None or self._tick.verdicts is None:
            return {"judged": 0, "learning": 0, "refused": 0}
        judged = int(np.count_nonzero(self._tick.verdicts.channel != NONE))
        return {"judged": judged, "learning": len(self._tick.ids) - judged,
                "refused": sum(self._history.left_out.values())}

    def failures(self) -> Mapping[tuple[str, str], int]:
        """Queries that failed since the last time, by watch and reason."""
        new = {key: count - self._told.get(key, 0) for key, count in self._history.failures.items()}
        self._told = dict(self._history.failures)
        return {key: count for key, count in new.items() if count}

    def save(self) -> float | None:
        """Write the state; the moment of it, or None without a folder."""
        if self._folder is None or self._history.last is None:
            return None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._history.save(self._folder / HISTORY_FILE)
            snapshot.write(self._folder / BUDGET_FILE, self._history.definition, self._history.last,
                           self._alarming.state())
        except OSError as error:
            log.warning("state not written", extra={"error": error.strerror})
            return None
        self.saved = self._clock.now()
        return self.saved

    async def _begin(self, at: float) -> None:
        """Go on from the state on disk, else read the past."""
        if not self._load():
            await self._history.fill(self._heard, self._alarming.learn, REPLAY)
            self._alarming.open()
        self._began = at

    def _load(self) -> bool:
        if self._folder is None or not (self._folder / HISTORY_FILE).exists():
            return False
        try:
            self._history.load(self._folder / HISTORY_FILE)
            _, state = snapshot.read(self._folder / BUDGET_FILE, self._history.definition, -math.inf)
            self._alarming.restore(state, self._history.ids)
        except SnapshotRefused as error:
            log.info("state not used", extra={"reason": str(error)})
        except (OSError, ValueError) as error:
            log.info("state of the budget not used", extra={"reason": type(error).__name__})
        else:
            log.info("state used", extra={"series": len(self._history.ids)})
        return self._history.last is not None


def published(limits: Limits) -> int:
    """Series whose bands have room. What is above a limit would be added up, and a sum of levels means nothing."""
    room = int(SHARES["anomalies"] * limits.series) - OWN
    return max(0, min(PUBLISHED, limits.series_per_metric, room // len(metrics.BANDS)))
