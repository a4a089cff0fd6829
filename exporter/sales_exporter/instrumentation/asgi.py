"""ASGI middleware: one line in an application, and its API dashboard fills.

    app.add_middleware(SalesMetrics)        # Starlette, FastAPI
    app = SalesMetrics(app)                 # any ASGI application

What is done for each request is written for speed: two closures, a few look-ups, no object of ours. Whatever goes wrong
in here is counted in ``instrumentation_errors_total``, and the answer goes on as if we were not there.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable
from time import perf_counter
from typing import Any, NamedTuple, Unpack

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

    # Closures over local variables: an object with slots and bound methods costs half as much again.
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: C901, PLR0915
        """One request, websocket or lifespan."""
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        begin = perf_counter()
        kind = self._kinds.get((scope["method"], scope.get("scheme", "http"))) or self._kind(scope)
        if kind is None or scope["path"] == self._metrics_path:
            await (self._app if kind is None else self._metrics)(scope, receive, send)
            return
        kind.active[0] += 1
        outside = scope.get("root_path", "")
        status, got, size, first = 0, 0, 0, 0.0
        over = gone = False
        headers: Any = None
        stream: Stream | None = None

        def sending(message: Message) -> Awaitable[None]:
            nonlocal status, size, first, over, headers, stream
            try:
                if message["type"] == "http.response.body":
                    size += len(message.get("body", b""))
                    if message.get("more_body"):
                        if stream is None:
                            stream = Stream(self._http, kind_of(headers), self._route(scope, outside))
                        return stream.passed(send(message))
                    if over:
                        return send(message)
                    over = True
                    end = perf_counter()
                    if stream is not None:
                        facts = Facts(begin, first, end, status, got, size)
                        self._end(kind, facts, stream.route, stream, None, gone=False)
                        return send(message)
                    kind.active[0] -= 1
                    route = self._route(scope, outside)
                    cells = kind.kept.get((route, status)) or self._keep(kind, route, status)
                    took = end - begin
                    place = bisect_left(SECONDS, took)
                    cell = cells.duration
                    cell[place] += 1
                    cell[_TIMED] += took
                    if end >= cells.due:
                        self._exemplars.offer(cells, place, took, end, scope)
                    took = first - begin
                    place = bisect_left(SECONDS, took)
                    cell = cells.first_byte
                    cell[place] += 1
                    cell[_TIMED] += took
                    place = bisect_left(BYTES, got)
                    cell = cells.received
                    cell[place] += 1
                    cell[_SIZED] += got
                    place = bisect_left(BYTES, size)
                    cell = cells.sent
                    cell[place] += 1
                    cell[_SIZED] += size
                elif message["type"] == "http.response.start":
                    status = message["status"]
                    headers = message.get("headers")
                    first = perf_counter()
            except Exception as error:
                self.meter.failed("send", error)
            return send(message)

        async def receiving() -> Message:
            nonlocal got, gone
            message = await receive()
            try:
                if message["type"] == "http.request":
                    got += len(message.get("body", b""))
                elif message["type"] == "http.disconnect":
                    gone = True
            except Exception as error:
                self.meter.failed("receive", error)
            return message

        try:
            await self._app(scope, receiving, sending)
        except BaseException as error:
            if not over:
                facts = Facts(begin, first, perf_counter(), status, got, size)
                self._end(kind, facts, self._route(scope, outside), stream, error, gone=gone)
            raise
        if not over:
            facts = Facts(begin, first, perf_counter(), status, got, size)
            self._end(kind, facts, self._route(scope, outside), stream, None, gone=gone)

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

    def _end(
        self, kind: _Kind, facts: Facts, route: str, stream: Stream | None, error: BaseException | None, *, gone: bool
    ) -> None:
        """Count what ended otherwise than with one whole answer: a stream, a failure, a client that went away."""
        try:
            kind.active[0] -= 1
            if gone or isinstance(error, asyncio.CancelledError) or (stream is not None and stream.broken):
                status, failure = CLIENT_GONE, ""
            elif facts.status:
                status, failure = facts.status, error_label(facts.status, error)
            else:
                status, failure = 500, NO_RESPONSE if error is None else error_label(500, error)
            where = (kind.method, route, status_text(status), kind.scheme)
            if stream is None or not stream.kind:
                _add(self._http.duration.cell(*where, failure), SECONDS, facts.end - facts.begin)
            else:
                stream.ended(facts.end - facts.begin, status)
            if facts.status:
                _add(self._http.first_byte.cell(*where), SECONDS, facts.first - facts.begin)
            _add(self._http.received.cell(*where), BYTES, facts.received)
            _add(self._http.sent.cell(*where), BYTES, facts.sent)
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


class Facts(NamedTuple):
    """A request that has ended: moments (perf_counter), the status that was sent (0: none) and bytes of bodies."""

    begin: float
    first: float
    end: float
    status: int
    received: int
    sent: int


def _add(cell: Cell, bounds: tuple[float, ...], value: float) -> None:
    place = bisect_left(bounds, value)
    cell[place] += 1
    cell[len(bounds) + 1] += value
