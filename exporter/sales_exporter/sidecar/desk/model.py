"""What the desk speaks of: cases, who does what with them, and what has happened. Frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

State = Literal["firing", "acknowledged", "snoozed", "resolved"]
"""Nobody has it; somebody has; nobody wants to hear of it for a while; it is over, or was closed by hand."""
Via = Literal["desk", "cli", "api", "page", "link", "webhook", "alertmanager", "policy"]
"""By which way something reached the desk."""
Kind = Literal["fired", "changed", "resolved", "acknowledged", "unacknowledged", "snoozed", "woken", "closed",
               "assigned", "commented", "escalated", "silenced", "unsilenced", "notified"]
"""What happened. ``closed`` is a resolve by hand of an alert that the desk cannot end, until its next change;
``notified`` is a notification that Alertmanager sent, as its webhook says."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and by which way."""

    name: str
    via: Via


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """I have it. A silence on the exact labels lasts as long as the alert does."""

    comment: str = ""


@dataclass(frozen=True, slots=True)
class Unacknowledge:
    """I have it no more: notifications and escalation go on."""

    comment: str = ""


@dataclass(frozen=True, slots=True)
class Resolve:
    """It is over. A pushed alert ends; one of a rule is silenced until it changes next."""

    comment: str = ""


@dataclass(frozen=True, slots=True)
class Snooze:
    """Not for so many seconds."""

    seconds: float
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Assign:
    """It belongs to somebody; an empty owner gives it back."""

    owner: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Comment:
    """Words for the history."""

    comment: str


Action = Acknowledge | Unacknowledge | Resolve | Snooze | Assign | Comment


@dataclass(frozen=True, slots=True)
class Case:
    """One alert and what people have done about it. Times are epoch seconds.

    The fingerprint is that of the labels, the same that Alertmanager shows; a case that fires again after its end is
    the same case with a new ``starts_at``.
    """

    fingerprint: str
    labels: Mapping[str, str] = field(hash=False)
    annotations: Mapping[str, str] = field(hash=False)
    starts_at: float
    ends_at: float | None = None
    state: State = "firing"
    pushed: bool = False
    """Whether our outbox raised it, so that a resolve by hand is real."""
    generator_url: str = ""
    owner: str = ""
    acknowledged_by: str = ""
    acknowledged_at: float | None = None
    until: float | None = None
    """End of a snooze."""
    comment: str = ""
    """The last one."""
    silenced: bool = False
    """Whether a silence that is not ours mutes it."""
    inhibited: bool = False
    step: int = 0
    """Steps of the escalation policy that were taken."""
    next_step_at: float | None = None
    receivers: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    """Alertmanagers that show it, by host and port."""
    version: int = 0
    """Grows with every change."""

    @property
    def alertname(self) -> str:
        """The label that every alert has."""
        return self.labels.get("alertname", "")

    @property
    def severity(self) -> str:
        """critical, warning or info; empty when a rule gives none."""
        return self.labels.get("severity", "")


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the history. ``number`` grows; it is 0 for what is not stored yet."""

    at: float
    fingerprint: str
    kind: Kind
    by: str
    via: Via
    why: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    starts_at: float | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of the history is asked for; None or empty means any."""

    since: float | None = None
    until: float | None = None
    fingerprint: str = ""
    alertname: str = ""
    kinds: frozenset[Kind] = frozenset()
    before: int | None = None
    """Only events with a smaller number: the next page."""
    limit: int = 500


@dataclass(frozen=True, slots=True)
class Flapping:
    """An alert that comes and goes: how often it fired, and how long it lasted (median, seconds)."""

    fingerprint: str
    labels: Mapping[str, str] = field(hash=False)
    times: int
    lasted: float


@dataclass(frozen=True, slots=True)
class Times:
    """How long people and alerts took over a span: quantiles in seconds, None without a case."""

    cases: int
    acknowledge_median: float | None
    acknowledge_p90: float | None
    resolve_median: float | None
    resolve_p90: float | None
    flapping: tuple[Flapping, ...] = ()


@dataclass(frozen=True, slots=True)
class Reach:
    """How far what the desk shows can be relied on: Alertmanagers by host and port."""

    answering: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    """Those that do not answer: what they alone show is as it was."""
    heartbeat: bool = False
    """Whether one that answers shows the alert that always fires: rules are evaluated, and their alerts arrive."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the desk itself tells people. ``key`` is the same after a restart: told twice, it is one."""

    key: str
    kind: Literal["resolved", "escalated", "woken"]
    case: Case
    at: float
    text: str
    step: int = 0
    """Of the escalation policy, for what is escalated."""
    to: tuple[str, ...] = ()
    """Names of the receivers that are meant; empty: all whose teams fit."""
