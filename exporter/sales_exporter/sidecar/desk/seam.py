"""What pages, the API and signed links ask of the desk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sales_exporter.sidecar.desk.model import Action, Actor, Case, Event, Reach, Times, Wanted


class UnknownAlert(LookupError):
    """Nobody knows this fingerprint, or its history is too old."""


class Impossible(ValueError):
    """The action makes no sense for the case as it is; the text says why, for people."""


class AlertDesk(Protocol):
    """The cases, what has happened to them, and what may be done."""

    def cases(self) -> Sequence[Case]:
        """All that are not over, worst first: severity, then nobody has it, then the oldest."""
        ...

    def reach(self) -> Reach:
        """Who answers, and whether alerts of rules arrive: no alert is good news only then."""
        ...

    async def case(self, fingerprint: str) -> Case:
        """One case, over or not.

        Raises:
            UnknownAlert: there is none.
        """
        ...

    async def act(self, fingerprint: str, action: Action, by: Actor) -> Case:
        """Do it: on disk when this returns, at the Alertmanagers a moment later. The case as it is then.

        Doing the same again changes nothing but the comment.

        Raises:
            UnknownAlert: there is no such case.
            Impossible: it is over, or the action does not fit.
        """
        ...

    async def history(self, wanted: Wanted) -> Sequence[Event]:
        """Events, the newest first."""
        ...

    async def times(self, since: float, until: float) -> Times:
        """How long it took to acknowledge and to resolve the cases that began in a span, and which of them flap."""
        ...

    def changes(self) -> AbstractAsyncContextManager[AsyncIterator[Case]]:
        """Every case that changes while the context is open, in its newest state; states in between may be left out.

        Whoever does not keep up misses states, never the last one, and holds up nobody.
        """
        ...
