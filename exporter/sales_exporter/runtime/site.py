"""One server's routes and what guards them: limits, logins, roles, origins, headers, and a log of what was refused."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from aiohttp import web

from sales_exporter.config import Web
from sales_exporter.errors import ConfigError
from sales_exporter.runtime.answers import Answers
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.connections import Connection
from sales_exporter.runtime.endpoints import Endpoints, Served
from sales_exporter.runtime.guards import SAFE, Outside, forged, rebound
from sales_exporter.runtime.parts import Asked, Caller, Part, Route
from sales_exporter.runtime.receiving import DOCUMENT, PREFIX, Intake, Receiver, Refused, problem, received
from sales_exporter.runtime.roles import Roles
from sales_exporter.runtime.routing import Found, Table
from sales_exporter.runtime.web_config import WebConfig

log = logging.getLogger(__name__)

_QUIET_SECONDS = 60.0
_NOBODY = Caller("", frozenset())


class Site:
    """Answers requests.

    Raises:
        ConfigError: the path of the metrics is that of something else.
    """

    def __init__(
        self, served: Served, settings: Web, access: WebConfig | None, clock: Clock, *, intake: Intake | None,
        parts: Sequence[Part], roles: Roles, outside: Outside,
    ) -> None:
        self._access = access
        self._clock = clock
        self._intake = intake
        self._roles = roles
        self._outside = outside
        self._answers = Answers(access)
        self._refusals: Counter[tuple[str, int]] = Counter()
        self._told: dict[tuple[str, int], float] = {}
        routes = [route for part in parts for route in part.routes]
        links = {route.path: route.about for route in routes if route.about}
        endpoints = Endpoints(served, settings, access, clock, self._answers, links)
        routes += endpoints.routes
        if intake is not None:
            routes.append(Route(("GET", "HEAD"), DOCUMENT, self._document))
        if Table(routes).find(settings.telemetry_path) is not None:
            raise ConfigError(f"web.telemetry_path: {settings.telemetry_path} is taken")
        self._table = Table([*routes, endpoints.metrics])

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to one request."""
        connection = cast("Connection", request.protocol)
        connection.began()
        found = self._find(request.path)
        receiver = self._receiver(request.path)
        try:
            response = await self._guarded(request, found, receiver)
        except Refused as refused:
            response = self._answers.given(refused.answer)
        finally:
            connection.ended()
        if response.status >= 400:
            self._tell(PREFIX if receiver else found.template if found else "unmatched", response.status)
        return response

    def refusal(self, path: str, status: int, text: str, **headers: str) -> web.Response:
        """A refusal in a form that whoever asks for this path understands."""
        if self._table.speaks_problems(path):
            return self._answers.given(replace(problem(status, text), headers=headers))
        return self._answers.plain(status, text, **headers)

    async def _guarded(
        self, request: web.BaseRequest, found: Found | None, receiver: Receiver | None
    ) -> web.StreamResponse:
        if self._access is not None:
            await self._access.refresh()
            if self._access.throttles(self._clock.monotonic()):
                return self._refused(request, found, 429, "too many requests", **{"Retry-After": "1"})
        if receiver is not None:
            # Who may send is up to each source: vendors know no user of ours.
            return await self._ingest(request, receiver)
        route = found.by_method.get(request.method) if found is not None else None
        caller = _NOBODY if route is not None and route.open else await self._caller(request)
        if caller is None:
            return self._refused(
                request, found, 401, "unauthorized", **{"WWW-Authenticate": 'Basic realm="sales-exporter"'})
        if found is None or route is None:
            return self._unanswered(request, found)
        barred = "" if route.open else self._barred(request, route, caller)
        return self._refused(request, found, 403, barred) if barred else await self._asked(
            request, route, found, caller)

    def _unanswered(self, request: web.BaseRequest, found: Found | None) -> web.Response:
        if found is None:
            return self._refused(request, found, 404, "not found")
        return self._refused(request, found, 405, "method not allowed", Allow=", ".join(found.by_method))

    def _refused(
        self, request: web.BaseRequest, found: Found | None, status: int, text: str, **headers: str
    ) -> web.Response:
        # With a proxy's prefix, only the template says where the path begins.
        return self.refusal(request.path if found is None else found.template, status, text, **headers)

    async def _caller(self, request: web.BaseRequest) -> Caller | None:
        """Who asks; None when a login is missing or wrong."""
        if self._access is None or not self._access.has_users:
            return Caller("", self._roles(None))
        login = await self._access.login(request.headers.get("Authorization"))
        return Caller(login, self._roles(login)) if login is not None else None

    def _barred(self, request: web.BaseRequest, route: Route, caller: Caller) -> str:
        """Why the caller may not do this; empty when it may."""
        safe = request.method in SAFE
        needs = "viewer" if safe else route.needs
        if not caller.may(needs):
            return f"this needs the role {needs}; see sidecar.desk"
        if safe:
            return ""
        why = forged(request.headers, request.secure, self._outside)
        if why or needs == "viewer" or (self._access is not None and self._access.authenticates):
            return why
        return rebound(request.headers, self._outside)

    async def _asked(
        self, request: web.BaseRequest, route: Route, found: Found, caller: Caller
    ) -> web.StreamResponse:
        # With no referrer at all, browsers would send the origin of our own forms as null.
        headers = self._answers.headers({"Referrer-Policy": "same-origin"} if caller.roles else {})
        response = await route.answer(Asked(
            request, caller, found.values, headers, cast("Connection", request.protocol), route.body_limit,
            self._outside.prefix,
        ))
        return self._answers.dressed(response, headers)

    def _find(self, path: str) -> Found | None:
        """Who answers a path, with the prefix that people see or as a proxy passes it on."""
        prefix = self._outside.prefix
        found = self._table.find(path)
        if found is None and prefix and f"{path}/".startswith(f"{prefix}/"):
            return self._table.find(path.removeprefix(prefix) or "/")
        return found

    def _receiver(self, path: str) -> Receiver | None:
        if self._intake is None or not path.startswith(PREFIX):
            return None
        return self._intake.at(path.removeprefix(PREFIX))

    async def _ingest(self, request: web.BaseRequest, receiver: Receiver) -> web.StreamResponse:
        if request.method != "POST":
            return self._answers.plain(405, "method not allowed", Allow="POST")
        return self._answers.given(await received(request, cast("Connection", request.protocol), receiver))

    async def _document(self, _asked: Asked) -> web.StreamResponse:
        document = self._intake.document if self._intake is not None else b""
        if not document:
            return self._answers.plain(404, "not found")
        return self._answers.response(document, "application/json", 200, {})

    def _tell(self, route: str, status: int) -> None:
        """Log what was refused: route and status, once a minute at most, with how often since the last time."""
        key, now = (route, status), self._clock.monotonic()
        self._refusals[key] += 1
        if now - self._told.get(key, -_QUIET_SECONDS) >= _QUIET_SECONDS:
            self._told[key] = now
            count = self._refusals.pop(key)
            log.warning("request refused", extra={"route": route, "status": status, "requests": count})
