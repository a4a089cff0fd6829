"""What the Alertmanagers showed: alerts and silences of each, and all of them as one. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from sales_exporter.errors import ContractViolation
from sales_exporter.sidecar.outbox.alert import Alert
from sales_exporter.sidecar.outbox.identity import fingerprint

HEARTBEAT = "Watchdog"
"""The alert that always fires: nobody's case."""
ORIGIN = "escalated_from"
"""Annotation of a copy that escalation made: the fingerprint of the alert that it is a copy of."""
YOUNG = 180.0
"""Seconds after its start in which an Alertmanager may lack what lasts: Prometheus and the outbox repeat it by then."""
LOST = 300.0
"""Seconds after which an Alertmanager that does not answer is no longer waited for."""

_UNREADABLE = (TypeError, ValueError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True)
class Seen:
    """One alert as it was shown. Times are epoch seconds."""

    labels: Mapping[str, str] = field(hash=False)
    annotations: Mapping[str, str] = field(hash=False)
    starts_at: float
    silenced_by: frozenset[str] = frozenset()
    """Ids of the silences that mute it."""
    inhibited_by: frozenset[str] = frozenset()
    """Fingerprints of the alerts that mute it."""
    receivers: tuple[str, ...] = ()
    generator_url: str = ""
    instances: frozenset[str] = frozenset()
    """Alertmanagers that show it."""


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence as it was shown. ``began`` is its start word for word: sent back, the silence keeps its id."""

    id: str
    state: Literal["active", "pending", "expired"]
    fingerprint: str
    """Of the alert with exactly the labels that it matches; empty for patterns and the like."""
    began: str
    starts_at: float
    ends_at: float
    by: str
    comment: str


@dataclass(frozen=True, slots=True)
class Poll:
    """One answer of one Alertmanager. ``started_at`` is when that one began to run."""

    instance: str
    started_at: float
    alerts: Mapping[str, Seen] = field(default_factory=dict, hash=False)
    """By fingerprint."""
    silences: tuple[Silence, ...] = ()


@dataclass(frozen=True, slots=True)
class Sight:
    """All Alertmanagers together, and what our outbox holds open."""

    alerts: Mapping[str, Seen] = field(default_factory=dict, hash=False)
    """By fingerprint, without the heartbeat and copies; ours are there even if nobody shows them yet."""
    pushed: frozenset[str] = frozenset()
    """Fingerprints of what our outbox holds open."""
    silences: Mapping[str, tuple[Silence, ...]] = field(default_factory=dict, hash=False)
    """Of each Alertmanager that answered, in the order in which they are configured."""
    settled: frozenset[str] = frozenset()
    """Those that answered and have run long enough for their silence to mean something."""
    awaited: frozenset[str] = frozenset()
    """Those that did not answer, but did a short while ago."""
    copies: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)
    """Fingerprints of the copies of an alert, by its fingerprint."""

    def trusts(self, fingerprint: str) -> bool:
        """Whether the start of an alert is known by one that has not only just begun."""
        return fingerprint in self.pushed or not self.settled.isdisjoint(self.alerts[fingerprint].instances)


def merged(polls: Iterable[Poll], pushed: Iterable[Alert], now: float, awaited: Iterable[str] = ()) -> Sight:
    """One sight of several answers. What one shows is there; the earliest start holds."""
    polls, alerts, copies = list(polls), dict[str, Seen](), dict[str, frozenset[str]]()
    settled = frozenset(poll.instance for poll in polls if now - poll.started_at >= YOUNG)
    for poll in polls:
        for name, seen in poll.alerts.items():
            origin = seen.annotations.get(ORIGIN)
            if origin is not None:
                copies[origin] = copies.get(origin, frozenset()) | {name}
            elif seen.labels.get("alertname") != HEARTBEAT:
                alerts[name] = _joined(alerts[name], seen) if name in alerts else seen
    ours = {alert.fingerprint: alert for alert in pushed if ORIGIN not in alert.annotations}
    alerts |= {name: _ours(alert, alerts.get(name)) for name, alert in ours.items()}
    silences = {poll.instance: poll.silences for poll in polls}
    return Sight(alerts, frozenset(ours), silences, settled, frozenset(awaited), copies)


def _joined(one: Seen, other: Seen) -> Seen:
    """The same alert at two Alertmanagers: muted only if it is muted at both."""
    first, second = sorted((one, other), key=lambda seen: seen.starts_at)
    return replace(
        first, instances=first.instances | second.instances,
        silenced_by=first.silenced_by | second.silenced_by if first.silenced_by and second.silenced_by else frozenset(),
        inhibited_by=(first.inhibited_by | second.inhibited_by
                      if first.inhibited_by and second.inhibited_by else frozenset()),
        receivers=tuple(sorted({*first.receivers, *second.receivers})))


def _ours(alert: Alert, shown: Seen | None) -> Seen:
    """An alert of the outbox, whose words and start are the ones that hold."""
    seen = Seen(alert.labels, dict(alert.annotations), alert.starts_at, generator_url=alert.generator_url)
    if shown is None:
        return seen
    return replace(shown, annotations=seen.annotations, starts_at=alert.starts_at)


def poll(instance: str, alerts: bytes, silences: bytes, status: bytes) -> Poll:
    """Read the answers of API v2 to ``alerts``, ``silences`` and ``status``.

    Raises:
        ContractViolation: they are not of this API.
    """
    try:
        instances = frozenset({instance})
        shown = {str(one["fingerprint"]): _seen(one, instances) for one in json.loads(alerts)}
        found = tuple(_silence(one) for one in json.loads(silences))
        started = _moment(json.loads(status)["uptime"])
    except _UNREADABLE:
        raise ContractViolation(f"{instance} does not answer as Alertmanager's API v2 does") from None
    return Poll(instance, started, shown, found)


def _seen(one: Mapping[str, Any], instances: frozenset[str]) -> Seen:
    status = one["status"]
    return Seen(
        _texts(one["labels"]), _texts(one["annotations"]), _moment(one["startsAt"]),
        frozenset(status.get("silencedBy") or ()), frozenset(status.get("inhibitedBy") or ()),
        tuple(sorted(str(receiver["name"]) for receiver in one.get("receivers") or ())),
        str(one.get("generatorURL") or ""), instances)


def _silence(one: Mapping[str, Any]) -> Silence:
    matchers = one["matchers"]
    plain = all(not part.get("isRegex") and part.get("isEqual", True) for part in matchers)
    labels = tuple(sorted((str(part["name"]), str(part["value"])) for part in matchers))
    return Silence(
        str(one["id"]), one["status"]["state"], _fingerprint(labels) if plain else "",
        str(one["startsAt"]), _moment(one["startsAt"]), _moment(one["endsAt"]), str(one.get("createdBy", "")),
        str(one.get("comment", "")))


@lru_cache(maxsize=8_192)
def _fingerprint(labels: tuple[tuple[str, str], ...]) -> str:
    # Kept, since every silence is shown again at every poll.
    return fingerprint(dict(labels))


def _texts(given: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(text) for name, text in given.items()}


def _moment(text: str) -> float:
    """Epoch seconds; digits beyond microseconds are dropped."""
    return datetime.fromisoformat(text).timestamp()
