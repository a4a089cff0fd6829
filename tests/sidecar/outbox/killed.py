"""A process that lives as a sidecar does, as far as the outbox is concerned, and is killed at a given step.

Reads one JSON object a line: where to keep, where to send, what was promised before, and after how many lines of the
outbox's own code to die (0 for never). Forks a child for each, which notes what the outbox promises, and answers with
that and how many lines it ran. One process for all of them: starting an interpreter costs more than a life of this
kind.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import aiohttp

import sales_exporter.sidecar.outbox as room
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.sidecar.outbox import Alert, Alertmanager, Outbox, Timing

ROOM = str(Path(room.__file__).parent)
START = 1_700_000_000.0
PATIENCE = 10.0


class Steps:
    """Counts the lines of the outbox's code that run, and kills this process at one of them."""

    def __init__(self, last: int) -> None:
        self.count = 0
        self._last = last

    def watch(self) -> None:
        threading.settrace(self._entered)
        sys.settrace(self._entered)

    def _entered(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._ran if frame.f_code.co_filename.startswith(ROOM) else None

    def _ran(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.count += 1
            if self.count == self._last:
                os.kill(os.getpid(), signal.SIGKILL)
        return self._ran


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


def child(order: dict[str, Any], pipe: int) -> None:
    """One life; ends the process."""
    steps = Steps(order["steps"])

    def promised(what: str, name: str) -> None:
        os.write(pipe, json.dumps([what, name]).encode() + b"\n")

    steps.watch()
    asyncio.run(live(order, promised))
    sys.settrace(None)
    os.write(pipe, json.dumps(["steps", steps.count]).encode() + b"\n")
    os._exit(0)


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            try:
                child(order, writing)
            finally:
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading) as told:
            promises = [json.loads(one) for one in told]
        _, status = os.waitpid(pid, 0)
        print(json.dumps([os.waitstatus_to_exitcode(status), promises]), flush=True)


if __name__ == "__main__":
    main()
