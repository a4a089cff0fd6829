"""A part of the tests: it looks, acts, takes JSON and forms, has an open route, and notes who asked for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from sales_exporter.runtime.bodies import read_form, read_json
from sales_exporter.runtime.parts import Asked, Caller, Role, Route


@dataclass
class Notebook:
    """The part. ``calls`` are template, caller, values of the path and what was sent."""

    calls: list[tuple[str, Caller, Mapping[str, str], object]] = field(default_factory=list)

    @property
    def routes(self) -> Sequence[Route]:
        """Six of them."""
        return (
            Route(("GET", "HEAD"), "/notes", self._look, about="what was noted"),
            Route(("GET", "HEAD"), "/notes/{name}", self._look),
            Route(("GET",), "/notes/history", self._history),
            Route(("POST",), "/notes/{name}", self._form, body_limit=1000),
            Route(("POST",), "/api/notes/{name}/{action}", self._json, body_limit=1000, problems=True),
            Route(("POST",), "/api/told", self._json, needs="notifier", problems=True),
            Route(("GET", "POST"), "/act/{token}", self._open, open=True),
        )

    async def _look(self, asked: Asked) -> web.StreamResponse:
        self._note("look", asked, None)
        return web.Response(text=f"{asked.prefix}/notes", headers={"Content-Security-Policy": "default-src 'self'"})

    async def _history(self, asked: Asked) -> web.StreamResponse:
        self._note("history", asked, None)
        return web.Response(text="history", headers={"Cache-Control": "private, no-cache"})

    async def _form(self, asked: Asked) -> web.StreamResponse:
        self._note("form", asked, await read_form(asked))
        return web.Response(status=303, headers={"Location": f"{asked.prefix}/notes"})

    async def _json(self, asked: Asked) -> web.StreamResponse:
        self._note("json", asked, await read_json(asked))
        return web.json_response({})

    async def _open(self, asked: Asked) -> web.StreamResponse:
        self._note("open", asked, None)
        return web.Response(text="open")

    def _note(self, what: str, asked: Asked, sent: object) -> None:
        self.calls.append((what, asked.caller, asked.path, sent))


def responders(login: str | None) -> frozenset[Role]:
    """Everybody may do everything."""
    del login
    return frozenset({"viewer", "responder", "notifier"})


def by_name(login: str | None) -> frozenset[Role]:
    """Alice acts, the Alertmanager notifies, others look."""
    acts: dict[str | None, Role] = {"alice": "responder", "alertmanager": "notifier"}
    return frozenset({"viewer"} | ({acts[login]} if login in acts else set()))
