"""An alert desk in memory, for tests of what is shown of one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from typing import Any

from sales_exporter.sidecar.desk.model import (
    Acknowledge,
    Action,
    Actor,
    Assign,
    Case,
    Comment,
    Event,
    Flapping,
    Kind,
    Reach,
    Resolve,
    Snooze,
    Times,
    Wanted,
)
from sales_exporter.sidecar.desk.seam import Impossible, UnknownAlert
from tests.support.cases import NOW, WELL

_RANKS = {"critical": 0, "warning": 1, "info": 2}


class MemoryDesk:
    """Keeps cases and events, the oldest first; ``flapping`` is what it is given."""

    def __init__(self, cases: Iterable[Case] = (), events: Iterable[Event] = (), now: float = NOW) -> None:
        self._cases = {case.fingerprint: case for case in cases}
        self.events = sorted(events, key=lambda event: event.number)
        self._listeners: list[asyncio.Queue[Case]] = []
        self.now = now
        self.flapping: tuple[Flapping, ...] = ()

    def cases(self) -> Sequence[Case]:
        """All that are not over, worst first."""
        shown = [case for case in self._cases.values() if case.state != "resolved"]
        return sorted(shown, key=lambda case: (_RANKS.get(case.severity, 3), case.state != "firing", case.starts_at))

    def reach(self) -> Reach:
        """Everybody answers."""
        return WELL

    async def case(self, fingerprint: str) -> Case:
        """One case."""
        try:
            return self._cases[fingerprint]
        except KeyError:
            raise UnknownAlert(fingerprint) from None

    async def act(self, fingerprint: str, action: Action, by: Actor) -> Case:
        """Do it at once."""
        case = await self.case(fingerprint)
        if case.ends_at is not None and not isinstance(action, Comment):
            raise Impossible("the alert is over")
        kind, changed = self._done(case, action, by)
        return self.put(replace(case, comment=action.comment or case.comment, **changed), kind, by, action.comment)

    def put(self, case: Case, kind: Kind, by: Actor, why: str = "") -> Case:
        """A case as it is from now on, and what happened to it."""
        case = replace(case, version=case.version + 1)
        self._cases[case.fingerprint] = case
        self.events.append(Event(self.now, case.fingerprint, kind, by.name, by.via, why, case.labels, case.starts_at,
                                  self.events[-1].number + 1 if self.events else 1))
        for listener in self._listeners:
            listener.put_nowait(case)
        return case

    async def history(self, wanted: Wanted) -> Sequence[Event]:
        """Events, the newest first."""
        found = [event for event in reversed(self.events) if _fits(event, wanted)]
        return found[: wanted.limit]

    async def times(self, since: float, until: float) -> Times:
        """Cases that began in the span, and figures of our own."""
        cases = sum(since <= case.starts_at < until for case in self._cases.values())
        return Times(cases, 240.0, 1_500.0, 3_900.0, 20_000.0, self.flapping)

    @contextlib.asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[Case]]:
        """Every change from now on."""
        queue: asyncio.Queue[Case] = asyncio.Queue()
        self._listeners.append(queue)

        async def each() -> AsyncIterator[Case]:
            while True:
                yield await queue.get()

        try:
            yield each()
        finally:
            self._listeners.remove(queue)

    def _done(self, case: Case, action: Action, by: Actor) -> tuple[Kind, dict[str, Any]]:
        if isinstance(action, Acknowledge):
            return "acknowledged", {"state": "acknowledged", "acknowledged_by": by.name, "acknowledged_at": self.now}
        if isinstance(action, Snooze):
            return "snoozed", {"state": "snoozed", "until": self.now + action.seconds}
        if isinstance(action, Resolve):
            return ("resolved" if case.pushed else "closed"), {
                "state": "resolved", "ends_at": self.now if case.pushed else None}
        if isinstance(action, Assign):
            return "assigned", {"owner": action.owner}
        if isinstance(action, Comment):
            return "commented", {}
        return "unacknowledged", {"state": "firing", "acknowledged_by": "", "acknowledged_at": None, "until": None}


def _fits(event: Event, wanted: Wanted) -> bool:
    return (
        (wanted.since is None or event.at >= wanted.since) and (wanted.until is None or event.at < wanted.until)
        and wanted.fingerprint in ("", event.fingerprint)
        and wanted.alertname in ("", event.labels.get("alertname", ""))
        and (not wanted.kinds or event.kind in wanted.kinds)
        and (wanted.before is None or event.number < wanted.before)
    )
