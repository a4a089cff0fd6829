"""ASGI middleware: one line in an application, and its API dashboard fills.

    app.add_middleware(SalesMetrics)        # Starlette, FastAPI
    app = SalesMetrics(app)                 # any ASGI application

What is done for each request is written for speed: one object, two bound methods, a few look-ups. Whatever goes wrong
in here is counted in ``instrumentation_errors_total``, and the answer goes on as if we were not there.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable
from time import perf_counter
from typing import Any, Unpack

from sales_exporter.instrumentation.exemplars import Exemplars
from sales_exporter.instrumentation.handlers import Options, metrics_asgi
from sales_exporter.instrumentation.http import (
    BYTES,
    CLIENT_GONE,
    LOST,
    NO_RESPONSE,
    SECONDS,
    UNKNOWN,
    Exchange,
    HttpMeter,
    error_label,
    method_label,
    scheme_label,
    status_text,
)
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.routes import App, Message, Receive, Scope, Send, template
from sales_exporter.instrumentation.sockets import websocket
from sales_exporter.instrumentation.store import Cell
from sales_exporter.instrumentation.streams import Stream, kind_of

_TIMED, _SIZED = len(SECONDS) + 1, len(BYTES) + 1
"""Places of the sums."""


class SalesMetrics:
    """Counts the requests, streams and websockets of an ASGI application, and serves what it counted.

    Args:
        app: the application.
        meter: where to count; one of its own by default.
        metrics_path: the path that Prometheus scrapes, which is not counted; None for none.
        exemplars: whether the trace id of a request goes along with its duration once a second (OpenMetrics exemplars).
        options: who may read the page and what else is on it, see ``handlers``.

    Raises:
        ConfigError: an option of access is wrong.
    """

    def __init__(
        self, app: App, meter: Meter | None = None, *, metrics_path: str | None = "/metrics", exemplars: bool = True,
        **options: Unpack[Options],
    ) -> None:
        self._app = app
        self.meter = meter or Meter()
        self._http = HttpMeter(self.meter)
        self._exemplars = Exemplars(self.meter)
        self._never = 0.0 if exemplars else float("inf")
        self._metrics_path = metrics_path
        self._metrics = metrics_asgi(self.meter, **options)
        self._kinds: dict[tuple[str, str], _Kind] = {}
        self.meter.store.on_reset(self._kinds.clear)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, websocket or lifespan."""
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        kind = self._kinds.get((scope["method"], scope.get("scheme", "http"))) or self._kind(scope)
        if kind is None or scope["path"] == self._metrics_path:
            await (self._app if kind is None else self._metrics)(scope, receive, send)
            return
        request = _Request(self, kind, scope, receive, send)
        try:
            await self._app(scope, request.receive, request.send)
        except BaseException as error:
            if not request.over:
                self._end(request, error)
            raise
        if not request.over:
            self._end(request, None)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await websocket(self._app, self._http, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _kind(self, scope: Scope) -> _Kind | None:
        """What requests of a method and scheme count in; None when that cannot be had."""
        try:
            method, scheme = method_label(scope["method"]), scheme_label(scope.get("scheme", "http"))
            found = self._kinds.get((method, scheme))
            if found is None:
                found = self._kinds[method, scheme] = _Kind(method, scheme, self._http.active.cell(method, scheme))
            return found
        except Exception as error:
            self.meter.failed("start", error)
            return None

    def _route(self, scope: Scope, outside: str) -> str:
        try:
            return template(scope, outside)
        except Exception as error:
            self.meter.failed("route", error)
            return UNKNOWN

    def _keep(self, kind: _Kind, route: str, status: int) -> Exchange:
        """The cells of one kind of request; kept for the next one unless they are shared by too many."""
        try:
            cells, own = self._http.exchange(kind.method, route, status, kind.scheme, error_label(status, None))
            cells.due = self._never
            if own:
                kind.kept[route, status] = cells
            return cells
        except Exception as surprise:
            self.meter.failed("cells", surprise)
            return LOST

    def _end(self, request: _Request, error: BaseException | None) -> None:
        """Count what ended otherwise than with one whole answer: a stream, a failure, a client that went away."""
        try:
            kind, stream, end = request.kind, request.stream, perf_counter()
            kind.active[0] -= 1
            route = stream.route if stream is not None else self._route(request.scope, request.outside)
            if request.gone or isinstance(error, asyncio.CancelledError) or (stream is not None and stream.broken):
                status, failure = CLIENT_GONE, ""
            elif request.status:
                status, failure = request.status, error_label(request.status, error)
            else:
                status, failure = 500, NO_RESPONSE if error is None else error_label(500, error)
            where = (kind.method, route, status_text(status), kind.scheme)
            if stream is None or not stream.kind:
                _add(self._http.duration.cell(*where, failure), SECONDS, end - request.begin)
            else:
                stream.ended(end - request.begin, status)
            if request.status:
                _add(self._http.first_byte.cell(*where), SECONDS, request.first - request.begin)
            _add(self._http.received.cell(*where), BYTES, request.received)
            _add(self._http.sent.cell(*where), BYTES, request.sent)
        except Exception as surprise:
            self.meter.failed("end", surprise)


class _Kind:
    """Requests of one method and scheme: how many are active, and the cells by route and status."""

    __slots__ = ("active", "kept", "method", "scheme")

    def __init__(self, method: str, scheme: str, active: Cell) -> None:
        self.method = method
        self.scheme = scheme
        self.active = active
        self.kept: dict[tuple[str, int], Exchange] = {}


class _Request:
    """One request under way: what the application reads and sends goes through here."""

    __slots__ = ("_receive", "_send", "begin", "first", "gone", "headers", "kind", "metrics", "outside", "over",
                 "received", "scope", "sent", "status", "stream")

    def __init__(self, metrics: SalesMetrics, kind: _Kind, scope: Scope, receive: Receive, send: Send) -> None:
        kind.active[0] += 1
        self.begin = perf_counter()
        self.metrics = metrics
        self.kind = kind
        self.scope = scope
        self._receive = receive
        self._send = send
        self.outside = scope.get("root_path", "")
        self.status = self.received = self.sent = 0
        self.over = self.gone = False
        self.headers: Any = None
        self.stream: Stream | None = None

    def send(self, message: Message) -> Awaitable[None]:
        """The server's ``send``. Not a coroutine of its own: that would cost as much as all else."""
        try:
            if message["type"] == "http.response.body":
                self.sent += len(message.get("body", b""))
                if message.get("more_body"):
                    if self.stream is None:
                        metrics = self.metrics
                        self.stream = Stream(
                            metrics._http, kind_of(self.headers), metrics._route(self.scope, self.outside))
                    return self.stream.passed(self._send(message))
                if not self.over:
                    self.over = True
                    if self.stream is None:
                        self._count()
                    else:
                        self.metrics._end(self, None)
            elif message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = message.get("headers")
                self.first = perf_counter()
        except Exception as error:
            self.metrics.meter.failed("send", error)
        return self._send(message)

    async def receive(self) -> Message:
        """The server's ``receive``."""
        message = await self._receive()
        try:
            if message["type"] == "http.request":
                self.received += len(message.get("body", b""))
            elif message["type"] == "http.disconnect":
                self.gone = True
        except Exception as error:
            self.metrics.meter.failed("receive", error)
        return message

    def _count(self) -> None:
        """The whole answer was sent, in one piece."""
        end, kind, metrics = perf_counter(), self.kind, self.metrics
        kind.active[0] -= 1
        route, status, begin = metrics._route(self.scope, self.outside), self.status, self.begin
        cells = kind.kept.get((route, status)) or metrics._keep(kind, route, status)
        took = end - begin
        place = bisect_left(SECONDS, took)
        cell = cells.duration
        cell[place] += 1
        cell[_TIMED] += took
        if end >= cells.due:
            metrics._exemplars.offer(cells, place, took, end, self.scope)
        took = self.first - begin
        place = bisect_left(SECONDS, took)
        cell = cells.first_byte
        cell[place] += 1
        cell[_TIMED] += took
        size = self.received
        place = bisect_left(BYTES, size)
        cell = cells.received
        cell[place] += 1
        cell[_SIZED] += size
        size = self.sent
        place = bisect_left(BYTES, size)
        cell = cells.sent
        cell[place] += 1
        cell[_SIZED] += size


def _add(cell: Cell, bounds: tuple[float, ...], value: float) -> None:
    place = bisect_left(bounds, value)
    cell[place] += 1
    cell[len(bounds) + 1] += value
