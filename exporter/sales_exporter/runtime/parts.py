"""What a server shows besides its metrics: parts, each with routes of its own behind the same guards.

The server knows paths, logins, limits and headers; a part knows its subject. A part never sees a password.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from aiohttp import web

from sales_exporter.runtime.connections import Connection

Role = Literal["viewer", "responder", "notifier"]
"""Who looks; who looks and acts; who hands in notifications and does nothing else."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. ``login`` is empty where there are no users, and on open routes."""

    login: str
    roles: frozenset[Role]

    def may(self, role: Role) -> bool:
        """Whether the caller has a role."""
        return role in self.roles


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to a part, past all guards."""

    request: web.BaseRequest
    caller: Caller
    path: Mapping[str, str]
    """Values of the named pieces of the route's path, decoded."""
    headers: Mapping[str, str]
    """Headers that every answer has. Whoever prepares a stream himself sends them; other answers get them anyhow, where
    they do not set them themselves."""
    connection: Connection
    body_limit: int = 65_536
    """Bytes that the body may have; ``receiving`` reads it."""
    prefix: str = ""
    """What the paths of links begin with, as people's browsers see them: ``/sales`` behind a proxy, or nothing."""


Answer = Callable[[Asked], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One path and who may ask for it how.

    ``path`` is absolute, with named pieces in braces: ``/alerts/{fingerprint}``. A piece is never empty and has no
    slash. ``needs`` is asked of the caller for methods other than GET and HEAD; looking needs a viewer. An ``open``
    route needs no login and may be asked by any site: it is guarded by what its path or body holds, as a signed link
    is. One path may have several routes with different methods; a literal piece goes before a named one.
    """

    methods: tuple[str, ...]
    path: str
    answer: Answer
    needs: Role = "responder"
    open: bool = False
    body_limit: int = field(default=65_536)
    """Bytes that a request's body may have."""
    problems: bool = False
    """Whether programs ask: all refusals below the first piece of this path are then problem details (RFC 9457)."""
    about: str = ""
    """What the landing page says of it; without words it has no link there."""


class Part(Protocol):
    """Something that is served."""

    @property
    def routes(self) -> Sequence[Route]:
        """All paths that it answers. No two parts answer one path."""
        ...
