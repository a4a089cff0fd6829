"""The dashboard API as a part of the sidecar's server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from aiohttp import web

from sales_exporter.api import exchange
from sales_exporter.api.asked import Nothing
from sales_exporter.api.desk import DeskCalls
from sales_exporter.api.limits import Callers
from sales_exporter.api.live import Live
from sales_exporter.api.openapi import document
from sales_exporter.api.operation import Call, Feed, Operation
from sales_exporter.api.operations import DOCUMENT, feeds, operations
from sales_exporter.api.pictures import Numbers
from sales_exporter.api.readings import Readings
from sales_exporter.config import Sidecar
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.connections import origin
from sales_exporter.runtime.guards import Outside
from sales_exporter.runtime.parts import Asked, Route
from sales_exporter.runtime.receiving import Answer, Refused, problem
from sales_exporter.runtime.streams import Slots
from sales_exporter.sidecar.desk.seam import AlertDesk

_LOOK = ("GET", "HEAD")


class Api:
    """Answers by the settings of the time, which a reload changes, save for number of streams and external URL."""

    def __init__(self, settings: Callable[[], Sidecar], desk: AlertDesk, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._callers = Callers()
        self._readings = Readings(settings, clock)
        self._live = Live(self._readings, desk, Slots(settings().api.streams), clock)
        self._operations = operations(Numbers(self._readings, desk, clock), DeskCalls(desk, clock))
        self._feeds = feeds(self._live)
        self._document = document(self._operations, self._feeds, Outside.of(settings().desk.external_url).prefix)

    async def run(self) -> None:
        """Feed the streams until cancelled. Without it, whatever is no stream is answered all the same."""
        async with self._readings:
            await self._live.run()

    @property
    def routes(self) -> Sequence[Route]:
        """All paths below /api."""
        found = [Route(_LOOK if one.method == "GET" else (one.method,), one.path, partial(self._answer, one),
                       problems=True) for one in self._operations]
        found += [Route(("GET",), feed.path, partial(self._stream, feed), problems=True) for feed in self._feeds]
        found.append(Route(_LOOK, DOCUMENT, self._describe, problems=True, about="The dashboard API (OpenAPI)"))
        return [*found, *(Route(("OPTIONS",), route.path, self._asked_before, open=True, problems=True)
                          for route in found if "GET" in route.methods)]

    async def _answer(self, operation: Operation[Any, Any], asked: Asked) -> web.StreamResponse:
        return await self._or_problem(self._taken(operation, asked), asked)

    async def _stream(self, feed: Feed, asked: Asked) -> web.StreamResponse:
        return await self._or_problem(self._fed(feed, asked), asked)

    async def _fed(self, feed: Feed, asked: Asked) -> web.StreamResponse:
        self._admit(asked)
        exchange.query_of(asked.request, Nothing)
        headers = exchange.sharing(asked.request, self._settings().api.origins)
        return await feed.answer(replace(asked, headers={**asked.headers, **headers}))

    async def _or_problem(self, answer: Awaitable[web.StreamResponse], asked: Asked) -> web.StreamResponse:
        try:
            response = await answer
        except Refused as refusal:
            response = exchange.stated(refusal.answer)
        except exchange.EXPECTED as error:
            response = exchange.stated(exchange.refused(error))
        if not response.prepared:
            exchange.share(asked.request, response, self._settings().api.origins)
        return response

    async def _taken(self, operation: Operation[Any, Any], asked: Asked) -> web.StreamResponse:
        self._admit(asked)
        request = asked.request
        query = exchange.query_of(request, operation.query)
        body = await exchange.body_of(asked, operation.body) if operation.body is not None else None
        answer = await operation.take(Call(query, body, asked.path, asked.caller.login,
                                           request.headers.get("User-Agent", "")))
        text = exchange.written(answer)
        return exchange.validated(request, text) if operation.method == "GET" else exchange.packed(request, text)

    async def _describe(self, asked: Asked) -> web.StreamResponse:
        return await self._or_problem(self._described(asked), asked)

    async def _described(self, asked: Asked) -> web.StreamResponse:
        self._admit(asked)
        return exchange.validated(asked.request, self._document)

    async def _asked_before(self, asked: Asked) -> web.StreamResponse:
        origins = self._settings().api.origins
        response = exchange.preflight() if origins else exchange.stated(_no_other_sites())
        exchange.share(asked.request, response, origins)
        return response

    def _admit(self, asked: Asked) -> None:
        """Count a request.

        Raises:
            Refused: 429; the caller asks too often.
        """
        caller = asked.caller.login or origin(asked.request.remote or "::")
        wait = self._callers.wait(caller, self._settings().api, self._clock.monotonic())
        if wait:
            raise Refused(problem(429, "too many requests of this caller", Retry_After=str(wait)))


def _no_other_sites() -> Answer:
    return problem(405, "pages of other sites may not read this; see sidecar.api.origins", Allow="GET, HEAD")
