"""A process that lives as a sidecar does, as far as the outbox is concerned: see tests/support/killing.py.

An order says where to keep, where to send, and what was promised before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from sales_exporter.runtime.clock import SystemClock
from sales_exporter.sidecar.outbox import Alert, Alertmanager, Outbox, Timing
from tests.support.killing import serve

OWN = ("sidecar/outbox", "sidecar/shelf.py", "sidecar/store.py")
START = 1_700_000_000.0
PATIENCE = 10.0


def alerts(start: float = START) -> list[Alert]:
    """Two that last and one that will be over."""
    return [Alert(f"A{number}", "warning", start + number, cluster="demo") for number in range(3)]


async def live(order: dict[str, Any], promised: Callable[[str, str], None]) -> None:
    """Decide what no earlier life was promised, be told that it is kept, and stay until every alert was taken."""
    clock, known = SystemClock(), order["promised"]
    outbox = Outbox(Path(order["folder"]), [Alertmanager(order["url"], aiohttp.ClientSession, clock)], clock,
                    Timing(interval=0.02))
    task = asyncio.create_task(outbox.run())
    await asyncio.sleep(0)
    held = {alert.fingerprint for alert in outbox.active()}
    # A decision that is made again comes later, and names a later start.
    for alert in alerts(START + (1000 if known is not None else 0)):
        name = alert.fingerprint
        if ["raised", name] not in (known or []):
            if name not in held:
                await outbox.raise_([alert])
            promised("raised", name)
    over = alerts()[2].fingerprint
    if ["resolved", over] not in (known or []):
        await outbox.resolve([over], START + 10)
        promised("resolved", over)
    async with asyncio.timeout(PATIENCE):
        while next(iter(outbox.facts().queues.values())).pending:  # noqa: ASYNC110  (no event tells)
            await asyncio.sleep(0.002)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await outbox.close()


if __name__ == "__main__":
    serve(live, OWN)
