"""Notices, messages and receivers of the tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Literal

from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.desk.courier import Receiver
from sales_exporter.sidecar.desk.links import Links
from sales_exporter.sidecar.desk.message import Message
from sales_exporter.sidecar.desk.model import Case, Notice
from sales_exporter.sidecar.desk.notices import Notices
from sales_exporter.sidecar.desk.remembered import Remembered
from sales_exporter.sidecar.outbox.identity import fingerprint
from sales_exporter.sidecar.outbox.sink import Delivered, Outcome
from tests.support.clocks import FakeClock, settle

NOW = 1_700_000_000.0
DAY = 86_400.0
HOME = "https://desk.example/sales"
KEY = b"k" * 32
LABELS = {"alertname": "SalesLeadsFell", "severity": "critical", "team": "sales-ops", "cluster": "eu", "tenant": "acme"}
ANNOTATIONS = {"summary": "Fewer leads than expected.", "description": "12 leads an hour.", "expected": "20 to 30"}


def case(**fields: Any) -> Case:
    """A case of an alert that has been firing for ten minutes."""
    given: dict[str, Any] = {"labels": LABELS, "annotations": ANNOTATIONS, "starts_at": NOW - 600, **fields}
    return Case(**{"fingerprint": fingerprint(given["labels"]), **given})


def notice(key: str = "escalated/1", kind: Literal["resolved", "escalated", "woken"] = "escalated",
           text: str = "Nobody has it for ten minutes.", step: int = 1, **fields: Any) -> Notice:
    """Something that the desk tells."""
    return Notice(key, kind, case(**fields), NOW, text, step)


def message(number: int = 0, **fields: Any) -> Message:
    """A message about that alert, with a key of its own."""
    return Message(**{"key": f"{number:064x}", "kind": "fired", "at": NOW, "title": f"Message {number}",
                      "fingerprint": fingerprint(LABELS), "severity": "critical", "team": "sales-ops", **fields})


def links(clock: Clock | None = None, home: str | None = HOME) -> Links:
    """Links with a known key, which are forgotten with the process."""
    clock = clock if clock is not None else FakeClock(NOW)
    return Links(home, KEY, Remembered(None, clock), clock)


class Heard:
    """A sink that notes what came and answers as it is told to."""

    def __init__(self) -> None:
        self.answer: Outcome = Delivered()
        self.tried: list[Message] = []
        self.taken: list[Message] = []
        self.closed = False

    async def send(self, message: Message) -> Outcome:
        self.tried.append(message)
        if isinstance(self.answer, Delivered):
            self.taken.append(message)
        return self.answer

    async def close(self) -> None:
        self.closed = True

    @property
    def titles(self) -> list[str]:
        return [one.title for one in self.taken]


def receiver(sink: Heard, name: str = "phones", *teams: str, phone: bool = True) -> Receiver:
    """A receiver of a sink."""
    return Receiver(name, sink, frozenset(teams), phone)


@contextlib.asynccontextmanager
async def telling(receivers: Sequence[Receiver], clock: Clock, folder: Path | None = None,
                  **settings: Any) -> AsyncIterator[Notices]:
    """Notices that are sent for the length of a block."""
    notices = Notices(folder, receivers, clock, **settings)
    task = asyncio.create_task(notices.run())
    await settle()
    try:
        yield notices
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await notices.close()
