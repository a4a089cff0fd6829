"""The HTTP server: metrics, health, readiness, reload and a landing page, under strict limits and headers.

It answers from bytes that were rendered before. Nothing in a request reaches a source of data.
"""

from __future__ import annotations

import functools
import logging
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from importlib import metadata
from typing import Any, Protocol, cast

from aiohttp import web

from sales_exporter import __version__
from sales_exporter.collectors import Pass
from sales_exporter.config import Web
from sales_exporter.errors import ConfigError
from sales_exporter.runtime import landing
from sales_exporter.runtime.addresses import listen, shown
from sales_exporter.runtime.clock import Clock, SystemClock
from sales_exporter.runtime.connections import Bounds, Connection, Door, Leave, Listener
from sales_exporter.runtime.exposition import Format
from sales_exporter.runtime.negotiation import preferred, takes_gzip
from sales_exporter.runtime.receiving import DOCUMENT, PREFIX, Intake, Receiver, received
from sales_exporter.runtime.web_config import WebConfig

log = logging.getLogger(__name__)

CONTENT_TYPES: Mapping[Format, str] = {
    "text": "text/plain; version=0.0.4; charset=utf-8",
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
}
_STRICT = {
    "Server": "sales-exporter",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "deny",
}
_PIECE = 64 * 1024
"""Bytes that are handed to a connection at once, so that a slow reader holds no copy of a whole page."""

_QUIET_SECONDS = 60.0
# aiohttp waits this long twice: for the handler, then for its task.
_STOP_SECONDS = 1.0


class Served(Protocol):
    """What the server shows."""

    @property
    def names(self) -> frozenset[str]:
        """Names of the collectors."""
        ...

    @property
    def passes(self) -> Mapping[str, Pass]:
        """How the last pass of each collector went."""
        ...

    @property
    def ready(self) -> bool:
        """Whether each collector has finished a pass, well or badly."""
        ...

    @property
    def words(self) -> landing.Wording:
        """How it speaks of itself."""
        ...

    @property
    def as_of(self) -> float:
        """The moment of evaluation, in epoch seconds."""
        ...

    @property
    def replay(self) -> bool:
        """Whether that moment is one of the past."""
        ...

    def exposition(self, kind: Format, packed: bool, only: frozenset[str] | None) -> bytes:
        """The bytes of a scrape, of all collectors or of some, gzipped when ``packed``."""
        ...

    async def reload(self) -> None:
        """Read the configuration again.

        Raises:
            ConfigError: what is wrong with it; the old one stays in force.
        """
        ...


class Running:
    """A server that listens. ``addresses`` are those it got, which matters for port 0."""

    def __init__(self, addresses: tuple[str, ...], listeners: list[Listener], server: web.Server) -> None:
        self.addresses = addresses
        self._listeners = listeners
        self._server = server

    async def close(self) -> None:
        """Accept no more, give answers under way two seconds, then cut."""
        for listener in self._listeners:
            await listener.close()
        self._server.pre_shutdown()
        await self._server.shutdown(_STOP_SECONDS)


async def serve(
    served: Served, settings: Web, *, clock: Clock | None = None, bounds: Bounds | None = None,
    intake: Intake | None = None,
) -> Running:
    """Listen on all addresses of the settings. Without an intake there is nothing to post to.

    Raises:
        ConfigError: an address cannot be listened on, or the web configuration is wrong.
    """
    limits = replace(
        bounds or Bounds(), connections=settings.max_connections, per_address=settings.max_connections_per_address)
    access = WebConfig(settings.config_file) if settings.config_file is not None else None
    site = Site(served, settings, access, clock or SystemClock(), intake)
    server = web.Server(cast("Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]", site.answer))
    door = Door(limits)

    def connect(leave: Leave) -> Connection:
        return Connection(server, limits, leave, site.plain, access.allows if access is not None else _anyone)

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


