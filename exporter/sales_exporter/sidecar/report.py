"""What the serving process and the judging process say to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sales_exporter.config import Settings
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.exposition import Page
from sales_exporter.sidecar.outbox.alert import Alert

SHARES: Mapping[str, float] = {"anomalies": 0.5, "drift": 0.1, "forecasts": 0.3, "findings": 0.1}
"""By part: of the series that may be exported, so much is its own; none takes another's."""
PARTS = tuple(SHARES)
"""What is judged, each by itself: one that fails leaves the others as they are (reliability.md, R13)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the judging process is built from."""

    settings: Settings
    clock: Clock


@dataclass(frozen=True, slots=True)
class Tick:
    """A question: judge this moment, in epoch seconds. The first one reads the past before."""

    at: float


@dataclass(frozen=True, slots=True)
class Save:
    """A question: write the state to disk."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one part has to show, or why it has nothing."""

    page: Page | None
    seconds: float
    defect: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What one tick found."""

    at: float
    seconds: float
    parts: Mapping[str, Part]
    alerts: tuple[Alert, ...] = ()
    """All that stand."""
    unsettled: frozenset[str] = frozenset()
    """Names of alerts of which nobody knows yet whether those that do not stand are over: it has just started."""
    series: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Queries that failed in this tick, by watch and reason."""
    saved: float | None = None
    """When the state was last written, in epoch seconds."""

    @property
    def judged(self) -> bool:
        """Whether Prometheus answered. Anomalies are looked at in every tick, the other parts now and then."""
        return self.parts["anomalies"].page is not None
