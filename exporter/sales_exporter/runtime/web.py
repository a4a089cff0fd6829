"""The HTTP server: it listens, and answers under strict limits and headers."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from aiohttp import web

from sales_exporter.config import Web
from sales_exporter.errors import ConfigError
from sales_exporter.runtime import descriptors
from sales_exporter.runtime.addresses import listen, shown
from sales_exporter.runtime.clock import Clock, SystemClock
from sales_exporter.runtime.connections import Bounds, Connection, Door, Leave, Listener
from sales_exporter.runtime.endpoints import Served
from sales_exporter.runtime.guards import Outside
from sales_exporter.runtime.parts import Part
from sales_exporter.runtime.receiving import Intake
from sales_exporter.runtime.roles import Roles, viewers
from sales_exporter.runtime.site import Site
from sales_exporter.runtime.web_config import WebConfig

# aiohttp waits this long twice: for the handler, then for its task.
_STOP_SECONDS = 1.0


class Running:
    """A server that listens. ``addresses`` are those it got, which matters for port 0."""

    def __init__(self, addresses: tuple[str, ...], listeners: list[Listener], server: web.Server) -> None:
        self.addresses = addresses
        self._listeners = listeners
        self._server = server

    async def close(self) -> None:
        """Accept no more, end streams, give answers under way two seconds, then cut."""
        for listener in self._listeners:
            await listener.close()
        self._server.pre_shutdown()
        await self._server.shutdown(_STOP_SECONDS)


async def serve(
    served: Served, settings: Web, *, clock: Clock | None = None, bounds: Bounds | None = None,
    intake: Intake | None = None, parts: Sequence[Part] = (), roles: Roles = viewers, external_url: str | None = None,
) -> Running:
    """Listen on all addresses of the settings. Without an intake or a part there is nothing to post to.

    ``roles`` says what a login may do; ``external_url`` is the address that people open, where a proxy is before it.

    Raises:
        ConfigError: an address cannot be listened on, or the web configuration is wrong.
    """
    descriptors.allow(settings.max_connections)
    limits = replace(
        bounds or Bounds(), connections=settings.max_connections, per_address=settings.max_connections_per_address)
    access = WebConfig(settings.config_file) if settings.config_file is not None else None
    site = Site(served, settings, access, clock or SystemClock(), intake=intake, parts=parts, roles=roles,
                outside=Outside.of(external_url))
    server = web.Server(cast("Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]", site.answer))
    door = Door(limits)

    def connect(leave: Leave) -> Connection:
        return Connection(server, limits, leave, site.refusal, access.allows if access is not None else _anyone)

    sockets = []
    try:
        for address in settings.listen_address:
            sockets += listen(address)
    except ConfigError:
        for opened in sockets:
            opened.close()
        raise
    context = access.context if access is not None else _no_tls
    listeners = [Listener(opened, door, limits.handshake, connect, context) for opened in sockets]
    return Running(tuple(shown(opened) for opened in sockets), listeners, server)


async def _no_tls() -> ssl.SSLContext | None:
    return None


def _anyone(_certificate: Mapping[str, Any] | None) -> bool:
    return True
