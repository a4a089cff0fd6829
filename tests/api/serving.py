"""The API behind the real server, over a Prometheus and a desk that tests give it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from sales_exporter.api.part import Api
from sales_exporter.config import Settings
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.roles import roles
from sales_exporter.sidecar.desk.seam import AlertDesk
from tests.support.web import Shown, site

Address = tuple[str, int]


@contextlib.asynccontextmanager
async def api(url: str, desk: AlertDesk, clock: Clock, config: Path | None = None, **keys: object
              ) -> AsyncIterator[Address]:
    """Host and port of it, for the length of a block. Without users everybody may act, unless told otherwise;
    ``keys`` are those of ``sidecar``, with an underscore behind what is a word here."""
    settings = Settings.model_validate({"sidecar": {
        "prometheus": {"url": url}, "desk": {"without_login": "responder"},
        "api": {"requests_per_second": 1_000, "burst": 10_000},
        **{name.rstrip("_"): value for name, value in keys.items()}}}).sidecar
    part = Api(lambda: settings, desk, clock)
    running = asyncio.create_task(part.run())
    try:
        async with site(Shown(), config=config, clock=clock, parts=[part],
                        roles=lambda login: roles(settings.desk, login)) as where:
            yield where
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
