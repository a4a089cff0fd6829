"""ASGI middleware: one line in an application, and its API dashboard fills.

    app.add_middleware(SalesMetrics)        # Starlette, FastAPI
    app = SalesMetrics(app)                 # any ASGI application

What it does for each request is written for speed: two closures, four look-ups, no object of ours. Whatever goes wrong
in here is counted in ``instrumentation_errors_total`` and the answer goes on as if we were not there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

from sales_exporter.instrumentation import asgi_streams
from sales_exporter.instrumentation.http import (
    BYTES,
    CLIENT_GONE,
    SECONDS,
    UNKNOWN,
    Exchange,
    HttpMeter,
    error_label,
    method_label,
    scheme_label,
)
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.routes import Scope, template
from sales_exporter.instrumentation.store import Cell

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class SalesMetrics:
    """Counts the requests, streams and websockets of an ASGI application."""

    def __init__(self, app: App, meter: Meter | None = None) -> None:
        self._app = app
        self.meter = meter or Meter()
        self._http = HttpMeter(self.meter)
        self._kept: dict[tuple[str, str, int, str], Exchange] = {}
        self._active: dict[tuple[str, str], Cell] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, websocket or lifespan."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await asgi_streams.websocket(self._app, self._http, scope, receive, send)
            else:
                await self._app(scope, receive, send)
            return
        begin = perf_counter()
        kind = (scope["method"], scope.get("scheme", "http"))
        active = self._active.get(kind)
        if active is None:
            active = self._begun(kind)
        active[0] += 1
        outside = scope.get("root_path", "")
        status, got, size, first = 0, 0, 0, 0.0
        over = gone = False
        stream: asgi_streams.Stream | None = None
        kept = self._kept

        def sending(message: Message) -> Awaitable[None]:
            nonlocal status, size, first, over, stream
            try:
                if message["type"] == "http.response.body":
                    size += len(message.get("body", b""))
                    if not message.get("more_body") and not over:
                        if stream is None:
                            over = True
                            active[0] -= 1
                            end = perf_counter()
                            route = template(scope, outside)
                            cells = kept.get((*kind, status, route)) or self._cells(kind, route, status, None)
                            took = end - begin
                            place = bisect_left(SECONDS, took)
                            cell = cells.duration
                            cell[place] += 1
                            cell[12] += took
                            took = first - begin
                            place = bisect_left(SECONDS, took)
                            cell = cells.first_byte
                            cell[place] += 1
                            cell[12] += took
                            place = bisect_left(BYTES, got)
                            cell = cells.received
                            cell[place] += 1
                            cell[8] += got
                            place = bisect_left(BYTES, size)
                            cell = cells.sent
                            cell[place] += 1
                            cell[8] += size
                elif message["type"] == "http.response.start":
                    status = message["status"]
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

        await self._app(scope, receiving, sending)

    def _begun(self, kind: tuple[str, str]) -> Cell:
        found = self._http.active.cell(method_label(kind[0]), scheme_label(kind[1]))
        if kind[0] == method_label(kind[0]) and kind[1] == scheme_label(kind[1]):
            self._active[kind] = found
        return found

    def _cells(self, kind: tuple[str, str], route: str, status: int, error: BaseException | None) -> Exchange:
        cells, own = self._http.exchange(
            method_label(kind[0]), route, status, scheme_label(kind[1]), error_label(status, error))
        if own and error is None and kind[0] == method_label(kind[0]) and kind[1] == scheme_label(kind[1]):
            self._kept[(*kind, status, route)] = cells
        return cells
