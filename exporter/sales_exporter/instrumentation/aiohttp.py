"""aiohttp.web: one line, and every route, stream and websocket of an application is counted.

    instrument(app)

aiohttp sends an answer after the last middleware has returned, so an answer tells us itself when it was sent. The bytes
of a request are those that aiohttp received of it, whether the handler read them or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from aiohttp import WSCloseCode, web

from sales_exporter.instrumentation.aiohttp_answers import Socket, follow
from sales_exporter.instrumentation.exchanges import Exchange, Exchanges
from sales_exporter.instrumentation.handlers import Options, metrics_aiohttp
from sales_exporter.instrumentation.http import UNMATCHED
from sales_exporter.instrumentation.meter import Meter

if TYPE_CHECKING:
    from typing import Unpack

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# aiohttp before 3.14 has plain names alone, and warns of them since.
_EXCHANGE: Final[Any] = getattr(web, "RequestKey", lambda name, _: name)("sales_exporter.exchange", object)
"""Where a request keeps its exchange, or its websocket."""


def instrument(app: web.Application, meter: Meter | None = None, *, metrics_path: str | None = "/metrics",
               **options: Unpack[Options]) -> Meter:
    """Count the requests of an application that has not started, its sub-applications included.

    ``meter`` is a new one by default, and is returned. ``metrics_path`` None means that there is none; scrapes are not
    counted. The other options are those of ``handlers``: ``registry``, ``bearer``, ``bearer_file``, ``basic_user``,
    ``basic_hash``.

    Raises:
        ConfigError: an option for access is wrong.
    """
    meter = meter or Meter()
    scrape: Handler | None = None
    if metrics_path is not None:
        scrape = metrics_aiohttp(meter, **options)
        # All methods: the handler says itself which it takes.
        app.router.add_route("*", metrics_path, scrape)
    counting = _Counting(meter, scrape)
    app.middlewares.insert(0, counting.middleware())
    app.on_response_prepare.append(counting.prepared)
    return meter


class _Counting:
    """The middleware, and the signal that is sent before the head of an answer."""

    def __init__(self, meter: Meter, scrape: Handler | None) -> None:
        self._counts = Exchanges(meter)
        self._scrape = scrape

    def middleware(self) -> Any:
        """The outermost middleware."""
        @web.middleware
        async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not self._begun(request):
                return await handler(request)
            try:
                response = await handler(request)
            except web.HTTPException as answer:
                # It is an answer like any other, and is sent as one.
                self._follow(request, answer)
                raise
            except (asyncio.CancelledError, ConnectionError):
                self._stopped(request, None)
                raise
            except BaseException as error:
                self._stopped(request, error)
                raise
            self._follow(request, response)
            return response

        return counted

    async def prepared(self, request: web.Request, response: web.StreamResponse) -> None:
        """The head of an answer is about to be sent."""
        try:
            found = request.get(_EXCHANGE)
            if not isinstance(found, Exchange) or found.over:
                return
            if isinstance(response, web.WebSocketResponse):
                request[_EXCHANGE] = Socket(self._counts, found, response)
                return
            follow(response, found)
            found.started(response.status, response.content_length, response.content_type)
            found.first_byte()
        except Exception as error:
            self._counts.failed("prepare", error)

    def _begun(self, request: web.Request) -> bool:
        try:
            # Within a sub-application that was instrumented too, it counts in the outer one.
            if _EXCHANGE in request or (self._scrape is not None and request.match_info.handler is self._scrape):
                return False
            exchange = self._counts.begin(request.method, request.scheme)
            exchange.matched(lambda: _template(request))
            request[_EXCHANGE] = exchange
        except Exception as error:
            self._counts.failed("begin", error)
            return False
        return True

    def _follow(self, request: web.Request, response: web.StreamResponse) -> None:
        """Go on until the answer is sent."""
        try:
            found = request[_EXCHANGE]
            if isinstance(found, Socket):
                # One that the handler left open is closed by aiohttp with this code.
                found.end(WSCloseCode.OK)
                return
            found.received = request.content.total_bytes
            follow(response, found)
        except Exception as error:
            self._counts.failed("follow", error)

    def _stopped(self, request: web.Request, error: BaseException | None) -> None:
        """No answer came: for an error, or because the client went away."""
        try:
            found = request[_EXCHANGE]
            if isinstance(found, Socket):
                found.end(WSCloseCode.ABNORMAL_CLOSURE)
            else:
                found.received = request.content.total_bytes
                found.end(error, gone=error is None)
        except Exception as surprise:
            self._counts.failed("stop", surprise)


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return UNMATCHED if resource is None else resource.canonical
