"""What every server shows: metrics, health, readiness, reload and a landing page.

It is answered from bytes that were rendered before. Nothing in a request reaches a source of data.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Protocol

from aiohttp import web

from sales_exporter import __version__
from sales_exporter.collectors import Pass
from sales_exporter.config import Web
from sales_exporter.errors import ConfigError
from sales_exporter.runtime import landing
from sales_exporter.runtime.answers import Answers
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.exposition import Format
from sales_exporter.runtime.negotiation import preferred, takes_gzip
from sales_exporter.runtime.parts import Asked, Route
from sales_exporter.runtime.web_config import WebConfig

CONTENT_TYPES: Mapping[Format, str] = {
    "text": "text/plain; version=0.0.4; charset=utf-8",
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
}
_LOOK = ("GET", "HEAD")


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


class Endpoints:
    """The routes of what is served. ``links`` are further ones that the landing page shows."""

    def __init__(
        self, served: Served, settings: Web, access: WebConfig | None, clock: Clock, answers: Answers,
        links: Mapping[str, str],
    ) -> None:
        self._served = served
        self._settings = settings
        self._access = access
        self._clock = clock
        self._answers = answers
        self._links = links
        self._scrapes = 0

    @property
    def routes(self) -> Sequence[Route]:
        """All fixed paths."""
        return (
            Route(_LOOK, "/", self._landing), Route(_LOOK, "/-/healthy", self._healthy),
            Route(_LOOK, "/-/ready", self._ready), Route(("POST",), "/-/reload", self._reload, needs="viewer"),
        )

    @property
    def metrics(self) -> Route:
        """The path that Prometheus scrapes."""
        return Route(_LOOK, self._settings.telemetry_path, self._metrics)

    async def _metrics(self, asked: Asked) -> web.StreamResponse:
        request = asked.request
        only = frozenset(request.query.getall("collect[]", ())) or None
        if only is not None and not only <= self._served.names:
            part, known = self._served.words.part.lower(), ", ".join(sorted(self._served.names))
            return self._answers.plain(400, f"no such {part}; there are {known}")
        if 0 < self._settings.max_requests <= self._scrapes:
            return self._answers.plain(503, "too many scrapes at once", **{"Retry-After": "1"})
        kind = preferred(request.headers.getall("Accept", ()))
        packed = takes_gzip(request.headers.getall("Accept-Encoding", ()))
        body = self._served.exposition(kind, packed, only)
        headers = {"Content-Type": CONTENT_TYPES[kind], "Vary": "Accept, Accept-Encoding"}
        if packed:
            headers["Content-Encoding"] = "gzip"
        self._scrapes += 1
        try:
            return await self._answers.pieces(request, body, headers)
        finally:
            self._scrapes -= 1

    async def _landing(self, asked: Asked) -> web.StreamResponse:
        served = self._served
        view = landing.View(
            words=served.words, version=__version__, telemetry_path=self._settings.telemetry_path, passes=served.passes,
            ready=served.ready, replay=served.replay, as_of=served.as_of, now=self._clock.now(),
            defect=self._access.defect if self._access is not None else "", documentation=_documentation(),
            prefix=asked.prefix, links=self._links,
        )
        policy = {"Content-Security-Policy": landing.CONTENT_SECURITY_POLICY}
        body = landing.page(view).encode("utf-8", "replace")
        return self._answers.response(body, "text/html; charset=utf-8", 200, policy)

    async def _healthy(self, _asked: Asked) -> web.StreamResponse:
        return self._answers.plain(200, "healthy")

    async def _ready(self, _asked: Asked) -> web.StreamResponse:
        if self._served.ready:
            return self._answers.plain(200, "ready")
        part = self._served.words.part.lower()
        return self._answers.plain(503, f"not ready: a {part} has not finished its first pass", **{"Retry-After": "1"})

    async def _reload(self, _asked: Asked) -> web.StreamResponse:
        if not self._settings.enable_lifecycle:
            return self._answers.plain(
                403, "reloading over HTTP is off; start with --web.enable-lifecycle, or send SIGHUP")
        if self._access is None or not self._access.authenticates:
            return self._answers.plain(
                403, "reloading over HTTP needs basic_auth_users or verified client certificates")
        try:
            await self._served.reload()
        except ConfigError as error:
            return self._answers.plain(500, f"not reloaded: {error}")
        return self._answers.plain(200, "reloaded")


@functools.cache
def _documentation() -> str:
    """Where the documentation is, if the installed distribution says so."""
    try:
        urls = metadata.metadata("sales-exporter").get_all("Project-URL") or ()
    except metadata.PackageNotFoundError:
        return ""
    found = (str(url).partition(", ") for url in urls)
    return next((target for name, _, target in found if name == "Documentation"), "")
