"""What people are told, before it has the form of any receiver: clean text, few lines, one key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from sales_exporter.sidecar.desk.model import Notice
from sales_exporter.sidecar.outbox.alert import URL_CUT, clean

Kind = Literal["fired", "resolved", "escalated", "woken"]
ENTRIES = 32
"""Labels, annotations or lines of a message at most: the rest is left out."""
_WORDS: Mapping[Kind, str] = {"resolved": "Resolved", "escalated": "Escalated", "woken": "Snooze is over"}
_KEY = re.compile(r"[0-9a-f]{64}\Z")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}\Z")
_LAST = 253_370_764_800.0
"""The year 9999: later times cannot be written."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message about one alert, or about several when it has no fingerprint.

    Every text is one line without control characters, cut at 256 (reliability.md, S8); nothing in it is a template.
    Times are epoch seconds.

    Raises:
        ValueError: the key is not 64 hex digits.
    """

    key: str
    """The same for a repetition; receivers get it as the header Idempotency-Key."""
    kind: Kind
    at: float
    title: str
    lines: tuple[str, ...] = ()
    severity: str = ""
    team: str = ""
    fingerprint: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    starts_at: float | None = None
    ends_at: float | None = None
    owner: str = ""
    step: int = 0

    def __post_init__(self) -> None:
        if not _KEY.match(self.key):
            raise ValueError("the key of a message is 64 hex digits")
        for name in ("title", "severity", "team", "owner"):
            object.__setattr__(self, name, clean(getattr(self, name)).strip())
        for name in ("at", "starts_at", "ends_at"):
            at = getattr(self, name)
            object.__setattr__(self, name, None if at is None else _writable(at))
        object.__setattr__(self, "fingerprint", self.fingerprint if _FINGERPRINT.match(self.fingerprint) else "")
        lines = (clean(line).strip() for line in self.lines[:ENTRIES])
        object.__setattr__(self, "lines", tuple(line for line in lines if line))
        object.__setattr__(self, "labels", _cleaned(self.labels))
        object.__setattr__(self, "annotations", _cleaned(self.annotations))

    @property
    def over(self) -> bool:
        """Whether it says that something has ended."""
        return self.kind == "resolved"


def of_notice(notice: Notice) -> Message:
    """What the desk tells by itself."""
    case = notice.case
    # A key of another form could not stand in a header.
    key = notice.key if _KEY.match(notice.key) else hashlib.sha256(
        notice.key.encode(errors="surrogatepass")).hexdigest()
    return Message(
        key, notice.kind, notice.at,
        f"{_WORDS[notice.kind]}: {subject(case.labels, case.annotations)}",
        (notice.text, *described(case.labels, case.annotations, case.starts_at, case.ends_at)),
        severity=case.severity, team=case.labels.get("team", ""), fingerprint=case.fingerprint, labels=case.labels,
        annotations=case.annotations, starts_at=case.starts_at, ends_at=case.ends_at, owner=case.owner,
        step=notice.step)


def subject(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    """What an alert is about, in a few words."""
    return annotations.get("summary") or labels.get("alertname", "")


def described(
    labels: Mapping[str, str], annotations: Mapping[str, str], starts_at: float, ends_at: float | None
) -> tuple[str, ...]:
    """What is known of an alert, line by line; some may be empty."""
    where = "/".join(labels[name] for name in ("cluster", "tenant") if labels.get(name))
    expected = annotations.get("expected")
    until = f", until {_moment(ends_at)}" if ends_at is not None else ""
    return (annotations.get("description", ""), f"Expected: {expected}" if expected else "",
            f"Since: {_moment(starts_at)}{until}", f"Where: {where}" if where else "")


def _moment(at: float) -> str:
    return datetime.fromtimestamp(_writable(at), UTC).strftime("%Y-%m-%d %H:%M UTC")


def _writable(at: float) -> float:
    """A moment that has a date; one that has none becomes the nearest that has."""
    return min(max(0.0, at), _LAST)


def _cleaned(given: Mapping[str, str]) -> dict[str, str]:
    return {clean(name): clean(given[name], URL_CUT if name.endswith("_url") else 256)
            for name in sorted(given)[:ENTRIES]}