class Site:
    """The routes and what guards them."""

    def __init__(
        self, served: Served, settings: Web, access: WebConfig | None, clock: Clock, intake: Intake | None = None,
    ) -> None:
        self._served = served
        self._intake = intake
        self._settings = settings
        self._access = access
        self._clock = clock
        self._scrapes = 0
        self._refusals: Counter[tuple[str, int]] = Counter()
        self._told: dict[tuple[str, int], float] = {}
        self._routes: dict[str, tuple[tuple[str, ...], Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]]] = {
            "/": (("GET", "HEAD"), self._landing),
            "/-/healthy": (("GET", "HEAD"), self._healthy),
            "/-/ready": (("GET", "HEAD"), self._ready),
            "/-/reload": (("POST",), self._reload),
        }
        if settings.telemetry_path in self._routes:
            raise ConfigError(f"web.telemetry_path: {settings.telemetry_path} is taken")
        self._routes[settings.telemetry_path] = (("GET", "HEAD"), self._metrics)
        if intake is not None:
            self._routes[DOCUMENT] = (("GET", "HEAD"), self._document)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to one request."""
        connection = cast("Connection", request.protocol)
        connection.began()
        try:
            response = await self._guarded(request)
        finally:
            connection.ended()
        if response.status >= 400:
            self._tell(self._route(request.path), response.status)
        return response

    def plain(self, status: int, text: str, **headers: str) -> web.Response:
        """A short answer in plain text, with all strict headers."""
        return self._response(f"{text}\n".encode(), "text/plain; charset=utf-8", status, headers)

    async def _guarded(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._access is not None:
            await self._access.refresh()
            if self._access.throttles(self._clock.monotonic()):
                return self.plain(429, "too many requests", **{"Retry-After": "1"})
        receiver = self._receiver(request.path)
        if receiver is not None:
            # Who may send is up to each source: vendors know no user of ours.
            return await self._ingest(request, receiver)
        if self._access is not None and not await self._access.admits(request.headers.get("Authorization")):
            return self.plain(401, "unauthorized", **{"WWW-Authenticate": 'Basic realm="sales-exporter"'})
        methods, handler = self._routes.get(request.path, ((), None))
        if handler is None:
            return self.plain(404, "not found")
        if request.method not in methods:
            return self.plain(405, "method not allowed", Allow=", ".join(methods))
        return await handler(request)

    async def _metrics(self, request: web.BaseRequest) -> web.StreamResponse:
        only = frozenset(request.query.getall("collect[]", ())) or None
        if only is not None and not only <= self._served.names:
            part, known = self._served.words.part.lower(), ", ".join(sorted(self._served.names))
            return self.plain(400, f"no such {part}; there are {known}")
        if 0 < self._settings.max_requests <= self._scrapes:
            return self.plain(503, "too many scrapes at once", **{"Retry-After": "1"})
        kind = preferred(request.headers.getall("Accept", ()))
        packed = takes_gzip(request.headers.getall("Accept-Encoding", ()))
        body = self._served.exposition(kind, packed, only)
        headers = {"Content-Type": CONTENT_TYPES[kind], "Vary": "Accept, Accept-Encoding"}
        if packed:
            headers["Content-Encoding"] = "gzip"
        self._scrapes += 1
        try:
            return await self._send(request, body, headers)
        finally:
            self._scrapes -= 1

    async def _landing(self, request: web.BaseRequest) -> web.StreamResponse:
        served = self._served
        view = landing.View(
            words=served.words, version=__version__, telemetry_path=self._settings.telemetry_path, passes=served.passes,
            ready=served.ready, replay=served.replay, as_of=served.as_of, now=self._clock.now(),
            defect=self._access.defect if self._access is not None else "", documentation=_documentation(),
        )
        policy = {"Content-Security-Policy": landing.CONTENT_SECURITY_POLICY}
        return self._response(landing.page(view).encode("utf-8", "replace"), "text/html; charset=utf-8", 200, policy)

    async def _healthy(self, request: web.BaseRequest) -> web.StreamResponse:
        return self.plain(200, "healthy")

    async def _ready(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._served.ready:
            return self.plain(200, "ready")
        part = self._served.words.part.lower()
        return self.plain(503, f"not ready: a {part} has not finished its first pass", **{"Retry-After": "1"})

    async def _reload(self, request: web.BaseRequest) -> web.StreamResponse:
        if not self._settings.enable_lifecycle:
            return self.plain(403, "reloading over HTTP is off; start with --web.enable-lifecycle, or send SIGHUP")
        if self._access is None or not self._access.authenticates:
            return self.plain(403, "reloading over HTTP needs basic_auth_users or verified client certificates")
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return self.plain(403, "another site may not reload the configuration")
        try:
            await self._served.reload()
        except ConfigError as error:
            return self.plain(500, f"not reloaded: {error}")
        return self.plain(200, "reloaded")

    def _receiver(self, path: str) -> Receiver | None:
        if self._intake is None or not path.startswith(PREFIX):
            return None
        return self._intake.at(path.removeprefix(PREFIX))

    async def _ingest(self, request: web.BaseRequest, receiver: Receiver) -> web.StreamResponse:
        if request.method != "POST":
            return self.plain(405, "method not allowed", Allow="POST")
        answer = await received(request, cast("Connection", request.protocol), receiver)
        response = self._response(answer.body, answer.content_type, answer.status, answer.headers)
        if answer.last:
            response.force_close()
        return response

    async def _document(self, request: web.BaseRequest) -> web.StreamResponse:
        document = self._intake.document if self._intake is not None else b""
        if not document:
            return self.plain(404, "not found")
        return self._response(document, "application/json", 200, {})

    def _route(self, path: str) -> str:
        if path in self._routes:
            return path
        return PREFIX if self._receiver(path) is not None else "unmatched"

    async def _send(self, request: web.BaseRequest, body: bytes, headers: Mapping[str, str]) -> web.StreamResponse:
        """Write in pieces, each when the client has taken those before."""
        response = web.StreamResponse(headers=self._headers({**headers, "Content-Length": str(len(body))}))
        await response.prepare(request)
        if request.method != "HEAD":
            whole = memoryview(body)
            for start in range(0, len(body), _PIECE):
                await response.write(whole[start : start + _PIECE])
        await response.write_eof()
        return response

    def _response(self, body: bytes, content_type: str, status: int, headers: Mapping[str, str]) -> web.Response:
        return web.Response(body=body, status=status, headers=self._headers({**headers, "Content-Type": content_type}))

    def _headers(self, own: Mapping[str, str]) -> dict[str, str]:
        wanted = self._access.headers if self._access is not None else {}
        # A header that the user left blank is not sent.
        return {name: value for name, value in {**_STRICT, **own, **wanted}.items() if value}

    def _tell(self, route: str, status: int) -> None:
        """Log what was refused: route and status, once a minute at most, with how often since the last time."""
        key, now = (route, status), self._clock.monotonic()
        self._refusals[key] += 1
        if now - self._told.get(key, -_QUIET_SECONDS) >= _QUIET_SECONDS:
            self._told[key] = now
            count = self._refusals.pop(key)
            log.warning("request refused", extra={"route": route, "status": status, "requests": count})


async def _no_tls() -> ssl.SSLContext | None:
    return None


def _anyone(_certificate: Mapping[str, Any] | None) -> bool:
    return True


@functools.cache
def _documentation() -> str:
    """Where the documentation is, if the installed distribution says so."""
    try:
        urls = metadata.metadata("sales-exporter").get_all("Project-URL") or ()
    except metadata.PackageNotFoundError:
        return ""
    found = (str(url).partition(", ") for url in urls)
    return next((target for name, _, target in found if name == "Documentation"), "")
