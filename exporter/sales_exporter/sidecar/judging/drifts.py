"""Drift of models: settled decisions from Prometheus in, evidence, alerts and advice out."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sales_exporter.config import DriftSettings
from sales_exporter.model import Sample
from sales_exporter.sidecar.drift.watch import ESTIMATES, SETTLED, DriftWatch, Finding, Findings, Row
from sales_exporter.sidecar.history import snapshot
from sales_exporter.sidecar.history.answers import Labels
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.history.snapshot import SnapshotRefused
from sales_exporter.sidecar.judging.standing import ALERTS, Kind, Place, Standing, runbook
from sales_exporter.sidecar.outbox.alert import Alert
from sales_exporter.sidecar.verdicts import Floats

log = logging.getLogger(__name__)

FILE, DEFINITION = "drift.npz", "drift"
EVERY = 300.0
"""Seconds between two looks: decisions settle once a day."""
STEP = 6 * 3_600.0
"""Seconds between two moments of the past that is read."""
GREAT_LOSS = 0.10
"""Accuracy lost from which on drift is critical."""


class Drifts:
    """Judges all models. Not for concurrent use."""

    def __init__(
        self, client: Client, settings: DriftSettings, place: Place, past: float, folder: Path | None
    ) -> None:
        """``past`` is how many seconds are read at the first tick, less what the state in ``folder`` knows."""
        self._client, self._settings, self._place, self._past = client, settings, place, past
        self._file = folder / FILE if folder is not None else None
        self._watch = DriftWatch(settings)
        self._looked: float | None = None
        self._found: Findings | None = None

    @property
    def settled(self) -> bool:
        """Whether what drifted before is known."""
        return self._looked is not None

    async def tick(self, at: float) -> None:
        """Look, when it is time to.

        Raises:
            SourceError: the query was not answered.
        """
        if self._looked is None:
            await self._read(self._load(at), at)
        elif at - self._looked < EVERY:
            return
        settled, *expected = [await self._client.instant(query, at) for query in (SETTLED, *ESTIMATES)]
        self._found = self._watch.update(
            at, _rows(settled.labels, settled.values), [_rows(one.labels, one.values) for one in expected])
        self._looked = at

    async def _read(self, since: float, at: float) -> None:
        """Take in what lies between."""
        start = math.ceil(since / STEP) * STEP
        count = int((at - start) // STEP) + 1
        if count > 0:
            past = await self._client.range(SETTLED, start, STEP, count)
            for column in range(count):
                self._watch.update(start + column * STEP, _rows(past.labels, past.values[:, column]))

    def samples(self) -> Iterator[Sample]:
        """What there is to publish."""
        return iter(()) if self._found is None else self._found.samples()

    def standing(self) -> Iterator[Standing]:
        """Models that drift, and those that are worth training anew."""
        if self._found is None:
            return
        for one in self._found.standing():
            if one.drifts is not None:
                severity = "critical" if one.lost >= GREAT_LOSS else "warning"
                yield self._finding("drift", one, one.drifts, severity)
            if one.retrain is not None:
                yield self._finding("retraining", one, one.retrain, "warning")

    def save(self) -> None:
        """Write the state: drift may have begun before the past that a start reads."""
        if self._file is not None and self._looked is not None:
            try:
                snapshot.write(self._file, DEFINITION, self._looked, self._watch.state())
            except OSError as error:
                log.warning("state of drift not written", extra={"error": error.strerror})

    def _load(self, now: float) -> float:
        """Go on from the state on disk if it fits; the moment from which on to read the past."""
        oldest = now - self._past
        if self._file is None or not self._file.exists():
            return oldest
        try:
            at, state = snapshot.read(self._file, DEFINITION, oldest)
            if at > now:
                raise SnapshotRefused("it is from the future")
            self._watch = DriftWatch(self._settings).restore(state)
        except (SnapshotRefused, ValueError) as error:
            log.info("state of drift not used", extra={"reason": str(error)})
            return oldest
        return at

    def _finding(self, kind: Kind, one: Finding, since: float, severity: str) -> Standing:
        said = one.words
        summary = (said.summary if kind == "drift"
                   else f"{one.model} {one.version}: training it anew is worth its cost.")
        annotations = {
            "summary": summary, "description": f"{said.summary} {said.recommendation}", "value": said.value,
            "expected": said.expected, "since": said.since, "effect": said.effect, "reason": said.reason,
            "confidence": said.confidence, "recommendation": said.recommendation, "runbook_url": runbook(kind),
            "dashboard_url": f"/d/sales-models?var-model={one.model}",
        }
        return Standing(kind, Alert(
            ALERTS[kind], severity, since, annotations, team="ml", category="model", cluster=self._place.cluster,
            tenant=self._place.tenant, service="models", entity=f"{one.model} {one.version}", watch=f"model_{kind}"))


def _rows(labels: tuple[Labels, ...], values: Floats) -> list[Row]:
    """What an answer says at one moment."""
    return [(dict(one), value) for one, value in zip(labels, values.tolist(), strict=True) if not np.isnan(value)]
