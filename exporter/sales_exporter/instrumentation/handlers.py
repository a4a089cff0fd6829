"""Ready handlers for /metrics: an ASGI application, a WSGI application and a handler for aiohttp.

    app.mount("/metrics", metrics_asgi(meter))                            # Starlette, FastAPI
    DispatcherMiddleware(app, {"/metrics": metrics_wsgi(meter)})          # Flask
    app.router.add_get("/metrics", metrics_aiohttp(meter))                # aiohttp

Each takes ``registry`` (the application's own metrics; None for ours alone) and the options of ``Access``. GET and HEAD
only; nothing of a request but ``Accept``, ``Accept-Encoding`` and ``Authorization`` is looked at. They raise nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

from prometheus_client.registry import Collector

from sales_exporter.instrumentation.access import Access, hash_password
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.pages import REGISTRY, Exposition
from sales_exporter.instrumentation.routes import App, Receive, Scope, Send
from sales_exporter.runtime.negotiation import preferred, takes_gzip

if TYPE_CHECKING:
    from typing import Unpack

    from aiohttp import web

__all__ = ["Access", "Endpoint", "Reply", "hash_password", "metrics_aiohttp", "metrics_asgi", "metrics_wsgi"]

_TYPES: Final = {
    "text": "text/plain; version=0.0.4; charset=utf-8",
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
}
_STRICT: Final = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "deny"),
)
_REASONS: Final = {200: "OK", 401: "Unauthorized", 405: "Method Not Allowed", 500: "Internal Server Error",
                   503: "Service Unavailable"}

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Options(TypedDict, total=False):
    """What every handler takes; ``Access`` says what the last four mean."""

    registry: Collector | None
    bearer: str | None
    bearer_file: Path | str | None
    basic_user: str | None
    basic_hash: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """All of a request that is looked at."""

    method: str
    authorization: str = ""
    accept: str = ""
    encoding: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. ``body`` is empty for HEAD."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Endpoint:
    """What the three handlers have in common.

    Raises:
        ConfigError: see ``Access``.
    """

    def __init__(self, meter: Meter, registry: Collector | None = REGISTRY, bearer: str | None = None,
                 bearer_file: Path | str | None = None, basic_user: str | None = None,
                 basic_hash: str | None = None) -> None:
        self._meter = meter
        self._access = Access(bearer, bearer_file, basic_user, basic_hash)
        self._pages = Exposition(meter, registry)

    async def reply(self, asked: Asked) -> Reply:
        """The answer, for an event loop."""
        try:
            refusal = self._refused(asked) or self._judged(asked, await self._access.admits(asked.authorization))
            if refusal is not None:
                return refusal
            kind, packed = preferred([asked.accept]), takes_gzip([asked.encoding])
            return _shown(asked, _TYPES[kind], packed, await self._pages.page(kind, packed))
        except Exception as error:
            return self._failed(asked, error)

    def reply_now(self, asked: Asked) -> Reply:
        """The answer, for a thread."""
        try:
            refusal = self._refused(asked) or self._judged(asked, self._access.admits_now(asked.authorization))
            if refusal is not None:
                return refusal
            kind, packed = preferred([asked.accept]), takes_gzip([asked.encoding])
            return _shown(asked, _TYPES[kind], packed, self._pages.render(kind, packed))
        except Exception as error:
            return self._failed(asked, error)

    def _refused(self, asked: Asked) -> Reply | None:
        if asked.method not in ("GET", "HEAD"):
            return _plain(asked, 405, "only GET and HEAD", ("Allow", "GET, HEAD"))
        return None

    def _judged(self, asked: Asked, admitted: bool | None) -> Reply | None:
        if admitted is None:
            return _plain(asked, 503, "too many logins at once", ("Retry-After", "1"))
        return None if admitted else _plain(asked, 401, "unauthorized", ("WWW-Authenticate", self._access.challenge))

    def _failed(self, asked: Asked, error: Exception) -> Reply:
        self._meter.failed("scrape", error)
        return _plain(asked, 500, "the page could not be written")


def metrics_asgi(meter: Meter, **options: Unpack[Options]) -> App:
    """An ASGI application that answers every path with the page: mount it, or run it alone."""
    endpoint = Endpoint(meter, **options)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http":
            reply = await endpoint.reply(_from_asgi(scope))
            headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers]
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            await send({"type": "http.response.body", "body": reply.body})

    return answer


def metrics_wsgi(meter: Meter, **options: Unpack[Options]) -> WSGI:
    """A WSGI application that answers every path with the page."""
    endpoint = Endpoint(meter, **options)

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        reply = endpoint.reply_now(Asked(
            str(environ.get("REQUEST_METHOD", "")), str(environ.get("HTTP_AUTHORIZATION", "")),
            str(environ.get("HTTP_ACCEPT", "")), str(environ.get("HTTP_ACCEPT_ENCODING", ""))))
        start_response(f"{reply.status} {_REASONS[reply.status]}", list(reply.headers))
        return [reply.body] if reply.body else []

    return answer


def metrics_aiohttp(meter: Meter, **options: Unpack[Options]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler for ``aiohttp.web``."""
    from aiohttp import web  # noqa: PLC0415  (only those who have it ask for it)

    endpoint = Endpoint(meter, **options)

    async def answer(request: web.Request) -> web.Response:
        several = request.headers.getall
        reply = await endpoint.reply(Asked(
            request.method, request.headers.get("Authorization", ""), ",".join(several("Accept", [])),
            ",".join(several("Accept-Encoding", []))))
        return web.Response(status=reply.status, headers=dict(reply.headers), body=reply.body or None)

    return answer


def _from_asgi(scope: Scope) -> Asked:
    found: dict[bytes, list[str]] = {}
    for name, value in scope.get("headers", ()):
        found.setdefault(bytes(name).lower(), []).append(bytes(value).decode("latin-1"))
    return Asked(str(scope.get("method", "")), (found.get(b"authorization") or [""])[0],
                 ",".join(found.get(b"accept", ())), ",".join(found.get(b"accept-encoding", ())))


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _shown(asked: Asked, content_type: str, packed: bool, body: bytes) -> Reply:
    packing = (("Content-Encoding", "gzip"),) if packed else ()
    return _made(asked, 200, content_type, body, (*packing, ("Vary", "Accept, Accept-Encoding")))


def _plain(asked: Asked, status: int, text: str, *headers: tuple[str, str]) -> Reply:
    return _made(asked, status, "text/plain; charset=utf-8", f"{text}\n".encode(), headers)


def _made(asked: Asked, status: int, content_type: str, body: bytes, headers: Iterable[tuple[str, str]]) -> Reply:
    own = (("Content-Type", content_type), ("Content-Length", str(len(body))))
    return Reply(status, (*own, *_STRICT, *headers), b"" if asked.method == "HEAD" else body)
