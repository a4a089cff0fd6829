"""Alertmanagers and the desk's process are killed at random while people work: nothing that was promised is lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest
from aiohttp import web

from sales_exporter.sidecar.desk.seen import poll
from sales_exporter.sidecar.desk.silences import muting
from tests.rules.stack import PATIENCE, Page
from tests.sidecar.desk.working import alert
from tests.sidecar.outbox.alertmanagers import Cluster, cluster
from tests.support.binaries import Program

pytestmark = [pytest.mark.stack, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
ALERTS = 200
STORM = 45.0
"""Seconds in which things are killed."""
SLOW = 5.0
"""Seconds that people take from a notification to what they do about it."""


@dataclass
class Notices:
    """What the desk told its webhook: by key, and how often each came."""

    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
        finally:
            await runner.cleanup()

    def of(self, name: str, kind: str) -> list[dict[str, Any]]:
        """Those of an alert, each key once."""
        return [one for one in self.taken.values()
                if one["kind"] == kind and one["fingerprint"] == alert(name).fingerprint]

    async def _take(self, request: web.Request) -> web.Response:
        key = request.headers["Idempotency-Key"]
        self.taken[key], self.times[key] = await request.json(), self.times[key] + 1
        return web.Response()


@dataclass
class Worker:
    """The process of the desk: it can be killed, and is started again with what it kept."""

    zygote: asyncio.subprocess.Process
    order: dict[str, Any]
    pid: int = 0
    kills: int = 0

    async def start(self) -> None:
        assert self.zygote.stdin is not None
        assert self.zygote.stdout is not None
        self.zygote.stdin.write(json.dumps(self.order).encode() + b"\n")
        self.pid = int(await self.zygote.stdout.readline())

    async def kill(self) -> None:
        """SIGKILL, and wait for its end: until then its files are its own."""
        self.kills += 1
        os.kill(self.pid, signal.SIGKILL)
        while psutil.pid_exists(self.pid):  # noqa: ASYNC110  (it is not our child)
            await asyncio.sleep(0.01)

    async def ask(self, what: str, names: list[str]) -> dict[str, str]:
        """The answer to an order; asked again until there is one, as people do."""
        limit = time.monotonic() + 30
        while time.monotonic() < limit:
            with contextlib.suppress(OSError, ValueError):
                reader, writer = await asyncio.open_unix_connection(self.order["socket"])
                writer.write(json.dumps([what, names]).encode() + b"\n")
                answer = await reader.readline()
                writer.close()
                return dict(json.loads(answer))
            await asyncio.sleep(0.1)
        raise AssertionError(f"no answer to {what}")


@contextlib.asynccontextmanager
async def working(folder: Path, servers: Cluster, notices: str) -> AsyncIterator[Worker]:
    """A desk's process over these Alertmanagers. The folder is there."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "exporter")))
    zygote = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.sidecar.desk.working", stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": path})
    worker = Worker(zygote, {"folder": str(folder), "urls": servers.urls, "notices": notices,
                             "socket": str(folder / "desk.socket")})
    await worker.start()
    try:
        yield worker
    finally:
        await worker.kill()
        assert zygote.stdin is not None
        zygote.stdin.close()
        await zygote.wait()


@dataclass
class People:
    """They raise, acknowledge and resolve, at random, what they were told of."""

    chance: Random
    worker: Worker
    inbox: Page
    waiting: list[str] = field(default_factory=lambda: [f"{n % 20}/{n}" for n in range(ALERTS)])
    firing: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    over: set[str] = field(default_factory=set)
    read: dict[str, float] = field(default_factory=dict)
    """When a notification of each came first."""
    had: set[str] = field(default_factory=set)
    """Those that were acknowledged when they were resolved."""

    async def work(self, ends: asyncio.Event) -> None:
        """One order after the other, until the end."""
        while not ends.is_set():
            await asyncio.sleep(self.chance.uniform(0, 0.1))
            known = self._known()
            if self.waiting and self.chance.random() < 0.5:
                await self._raise()
            elif known:
                await self._decide(known)

    def _known(self) -> list[str]:
        """Alerts that fire and of which people have read."""
        now, told = time.monotonic(), {one["fingerprint"] for notice in self.inbox.notices for one in notice["alerts"]}
        for name in self.firing - self.read.keys():
            if alert(name).fingerprint in told:
                self.read[name] = now
        return sorted(name for name in self.firing & self.read.keys() if now - self.read[name] >= SLOW)

    async def _raise(self) -> None:
        names, self.waiting = self.waiting[:10], self.waiting[10:]
        await self.worker.ask("raise", names)
        self.firing |= set(names)

    async def _decide(self, known: list[str]) -> None:
        some = self.chance.sample(known, min(len(known), 5))
        if self.chance.random() < 0.6:
            seen = await self.worker.ask("ask", some)
            some = [name for name in some if seen[name] == "firing"]
            await self.worker.ask("acknowledge", some)
            self.acknowledged |= set(some)
        elif len(self.over) < ALERTS // 2:
            await self.worker.ask("resolve", some)
            self.firing -= set(some)
            self.over |= set(some)
            self.had |= self.acknowledged & set(some)
            self.acknowledged -= set(some)


