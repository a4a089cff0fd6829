"""Findings that stand: what is pushed as alerts and published as series, so that rules can raise the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sales_exporter.model import Sample
from sales_exporter.sidecar.metrics import FINDING
from sales_exporter.sidecar.outbox.alert import Alert

Kind = Literal["anomaly", "drift", "retraining", "capacity"]

ALERTS: Mapping[Kind, str] = {
    "anomaly": "SalesAnomaly", "drift": "SalesModelDrift", "retraining": "SalesRetrainingRecommended",
    "capacity": "SalesCapacityExhaustion",
}
OF_PART: Mapping[str, tuple[Kind, ...]] = {
    "anomalies": ("anomaly",), "drift": ("drift", "retraining"), "forecasts": ("capacity",),
}
RUNBOOKS = "alert_rules/runbooks"
BUSINESS = frozenset({"business", "model"})
"""Categories of watches whose anomalies and trends are insights."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One finding and the alert that tells of it."""

    kind: Kind
    alert: Alert


@dataclass(frozen=True, slots=True)
class Place:
    """Labels that an alert takes from the configuration where its series does not have them."""

    cluster: str
    tenant: str


def runbook(kind: Kind) -> str:
    """Path of the page that says what to do."""
    return f"{RUNBOOKS}/{ALERTS[kind]}.md"


def samples(standing: Iterable[Standing]) -> Iterator[Sample]:
    """One series for each finding, with the labels of its alert."""
    seen = set()
    for one in standing:
        alert = one.alert
        labels = {"kind": str(one.kind), "severity": alert.severity, "team": alert.team, "category": alert.category,
                  "service": alert.service, "entity": alert.entity, "watch": alert.watch}
        key = tuple(labels.values())
        if key not in seen:
            seen.add(key)
            yield FINDING(1, **labels)
