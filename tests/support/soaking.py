"""A week of work in short: real processes on a clock that runs fast, scraped and streamed from, and what they hold.

``python -m tests.support.soaking KIND PORT`` is one such process: the exporter without a database, so that each pass
fails, the sidecar without a Prometheus, or a stream that changes all the time. It prints what it holds twice a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, cast

import psutil
from pydantic import SecretStr

from sales_exporter.cli import serve, sidecar
from sales_exporter.cli.running import until_stopped
from sales_exporter.config import Web, build
from sales_exporter.demo.postgres import free_port
from sales_exporter.runtime import memory
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.runtime.exposition import Format
from sales_exporter.runtime.parts import Route
from sales_exporter.runtime.streams import Slots, Stream
from sales_exporter.runtime.web import serve as serve_web
from tests.support.clocks import Hurried
from tests.support.web import Shown, ask, connected

ROOT = Path(__file__).resolve().parent.parent.parent
Kind = Literal["exporter", "sidecar", "streams"]
SPEED = {"exporter": 60.0, "sidecar": 120.0, "streams": 1.0}
"""Seconds of the processes' clock in one of ours: what comes each minute comes once or twice a second."""
STREAM = {"sidecar": "/api/dashboard/stream/alerts", "streams": "/stream"}
STREAMS = 20
"""Clients that come at once and go again."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a process and its children hold at one moment (monotonic seconds)."""

    at: float
    files: int
    threads: int
    tasks: int
    connections: int
    blocks: int
    """Python's own; without those of children, as the tasks."""
    bytes: int


class Soaked:
    """One process under work."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind = kind
        self.address = ("127.0.0.1", free_port())
        self.code: int | None = None
        """Its exit code once it has ended."""
        self._log = folder / f"{kind}.log"
        command = [sys.executable, "-m", "tests.support.soaking", kind, str(self.address[1])]
        with self._log.open("wb") as out:
            self._child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, cwd=ROOT)

    async def scrape(self) -> float:
        """One scrape over a connection of its own; passes and ticks that have failed so far."""
        answer = await ask(self.address, headers={"Accept-Encoding": "identity"})
        assert answer.status == 200
        lines = answer.body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(
            ("sales_exporter_collector_failures_total{", 'sales_sidecar_ticks_total{result="failed"}')))

    async def listen(self) -> None:
        """Follow the stream until something comes after the picture, a heartbeat at last, and leave in between."""
        async def follow() -> None:
            async with connected(self.address, limit=1 << 20) as (reader, writer):
                writer.write(f"GET {STREAM[self.kind]} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                for wanted in (b"event: picture", b"\n\n", b"\n\n"):
                    await reader.readuntil(wanted)

        await asyncio.gather(*(follow() for _ in range(STREAMS)))

    def held(self) -> Sequence[Held]:
        """What it has held so far, twice a second."""
        return [Held(**json.loads(line)) for line in self._log.read_text().splitlines()]

    def end(self) -> None:
        """Stop it."""
        self._child.terminate()
        try:
            self.code = self._child.wait(30)
        finally:
            self._child.kill()


@contextlib.contextmanager
def soaked(folder: Path, *kinds: Kind) -> Iterator[list[Soaked]]:
    """Processes that run."""
    running = [Soaked(kind, folder) for kind in kinds]
    try:
        yield running
    finally:
        with contextlib.ExitStack() as ends:
            for one in running:
                ends.callback(one.end)


async def started(one: Soaked) -> None:
    """Wait until it answers; it may have libraries to load."""
    async with asyncio.timeout(60):
        while not await answers(one):  # noqa: ASYNC110  (another process tells no event)
            await asyncio.sleep(0.1)


async def answers(one: Soaked) -> bool:
    """Whether it listens."""
    with contextlib.suppress(ConnectionError):
        return (await ask(one.address, "/-/healthy")).status == 200
    return False


async def work(one: Soaked, scrapes: int, failures: int = 0) -> float:
    """Scrape so often and until so much has failed, and let clients of streams come and go; its seconds."""
    began, failed = time.monotonic(), 0.0
    while scrapes > 0 or failed < failures:
        # What is older than three intervals is not shown.
        failed = max(failed, await one.scrape())
        scrapes -= 1
        if one.kind in STREAM and not scrapes % STREAMS:
            await one.listen()
    return time.monotonic() - began


async def rested(one: Soaked) -> Held:
    """The least of everything that it holds while nobody asks for anything, for two seconds."""
    # What a request leaves to do is done then.
    began = time.monotonic() + 0.5
    await asyncio.sleep(2.5)
    held = [asdict(each) for each in one.held() if each.at >= began]
    return Held(**{name: min(each[name] for each in held) for name in held[0]})


async def live(kind: Kind, port: int) -> None:
    """Be one of the processes until SIGTERM."""
    clock, address = Hurried(SPEED[kind]), (f"127.0.0.1:{port}",)
    watch = asyncio.create_task(tell())
    nowhere = {"prometheus": {"url": "http://127.0.0.1:1"}, "alertmanagers": ["http://127.0.0.1:1"]}
    settings = build({
        "web": {"listen_address": address, "max_connections_per_address": 200}, "database": {"pass_deadline": 300},
        # A reading of the API asks for dozens of panels: of its own interval there would be a dozen a second.
        "sidecar": {"listen_address": address, "api": {"refresh": 300}, **nowhere}}, "test")
    if kind == "exporter":
        await serve.run(lambda: (settings, SecretStr("host=127.0.0.1 port=1 dbname=none")), clock)
    elif kind == "sidecar":
        await sidecar.run(lambda: settings, clock)
    else:
        await stream(settings.web)
    watch.cancel()


class Bare(Shown):
    """No metrics, and no note of who asked for them: that would grow."""

    def exposition(self, kind: Format, packed: bool, only: frozenset[str] | None) -> bytes:
        del kind, packed, only
        return b""


async def stream(settings: Web) -> None:
    """Serve a stream of which some keys change, come and go, many times a second."""
    changing = Stream(Slots(2 * STREAMS), SystemClock())

    class Streaming:
        routes = (Route(("GET",), "/stream", changing.answer),)

    async def change() -> None:
        for number in itertools.count():
            changing.publish("value", str(number % 50), {"value": number, "text": "x" * 1000})
            changing.publish("value", f"now and then {number * 7 % 100}", None if number % 3 else number)
            await asyncio.sleep(0.01)

    shown = Bare()
    running = await serve_web(shown, settings, parts=[Streaming()])
    await until_stopped(change(), shown.reload, running.close)


async def tell() -> None:
    """Print what this process holds."""
    own = psutil.Process()
    while True:
        # Else what is only waiting to be collected would count.
        gc.collect()
        family = [own, *own.children(recursive=True)]
        held = Held(
            time.monotonic(), sum(one.num_fds() for one in family), sum(one.num_threads() for one in family),
            len(asyncio.all_tasks()), len(own.net_connections("tcp")), sys.getallocatedblocks(),
            sum(one.memory_info().rss for one in family))
        print(json.dumps(asdict(held)), flush=True)
        await asyncio.sleep(0.5)


def main() -> None:
    """Run one process."""
    memory.give_back()
    kind, port = sys.argv[1:]
    asyncio.run(live(cast("Kind", kind), int(port)))


if __name__ == "__main__":
    main()
