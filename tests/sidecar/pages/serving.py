"""The pages behind the real server, over a desk in memory."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

from sales_exporter.config import Settings
from sales_exporter.runtime.forms import Forms
from sales_exporter.runtime.parts import Role
from sales_exporter.runtime.roles import roles
from sales_exporter.sidecar.pages.bands import Bands
from sales_exporter.sidecar.pages.pages import Pages
from sales_exporter.sidecar.pages.signed import Links, SignedLinks
from tests.support.clocks import FakeClock
from tests.support.desk import MemoryDesk
from tests.support.web import Answer, Shown, ask, site

Address = tuple[str, int]
TOKEN = re.compile(r'name="token" value="([^"]+)"')


@contextlib.asynccontextmanager
async def served(desk: MemoryDesk, *, may: Role = "responder", links: Links | None = None, config: Path | None = None,
                 external_url: str | None = None, responders: tuple[str, ...] = ()) -> AsyncIterator[Address]:
    """Host and port, for the length of a block. Without users everybody may do as much as ``may`` says."""
    settings = Settings.model_validate({"sidecar": {"desk": {"without_login": may, "responders": responders},
                                                "prometheus": {"url": "http://127.0.0.1:1"}}})
    clock = FakeClock(desk.now)
    bands = Bands(lambda: settings, clock)
    pages = Pages(desk, lambda: settings, bands, Forms(b"k" * 32, clock), clock)
    parts = [pages, *([SignedLinks(pages, links)] if links is not None else [])]
    async with site(Shown(), parts=parts, clock=clock, config=config, external_url=external_url,
                    roles=lambda login: roles(settings.sidecar.desk, login)) as where:
        yield where
    await bands.close()


async def post(address: Address, target: str, fields: Mapping[str, str], **headers: str) -> Answer:
    """Send a form, as a browser does."""
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Host": f"{address[0]}:{address[1]}",
            **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await ask(address, target, method="POST", headers=sent, body=urlencode(fields).encode())


async def look(address: Address, target: str, **headers: str) -> Answer:
    """Open a page."""
    sent = {"Host": f"{address[0]}:{address[1]}",
            **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await ask(address, target, headers=sent)


async def token(address: Address, target: str = "/alerts", **headers: str) -> str:
    """What a form of a page carries."""
    found = TOKEN.search((await look(address, target, **headers)).body.decode())
    assert found is not None
    return found[1]
