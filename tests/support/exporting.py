"""The exporter as a whole, on a clock that a test moves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from pydantic import SecretStr

from sales_exporter.config import Database, Settings
from sales_exporter.runtime.exporter import Exporter
from tests.support.clocks import FakeClock


@contextlib.asynccontextmanager
async def serving(dsn: str, clock: FakeClock, settings: Settings | None = None) -> AsyncIterator[Exporter]:
    # The watchdog runs on the fake clock, which a test moves on while real work is under way: it must not step in.
    patient = (settings or Settings()).model_copy(update={"database": Database(pass_deadline=300)})
    exporter = Exporter(lambda: (patient, SecretStr(dsn)), clock)
    task = asyncio.create_task(exporter.run())
    try:
        yield exporter
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ready(exporter: Exporter, clock: FakeClock, seconds: float = 30.0) -> None:
    """Let time pass in small steps until every collector has finished a pass, the first fill included."""
    async with asyncio.timeout(seconds):
        while not exporter.ready:
            await clock.advance(0.25)
            await asyncio.sleep(0.01)
