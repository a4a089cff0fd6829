"""Where alerts go: one sink owns one protocol and one receiver; time and repetition are the outbox's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sales_exporter.sidecar.outbox.alert import Alert

REASONS = ("client", "internal", "invalid", "redirect", "server", "throttled", "timeout", "unauthorized", "unreachable")
"""Why alerts were not taken: a closed set, for labels and logs."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has taken all of them."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try all of them again, not before ``after`` seconds if the receiver named any. ``reason`` is of ``REASONS``."""

    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The receiver refused these (indexes) as they are and has taken the others."""

    which: frozenset[int]
    reason: str


Outcome = Delivered | Retry | Rejected


class AlertSink(Protocol):
    """One receiver. Alerts reach it with a start and an end; an end that is over means resolved."""

    @property
    def name(self) -> str:
        """Host and port: safe as a label value, stable over restarts."""
        ...

    async def send(self, alerts: Sequence[Alert]) -> Outcome:
        """Hand alerts over, in this order. Sending one again must be harmless. Never raises for a receiver's fault."""
        ...

    async def close(self) -> None:
        """Let connections go."""
        ...
