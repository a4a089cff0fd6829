"""Signed links of notifications: a look asks, and only the button acts. Scanners of mail open links, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from sales_exporter.runtime.bodies import read_form
from sales_exporter.runtime.parts import Asked, Route
from sales_exporter.sidecar.desk.model import Acknowledge, Actor
from sales_exporter.sidecar.desk.seam import Impossible, UnknownAlert
from sales_exporter.sidecar.pages.acting import text
from sales_exporter.sidecar.pages.actions import DONE, NAME
from sales_exporter.sidecar.pages.pages import Pages, html, spoken, unknown
from sales_exporter.sidecar.pages.question import answered, question, refused

NOT_GOOD = "This link is not good any more"


class Link(Protocol):
    """What a signed link is good for."""

    @property
    def fingerprint(self) -> str:
        """Of the alert."""
        ...

    @property
    def receiver(self) -> str:
        """Whom it was sent to: whoever uses it acts in that name."""
        ...


class Links(Protocol):
    """Takes signed links back. What is wrong with one is a ValueError that says why, for people."""

    def look(self, token: str) -> Link:
        """What it would do; nothing changes."""
        ...

    async def use(self, token: str) -> Link:
        """Use it up; it is good once."""
        ...


@dataclass(frozen=True, slots=True)
class SignedLinks:
    """The pages behind signed links. They need no login: the signature is what guards them."""

    pages: Pages
    links: Links

    @property
    def routes(self) -> tuple[Route, ...]:
        """The one path."""
        return (Route(("GET", "HEAD"), "/act/{token}", self.ask, open=True),
                Route(("POST",), "/act/{token}", self.act, open=True))

    async def ask(self, asked: Asked) -> web.StreamResponse:
        """Show what the link would do."""
        look, token = self.pages.look(asked), asked.path["token"]
        try:
            link = self.links.look(token)
            found = await self.pages.desk.case(link.fingerprint)
        except UnknownAlert:
            return html(unknown(look), 404)
        except ValueError as error:
            return html(refused(look, NOT_GOOD, spoken(error)), 410)
        return html(question(look, found, link.receiver, look.place.path("act", token)))

    async def act(self, asked: Asked) -> web.StreamResponse:
        """Do it, and use the link up."""
        look, token = self.pages.look(asked), asked.path["token"]
        fields = await read_form(asked)
        try:
            link = await self.links.use(token)
        except ValueError as error:
            return html(refused(look, NOT_GOOD, spoken(error)), 410)
        name = text(fields.get("name", ""), NAME)
        actor = Actor(f"{name} ({link.receiver})" if name and name != link.receiver else link.receiver, "link")
        try:
            done = await self.pages.desk.act(link.fingerprint, Acknowledge(), actor)
        except UnknownAlert:
            return html(unknown(look), 404)
        except Impossible as error:
            return html(refused(look, "That is not possible", spoken(error)), 409)
        return html(answered(look, done, DONE["acknowledge"]))
