"""What goes wrong in a made-up past besides the incidents of the company's data: in applications, hosts, targets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal[
    "api_errors", "api_latency", "recorder_dropping", "instrumentation_failing", "disk_filling", "cpu_busy",
    "source_lost", "target_down", "notifications_failing",
]
"""``api_errors``: share ``factor`` of the requests fails. ``api_latency``: requests take ``factor`` times as
long. ``recorder_dropping``: the database refuses share ``factor`` of the rows. ``instrumentation_failing``: it
has ``factor`` surprises a minute, and counts as many requests as (other). ``disk_filling``: the filesystem
mounted at ``subject`` fills evenly until share ``factor`` of it is used, and is cleaned up at the end.
``cpu_busy``: the host's processors are busy for share ``factor`` of the time. ``source_lost``: PostgreSQL does
not answer the exporter. ``target_down``: the target of the job ``subject`` answers no scrape.
``notifications_failing``: share ``factor`` of Alertmanager's notifications by the integration ``subject`` fails."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, from a moment on, for some seconds."""

    kind: Kind
    start: float
    seconds: float
    factor: float = 1.0
    subject: str = ""

    @property
    def end(self) -> float:
        """The first moment at which all is well again."""
        return self.start + self.seconds

    def at(self, when: Floats) -> NDArray[np.bool_]:
        """Which moments lie in it."""
        return np.asarray((when >= self.start) & (when < self.end))


def of_kind(faults: Iterable[Fault], *kinds: Kind) -> list[Fault]:
    """The faults of some kinds."""
    return [fault for fault in faults if fault.kind in kinds]


def factor(faults: Iterable[Fault], kind: Kind, when: Floats, otherwise: float) -> Floats:
    """The factor of the fault at each moment, and ``otherwise`` where there is none."""
    found = np.full(len(when), otherwise)
    for fault in of_kind(faults, kind):
        found[fault.at(when)] = fault.factor
    return found
