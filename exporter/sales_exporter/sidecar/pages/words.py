"""What pages and the command line call things: how a case stands, where it is, and how long ago something was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from sales_exporter.runtime.landing import span
from sales_exporter.sidecar.desk.model import Case, Event, Kind

Standing = Literal["unattended", "acknowledged", "snoozed", "muted", "closed", "over"]
"""How a case stands with people. ``muted``: something that is not the desk's keeps it quiet; ``closed``: ended by hand
while its rule still holds."""
STANDINGS: dict[Standing, str] = {
    "unattended": "Nobody has it", "acknowledged": "Acknowledged", "snoozed": "Snoozed", "muted": "Muted elsewhere",
    "closed": "Closed by hand", "over": "Over",
}
SEVERITIES = ("critical", "warning", "info")
OTHER = "other"
"""Severity of alerts whose rule gives none of those."""
KINDS: dict[Kind, str] = {
    "fired": "Fired", "changed": "Changed", "resolved": "Resolved", "acknowledged": "Acknowledged",
    "unacknowledged": "Given back", "snoozed": "Snoozed", "woken": "Snooze ended", "closed": "Closed by hand",
    "assigned": "Assigned", "commented": "Commented", "escalated": "Escalated", "silenced": "Silenced elsewhere",
    "unsilenced": "Silence elsewhere ended", "notified": "Notified",
}
"""What happened, as a heading."""
VIA = {"cli": "on the command line", "api": "by the API", "page": "on the page", "link": "by a link in a notification"}
"""Ways by which people act."""
BY_PEOPLE: dict[Kind, str] = {
    "acknowledged": "acknowledged it", "unacknowledged": "gave it back", "snoozed": "snoozed it",
    "assigned": "assigned it", "commented": "commented", "resolved": "resolved it", "closed": "closed it by hand",
    "silenced": "silenced it in Alertmanager",
}
BY_ITSELF: dict[Kind, str] = {
    "fired": "It began to fire", "changed": "It changed", "resolved": "It ended", "escalated": "It escalated",
    "woken": "The snooze ended, and it still fires", "notified": "Alertmanager notified",
    "unsilenced": "The silence in Alertmanager ended", "silenced": "It was silenced in Alertmanager",
}
_USUAL = frozenset({"alertname", "severity", "team", "category", "service", "cluster", "tenant", "watch", "entity",
                    "slo", "window", "job", "prometheus", "monitor"})


def standing(case: Case) -> Standing:
    """How a case stands with people."""
    if case.state == "resolved":
        return "over" if case.ends_at is not None else "closed"
    if case.state != "firing":
        return case.state
    return "muted" if case.silenced or case.inhibited else "unattended"


def severity(case: Case) -> str:
    """One of ``SEVERITIES``, or ``OTHER``."""
    return case.severity if case.severity in SEVERITIES else OTHER


def title(case: Case) -> str:
    """What is wrong, in one sentence."""
    for name in ("summary", "description"):
        if case.annotations.get(name, "").strip():
            return case.annotations[name].strip()
    return case.alertname or case.fingerprint


def subject(case: Case) -> str:
    """What it is about, by the labels that tell it from others of its name; empty when nothing does."""
    entity = case.labels.get("entity", "")
    return entity or ", ".join(f"{name}={value}" for name, value in sorted(case.labels.items()) if name not in _USUAL)


def who(case: Case) -> str:
    """Who has it, and until when; in few words."""
    kind = standing(case)
    if kind == "acknowledged":
        return case.acknowledged_by or "somebody"
    if kind == "unattended" and case.owner:
        return f"For {case.owner}"
    if kind == "muted":
        return "Silenced elsewhere" if case.silenced else "Muted by another alert"
    return STANDINGS[kind]


def sentence(event: Event) -> str:
    """Who did what, without the words that were given."""
    by_itself = BY_ITSELF.get(event.kind, "")
    if event.via in VIA or not by_itself or (event.kind == "silenced" and event.by):
        return " ".join(filter(None, (event.by or "Somebody", BY_PEOPLE.get(event.kind, KINDS[event.kind].lower()),
                                      VIA.get(event.via, ""))))
    return by_itself


def lasted(case: Case, now: float) -> str:
    """How long it has lasted, or did."""
    return span(max(0.0, (case.ends_at if case.ends_at is not None else now) - case.starts_at))


def iso(at: float) -> str:
    """A moment for machines, in UTC; empty where it is none."""
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return ""
