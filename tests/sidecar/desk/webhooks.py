"""Requests as Alertmanager's webhook makes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sales_exporter.sidecar.outbox.identity import fingerprint
from tests.sidecar.desk.telling import ANNOTATIONS, LABELS, NOW

GROUP = {name: LABELS[name] for name in ("alertname", "cluster", "tenant")}


def told(status: str = "firing", starts_at: float = NOW - 600, **labels: str) -> dict[str, Any]:
    """One alert of a request."""
    whole = {**LABELS, **labels}
    over = status == "resolved"
    return {"status": status, "labels": whole, "annotations": ANNOTATIONS, "startsAt": moment(starts_at),
            "endsAt": moment(NOW) if over else "0001-01-01T00:00:00Z", "generatorURL": "http://p/graph",
            "fingerprint": fingerprint(whole)}


def payload(alerts: Iterable[dict[str, Any]], group: dict[str, str] | None = None) -> dict[str, Any]:
    """One request."""
    found = list(alerts)
    status = "firing" if any(one["status"] == "firing" for one in found) else "resolved"
    return {"version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": status, "receiver": "platform",
            "groupLabels": GROUP if group is None else group, "commonLabels": {}, "commonAnnotations": {},
            "externalURL": "http://127.0.0.1:9093", "alerts": found}


def moment(at: float) -> str:
    """A time as Go writes it, to the nanosecond."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z"
