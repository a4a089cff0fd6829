"""A process that lives as the desk does, as far as its notices and links are concerned: see tests/support/killing.py.

An order says where to keep, where to send, and what was promised before.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sales_exporter.config import Desk
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.sidecar.desk.links import Links
from sales_exporter.sidecar.desk.notices import Notices
from sales_exporter.sidecar.desk.receivers import receivers
from sales_exporter.sidecar.desk.remembered import Remembered
from tests.sidecar.desk.telling import DAY, HOME, KEY, notice
from tests.support.killing import Promised, serve

OWN = ("sidecar/desk", "sidecar/outbox/posting.py", "sidecar/shelf.py", "sidecar/store.py")
NOTICES = 3
PATIENCE = 10.0


async def live(order: dict[str, Any], promised: Promised) -> None:
    """Tell what no earlier life was promised to tell, and stay until all of it was taken; use a link."""
    clock, folder, known = SystemClock(), Path(order["folder"]), order["promised"]
    used = Remembered(folder, clock)
    desk = Desk.model_validate({"receivers": {"hook": {"kind": "webhook", "url": order["url"]}}})
    notices = Notices(folder, receivers(desk, Links(HOME, KEY, used, clock), clock), clock)
    task = asyncio.create_task(notices.run())
    for number in range(NOTICES):
        if ["stored", str(number)] not in known:
            await notices.send([notice(str(number), step=number)])
            promised("stored", str(number))
    if await used.add("link/1", DAY):
        promised("used")
    async with asyncio.timeout(PATIENCE):
        while notices.facts().queues["hook"].pending:  # noqa: ASYNC110  (no event tells)
            await asyncio.sleep(0.002)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await notices.close()
    await used.close()


if __name__ == "__main__":
    serve(live, OWN)
