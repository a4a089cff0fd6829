"""The pages as a part of the server: paths, what each asks of the desk, and who may act."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from aiohttp import web

from sales_exporter.config import Settings
from sales_exporter.runtime.bodies import read_form
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.forms import Forms
from sales_exporter.runtime.parts import Asked, Route
from sales_exporter.sidecar.desk.export import Format, lines
from sales_exporter.sidecar.desk.model import Actor, Case, Wanted
from sales_exporter.sidecar.desk.seam import AlertDesk, Impossible, UnknownAlert
from sales_exporter.sidecar.pages import actions, case, runbooks
from sales_exporter.sidecar.pages.acting import Unclear, action, text
from sales_exporter.sidecar.pages.bands import Bands
from sales_exporter.sidecar.pages.chart import Band, chart, missing
from sales_exporter.sidecar.pages.frame import CONTENT_SECURITY_POLICY, Look, Place
from sales_exporter.sidecar.pages.history import SECONDS, USUAL, Choice, history
from sales_exporter.sidecar.pages.listing import Filter, listing
from sales_exporter.sidecar.pages.markup import NOTHING, Html
from sales_exporter.sidecar.pages.question import refused
from sales_exporter.sidecar.pages.times import Times
from sales_exporter.sidecar.pages.words import severity

PURPOSE = "alerts"
"""What tokens of the pages' forms are for."""
SOMEBODY = "somebody"
"""Who acts where there are no users and no name is given."""
OF_A_CASE = 50
"""Events on the page of one alert."""
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_LOOK = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Pages:
    """Everything that people see of the desk. What a reload changes is asked for anew at each look."""

    desk: AlertDesk
    settings: Callable[[], Settings]
    bands: Bands
    forms: Forms
    clock: Clock

    @property
    def routes(self) -> tuple[Route, ...]:
        """All paths."""
        return (
            Route(_LOOK, "/alerts", self.open, about="open alerts, and who has them"),
            Route(_LOOK, "/alerts/history", self.past),
            Route(_LOOK, "/alerts/{fingerprint}", self.case),
            Route(("POST",), "/alerts/{fingerprint}/{action}", self.act),
            Route(_LOOK, "/runbooks/{name}", self.runbook),
        )

    async def open(self, asked: Asked) -> web.StreamResponse:
        """What is not over."""
        query = asked.request.query
        chosen = Filter(*(query.get(name, "")[:64] for name in ("severity", "state", "team")))
        done = actions.DONE.get(query.get("done", ""), "")
        return html(listing(self.look(asked), self.desk.cases(), self.desk.reach(), chosen, done))

    async def case(self, asked: Asked) -> web.StreamResponse:
        """One alert."""
        look, fingerprint = self.look(asked), asked.path["fingerprint"]
        try:
            found = await self._found(fingerprint)
        except UnknownAlert:
            return html(unknown(look), 404)
        events = await self.desk.history(Wanted(fingerprint=fingerprint, limit=OF_A_CASE))
        done = actions.DONE.get(asked.request.query.get("done", ""), "")
        return html(case.page(look, found, events, await self._chart(found, look), done))

    async def act(self, asked: Asked) -> web.StreamResponse:
        """Do what a form says, then show the page again."""
        look, fields = self.look(asked), await read_form(asked)
        fingerprint, name = asked.path["fingerprint"], asked.path["action"]
        back = look.place.path("alerts", fingerprint)
        if not self.forms.holds(fields.get("token", ""), asked.caller.login, PURPOSE):
            return html(refused(look, "This form is too old", "Nothing was done. Open the alert again and repeat it "
                                "there.", back=back), 403)
        actor = Actor(asked.caller.login or text(fields.get("name", ""), actions.NAME) or SOMEBODY, "page")
        try:
            await self._found(fingerprint)
            await self.desk.act(fingerprint, action(name, fields), actor)
        except UnknownAlert:
            return html(unknown(look), 404)
        except Unclear as error:
            return html(refused(look, "Nothing was done", str(error), back=back), 400)
        except Impossible as error:
            return html(refused(look, "That is not possible", spoken(error), back=back), 409)
        target = ("alerts",) if fields.get("back") == "list" else ("alerts", fingerprint)
        return web.Response(status=303, headers={"Location": look.place.path(*target, done=name)})

    async def past(self, asked: Asked) -> web.StreamResponse:
        """What happened, as a page or a file."""
        query, look = asked.request.query, self.look(asked)
        before, since = query.get("before", ""), query.get("range", "")
        choice = Choice(
            since if since in SECONDS else USUAL, query.get("alertname", "")[:256], query.get("kind", ""),
            query.get("fingerprint", "")[:16], int(before) if re.fullmatch(r"[0-9]{1,15}", before) else None)
        for form in FILES:
            if query.get("format") == form:
                return await self._file(asked, choice, form, look.now)
        wanted = choice.wanted(look.now)
        return html(history(look, choice, await self.desk.history(wanted),
                            await self.desk.times(look.now - SECONDS[choice.range], look.now)))

    async def runbook(self, asked: Asked) -> web.StreamResponse:
        """What to do about an alert that the product ships with."""
        look = self.look(asked)
        found = runbooks.page(look, asked.path["name"])
        if found is None:
            return html(refused(look, "No such runbook", "Runbooks of your own are where their alerts link to."), 404)
        return html(found)

    def look(self, asked: Asked) -> Look:
        """Who looks, when, and from where."""
        settings = self.settings()
        place = Place(ZoneInfo(settings.business.reporting_timezone), asked.prefix,
                      (settings.sidecar.desk.grafana_url or "").rstrip("/"))
        may_act = asked.caller.may("responder")
        return Look(place, Times(self.clock.now(), place.zone), asked.caller.login, may_act,
                    self.forms.token(asked.caller.login, PURPOSE) if may_act else "")

    async def _found(self, fingerprint: str) -> Case:
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise UnknownAlert(fingerprint)
        return await self.desk.case(fingerprint)

    async def _chart(self, found: Case, look: Look) -> Html:
        band = await self.bands.of(found)
        if isinstance(band, Band):
            ended = found.ends_at if found.ends_at is not None else look.now
            return chart(band, found.starts_at, ended, severity(found), look.times.zone)
        return missing(band) if band else NOTHING

    async def _file(self, asked: Asked, choice: Choice, form: Format, now: float) -> web.StreamResponse:
        """All events, in pieces as they are read: a year is never held at once."""
        response = web.StreamResponse(headers={
            **asked.headers, "Content-Type": FILES[form],
            "Content-Disposition": f'attachment; filename="alerts.{form}"'})
        await response.prepare(asked.request)
        if asked.request.method != "HEAD":
            async for piece in lines(self.desk, choice.wanted(now), form):
                await response.write(piece)
        await response.write_eof()
        return response


FILES: dict[Format, str] = {
    "jsonl": "application/jsonl; charset=utf-8", "csv": "text/csv; charset=utf-8; header=present"}
"""Content types by the ending of a file's name."""


def html(page: str, status: int = 200) -> web.Response:
    """An answer with a page."""
    return web.Response(body=page.encode("utf-8", "replace"), status=status, headers={
        "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": CONTENT_SECURITY_POLICY})


def spoken(error: Exception) -> str:
    """What an error says, as a sentence."""
    said = str(error)
    return f"{said[:1].upper()}{said[1:].rstrip('.')}."


def unknown(look: Look) -> str:
    """What is said of a fingerprint that nobody knows."""
    return refused(look, "No such alert", "Nobody knows this fingerprint: the link is wrong, or what happened is "
                   "longer ago than the history is kept. An alert whose labels changed is another alert.")
