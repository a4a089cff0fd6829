"""What Alertmanager posts to webhooks (version 4), and the events and messages that follow from it. Pure.

Alerts that fire and alerts that are over are told in one request; here each of the two is a notification of its own,
so that its key says what was told (reliability.md, R33).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from sales_exporter.sidecar.desk.message import Message, described, subject
from sales_exporter.sidecar.desk.model import Event
from sales_exporter.sidecar.outbox import identity
from sales_exporter.sidecar.outbox.alert import clean

Status = Literal["firing", "resolved"]
STATUSES: tuple[Status, ...] = ("firing", "resolved")
EACH = 5
"""Alerts of one notification that phones are told of one by one, the worst ones; of the others they hear in one."""
_RANKS = {"critical": 0, "warning": 1, "info": 2}

Text = Annotated[str, Field(max_length=65_536)]
Names = Annotated[dict[Text, Text], Field(max_length=128)]


class Told(BaseModel):
    """One alert of a notification."""

    model_config = ConfigDict(frozen=True)

    status: Status
    labels: Names
    annotations: Names = {}
    starts_at: AwareDatetime = Field(alias="startsAt")
    ends_at: AwareDatetime | None = Field(None, alias="endsAt")

    @property
    def fingerprint(self) -> str:
        """The name that Alertmanager and the desk have for it."""
        return identity.fingerprint(self.labels)

    @property
    def begun(self) -> float:
        """Start, in epoch seconds."""
        return self.starts_at.timestamp()

    @property
    def ended(self) -> float | None:
        """End, in epoch seconds; None while it fires, whatever end Alertmanager expects."""
        return self.ends_at.timestamp() if self.status == "resolved" and self.ends_at is not None else None


class Payload(BaseModel):
    """One request of Alertmanager's webhook."""

    model_config = ConfigDict(frozen=True)

    version: Literal["4"]
    receiver: Text = ""
    group: Names = Field({}, alias="groupLabels")
    alerts: tuple[Told, ...] = Field(max_length=10_000)


class Notification:
    """The alerts of a payload that are in one state."""

    def __init__(self, payload: Payload, status: Status) -> None:
        """Each alert once, the worst ones first, whatever the order in which they were told."""
        told = [(one.fingerprint, one) for one in payload.alerts if one.status == status]
        self.alerts: Sequence[tuple[str, Told]] = list(dict(sorted(told, key=lambda pair: (
            _RANKS.get(pair[1].labels.get("severity", ""), len(_RANKS)), pair[1].begun, pair[0]))).items())
        self.status, self.group, self.receiver = status, payload.group, payload.receiver

    @property
    def key(self) -> str:
        """The same for a repetition in any order."""
        return self._key(self.alerts)

    def events(self, at: float) -> list[Event]:
        """One line of the history for each alert."""
        return [Event(at, fingerprint, "notified", clean(self.receiver), "webhook", self.status, dict(one.labels),
                      one.begun) for fingerprint, one in self.alerts]

    def messages(self, at: float) -> Iterator[Message]:
        """What phones are told: the worst alerts one by one, of the others how many there are."""
        for pair in self.alerts[:EACH]:
            yield self._one(pair, at)
        if self.alerts[EACH:]:
            yield self._rest(self.alerts[EACH:], at)

    def _one(self, pair: tuple[str, Told], at: float) -> Message:
        fingerprint, one = pair
        word = "Resolved" if self.status == "resolved" else one.labels.get("severity", "firing").capitalize()
        return Message(
            self._key([pair]), self._kind, at, f"{word}: {subject(one.labels, one.annotations)}",
            described(one.labels, one.annotations, one.begun, one.ended), severity=one.labels.get("severity", ""),
            team=one.labels.get("team", ""), fingerprint=fingerprint, labels=one.labels, annotations=one.annotations,
            starts_at=one.begun, ends_at=one.ended)

    def _rest(self, rest: Sequence[tuple[str, Told]], at: float) -> Message:
        worst = rest[0][1].labels
        word = "resolved" if self.status == "resolved" else "firing"
        return Message(
            self._key(rest), self._kind, at, f"{len(rest)} more {word}: {worst.get('alertname', '')}",
            tuple(subject(one.labels, one.annotations) for _, one in rest), severity=worst.get("severity", ""),
            team=_shared(rest, "team"), labels=self.group)

    @property
    def _kind(self) -> Literal["fired", "resolved"]:
        return "resolved" if self.status == "resolved" else "fired"

    def _key(self, alerts: Sequence[tuple[str, Told]]) -> str:
        return identity.idempotency_key(self.group, [(name, one.begun) for name, one in alerts], self.status)


def notifications(payload: Payload) -> list[Notification]:
    """What a payload tells: what fires, what is over, or both."""
    told = [Notification(payload, status) for status in STATUSES]
    return [one for one in told if one.alerts]


def _shared(alerts: Sequence[tuple[str, Told]], label: str) -> str:
    """The value that all have; empty when they differ."""
    values = {one.labels.get(label, "") for _, one in alerts}
    return values.pop() if len(values) == 1 else ""