async def storm(chance: Random, servers: Cluster, worker: Worker) -> int:
    """Kill one Alertmanager or the process, and start it again, for a while. How often an Alertmanager was killed."""
    ends, kills = time.monotonic() + STORM, 0
    while time.monotonic() < ends:
        await asyncio.sleep(chance.uniform(0.5, 2.5))
        if chance.random() < 0.6:
            await worker.kill()
            await asyncio.sleep(chance.uniform(0, 0.5))
            await worker.start()
        else:
            number = chance.randrange(2)
            await servers.kill(number)
            kills += 1
            await asyncio.sleep(chance.uniform(0, 2))
            await servers.start(number)
    return kills


async def test_r24_r26_r29_no_resolve_and_no_acknowledgement_is_lost_whoever_is_killed(
    alertmanager: Program, tmp_path: Path
) -> None:
    seed = int(os.environ.get("SALES_TEST_SEED", "7"))
    print(f"seed {seed}")
    inbox, notices = Page(""), Notices()
    async with (cluster(tmp_path, alertmanager, inbox, size=2) as servers, notices.open() as url,
                working(tmp_path, servers, url) as worker):
        people = People(Random(seed), worker, inbox)
        ends = asyncio.Event()
        work = asyncio.create_task(people.work(ends))
        kills = await storm(Random(seed + 1), servers, worker)
        ends.set()
        await work
        assert kills > 2
        assert worker.kills > 4
        assert len(people.acknowledged) > 20
        assert len(people.had) > 5
        await without(lambda: unsettled(servers, worker, people))
        await without(lambda: untold(notices, people))
        assert await doubled(servers) == []
        assert {name: len(notices.of(name, "resolved")) for name in people.had} == dict.fromkeys(people.had, 1)
        assert starts(inbox) == []
        print(f"{kills} Alertmanagers and {worker.kills} processes killed; {len(people.firing)} last, "
              f"{len(people.acknowledged)} acknowledged, {len(people.over)} over; repeated notices: "
              f"{sum(times - 1 for times in notices.times.values())}; ends that Alertmanager forgot to tell: "
              f"{len(forgotten(inbox, people))}")


async def without(defects: Callable[[], Awaitable[list[str]]]) -> None:
    """Wait until there are no defects; those that stay fail the test."""
    limit, found = time.monotonic() + PATIENCE, await defects()
    while found and time.monotonic() < limit:
        await asyncio.sleep(0.5)
        found = await defects()
    assert found == []


async def unsettled(servers: Cluster, worker: Worker, people: People) -> list[str]:
    """What the desk or an Alertmanager shows that differs from what was promised."""
    wanted = dict.fromkeys(people.acknowledged, "acknowledged") | dict.fromkeys(people.over, "resolved")
    states = await worker.ask("ask", sorted(wanted))
    # What ended before the desk could look, since it was dead, is no case.
    found = [f"the desk has {name} as {states[name]}, not {state}" for name, state in wanted.items()
             if states[name] != state and not (states[name] == "" and state == "resolved")]
    for number in (0, 1):
        shown = {one["fingerprint"]: one["status"]["state"] for one in await servers.shown(number)}
        for name, state in wanted.items():
            there = shown.get(alert(name).fingerprint, "gone")
            if there != ("gone" if state == "resolved" else "suppressed"):
                found.append(f"Alertmanager {number} has {name} as {there}, which is {state}")
    return found


async def untold(notices: Notices, people: People) -> list[str]:
    """Those that somebody had whose ends the desk has not told."""
    return [name for name in people.had if not notices.of(name, "resolved")]


def forgotten(inbox: Page, people: People) -> list[str]:
    """Those that nobody had whose ends Alertmanager has not told, though both of its instances know them."""
    told = {one["fingerprint"] for notice in inbox.notices for one in notice["alerts"] if one["status"] == "resolved"}
    return [name for name in people.over - people.had if alert(name).fingerprint not in told]


async def doubled(servers: Cluster) -> list[str]:
    """Alerts that two silences of ours mute at one Alertmanager."""
    found = []
    for number, url in enumerate(servers.urls):
        bodies = []
        for path in ("alerts", "silences", "status"):
            async with servers.session.get(f"{url}/api/v2/{path}") as answer:
                bodies.append(await answer.read())
        standing = defaultdict[str, int](int)
        for one in poll(str(number), *bodies).silences:
            if muting(one) is not None and one.state == "active":
                standing[one.fingerprint] += 1
        found += [name for name, count in standing.items() if count > 1]
    return found


def starts(inbox: Page) -> list[str]:
    """Alerts that were told with more than one start: their keys would differ."""
    found = defaultdict[str, set[str]](set)
    for notice in inbox.notices:
        for one in notice["alerts"]:
            found[one["fingerprint"]].add(one["startsAt"])
    return [name for name, several in found.items() if len(several) > 1]
