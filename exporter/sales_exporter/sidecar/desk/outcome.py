"""What comes of one look or one action: records to keep, events for the history, notices for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sales_exporter.sidecar.desk.model import Event, Notice
from sales_exporter.sidecar.desk.record import Record


@dataclass(slots=True)
class Outcome:
    """Collected in order. ``records`` holds the last state of each that changed, by fingerprint."""

    records: dict[str, Record] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def add(self, events: Iterable[Event] = (), notices: Iterable[Notice] = ()) -> None:
        """More of it."""
        self.events += events
        self.notices += notices

    def __bool__(self) -> bool:
        return bool(self.records or self.events or self.notices)
