"""Alerts for tests of the API, and a desk in memory that holds them."""

from __future__ import annotations

from sales_exporter.sidecar.desk.model import Case, Flapping
from tests.support.desk import MemoryDesk

AT = 1_700_000_000.0


def case(fingerprint: str = "00000000000000a1", severity: str = "critical", **more: str) -> Case:
    """An alert that fires."""
    labels = {"alertname": "SalesAnomaly", "severity": severity, "team": "sales-ops", **more}
    return Case(fingerprint, labels, {"summary": "revenue is low"}, AT - 600, pushed=True,
                instances=("127.0.0.1:9093",))


def holding(*cases: Case) -> MemoryDesk:
    """A desk with these alerts, one of which comes and goes."""
    desk = MemoryDesk(cases, now=AT)
    desk.flapping = (Flapping("00000000000000a1", {"alertname": "SalesAnomaly"}, 3, 90.0),)
    return desk
