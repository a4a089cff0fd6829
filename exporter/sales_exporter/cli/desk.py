"""What the sidecar serves besides its metrics: pages, signed links, Alertmanager's webhook and the dashboard API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sales_exporter.api.part import Api
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.forms import Forms
from sales_exporter.runtime.parts import Part
from sales_exporter.sidecar.pages.bands import Bands
from sales_exporter.sidecar.pages.pages import Pages
from sales_exporter.sidecar.pages.signed import SignedLinks
from sales_exporter.sidecar.sidecar import Sidecar


@asynccontextmanager
async def parts(watching: Sidecar, clock: Clock) -> AsyncIterator[Sequence[Part]]:
    """All of it, with what it reads and follows, for the length of a block."""
    desk, messenger = watching.desk, watching.messenger
    bands = Bands(lambda: watching.settings, clock)
    pages = Pages(desk, lambda: watching.settings, bands, Forms(messenger.key, clock), clock)
    api = Api(lambda: watching.settings.sidecar, desk, clock)
    following = asyncio.create_task(api.run(), name="api")
    try:
        yield [pages, SignedLinks(pages, messenger.links), messenger.webhook(desk.note), api]
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await bands.close()
