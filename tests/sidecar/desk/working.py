"""A process that lives as a sidecar does, as far as outbox, desk and notices are concerned, until it is killed.

Reads one JSON object a line: where to keep, where to push, where to post notices, and the socket to listen on. Forks a
child for each, which obeys orders at the socket, and answers with the child's pid. An order that was answered is
promised; one that was not may have been carried out or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp

from sales_exporter.config import Desk as Settings
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.sidecar.desk.desk import Desk
from sales_exporter.sidecar.desk.links import Links
from sales_exporter.sidecar.desk.model import Acknowledge, Actor
from sales_exporter.sidecar.desk.notices import Notices
from sales_exporter.sidecar.desk.policy import Document, Policy
from sales_exporter.sidecar.desk.receivers import receivers
from sales_exporter.sidecar.desk.remembered import Remembered
from sales_exporter.sidecar.outbox import Alert, Alertmanager, Outbox, Timing

BOB = Actor("bob", "api")


def alert(name: str) -> Alert:
    """One of many: ``group/entity``."""
    group, _, entity = name.partition("/")
    return Alert(f"Sales{group}", "critical", time.time(), cluster="demo", tenant="default", team="platform",
                 category="api", entity=entity)


class Life:
    """Everything of one life."""

    def __init__(self, order: dict[str, Any]) -> None:
        clock, folder, urls = SystemClock(), Path(order["folder"]), order["urls"]
        links = Links(None, b"k" * 32, Remembered(None, clock), clock)
        settings = Settings.model_validate({"receivers": {"hook": {"kind": "webhook", "url": order["notices"]}}})
        self.notices = Notices(folder / "notices", receivers(settings, links, clock), clock)
        self.outbox = Outbox(folder / "outbox", [Alertmanager(url, aiohttp.ClientSession, clock) for url in urls],
                             clock, Timing(interval=1.0))
        self.desk = Desk(folder / "desk", Policy(Document(), "UTC"), urls, self.outbox, clock, aiohttp.ClientSession,
                         self.notices.send)

    async def obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry out one order, then promise it."""
        what, names = json.loads(await reader.readline())
        writer.write(json.dumps(await self._done(what, names)).encode() + b"\n")
        await writer.drain()
        writer.close()

    async def run(self, socket: str) -> None:
        """Work until killed."""
        async with asyncio.TaskGroup() as tasks:
            for work in (self.notices.run(), self.outbox.run(), self.desk.run()):
                tasks.create_task(work)
            await asyncio.start_unix_server(self.obey, socket)

    async def _done(self, what: str, names: list[str]) -> Any:
        alerts = [alert(name) for name in names]
        if what == "raise":
            held = {one.fingerprint for one in self.outbox.active()}
            await self.outbox.raise_(one for one in alerts if one.fingerprint not in held)
            self.desk.wake()
        elif what == "resolve":
            await self.outbox.resolve([one.fingerprint for one in alerts], time.time())
        elif what == "acknowledge":
            for one in alerts:
                await self.desk.act(one.fingerprint, Acknowledge("on it"), BOB)
        return {name: await self._state(one) for name, one in zip(names, alerts, strict=True)}

    async def _state(self, one: Alert) -> str:
        with contextlib.suppress(LookupError):
            return (await self.desk.case(one.fingerprint)).state
        return ""


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(order["socket"])

            async def live(order: dict[str, Any] = order) -> None:
                await Life(order).run(order["socket"])

            try:
                asyncio.run(live())
            finally:
                os._exit(1)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
