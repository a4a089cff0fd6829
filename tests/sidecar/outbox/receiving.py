"""Receivers of the tests, and alerts to send to them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from aiohttp import web

from sales_exporter.sidecar.outbox import Alert, Outbox
from sales_exporter.sidecar.outbox.sink import Delivered, Outcome
from tests.support.clocks import settle

NOW = 1_700_000_000.0
FAR = 4 * 30.0
"""Seconds from a send to the end of an alert that lasts."""


def alert(name: str = "SalesLeadsFell", severity: str = "warning", starts_at: float = NOW, **fields: Any) -> Alert:
    """An alert with the labels that all have."""
    return Alert(name, severity, starts_at, cluster="demo", tenant="default", **fields)


class Inbox:
    """A sink that notes what came and answers as it is told to."""

    def __init__(self, name: str = "one:9093") -> None:
        self.name = name
        self.answer: Outcome = Delivered()
        self.batches: list[list[Alert]] = []
        self.taken: list[Alert] = []
        self.closed = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, alerts: Sequence[Alert]) -> Outcome:
        self.batches.append(list(alerts))
        await self.gate.wait()
        if isinstance(self.answer, Delivered):
            self.taken += alerts
        return self.answer

    async def close(self) -> None:
        self.closed = True

    def spans(self, name: str = "SalesLeadsFell") -> list[tuple[float, float]]:
        """Start and end of each time that an alert was taken, in seconds from NOW."""
        return [(one.starts_at - NOW, (one.ends_at or 0.0) - NOW) for one in self.taken if one.alertname == name]


@contextlib.asynccontextmanager
async def running(outbox: Outbox) -> AsyncIterator[Outbox]:
    """The outbox sends for the length of a block, and is closed after it."""
    task = asyncio.create_task(outbox.run())
    await settle()
    try:
        yield outbox
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await outbox.close()


@contextlib.asynccontextmanager
async def receiver(answer: Callable[[web.Request, Any], web.StreamResponse]) -> AsyncIterator[str]:
    """A server on loopback that answers POST /api/v2/alerts; its address."""
    async def take(request: web.Request) -> web.StreamResponse:
        return answer(request, await request.json())

    app = web.Application()
    app.router.add_post("/api/v2/alerts", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
