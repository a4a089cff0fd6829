"""SIGKILL at every step between decision and acceptance: nothing is lost, and what is repeated is the same."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.sidecar.outbox import killed
from tests.sidecar.outbox.receiving import receiver

pytestmark = [pytest.mark.process, pytest.mark.slow]

RUNS = 200
ROOT = Path(__file__).resolve().parents[3]


class Taken:
    """What an Alertmanager was told: starts, and firing or resolved, by name of the alert."""

    def __init__(self) -> None:
        self.starts: dict[str, set[str]] = defaultdict(set)
        self.told: dict[str, list[str]] = defaultdict(list)

    def answer(self, request: web.Request, body: list[dict[str, Any]]) -> web.Response:
        for one in body:
            name = one["labels"]["alertname"]
            # The end of what is over lies years back; that of what lasts is soon.
            over = datetime.fromisoformat(one["endsAt"]).timestamp() < killed.START + 5000
            self.starts[name].add(one["startsAt"])
            self.told[name].append("resolved" if over else "firing")
        return web.Response()


class Lives:
    """The process that forks the ones to be killed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def begin(cls) -> Lives:
        path = os.pathsep.join((str(ROOT), str(ROOT / "exporter")))
        return cls(await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.sidecar.outbox.killed", stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}))

    async def one(
        self, folder: Path, url: str, steps: int = 0, promised: list[list[Any]] | None = None
    ) -> tuple[int, list[list[Any]]]:
        """Exit code, and what was promised in this life."""
        order = json.dumps({"folder": str(folder), "url": url, "steps": steps, "promised": promised})
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(order.encode() + b"\n")
        code, promises = json.loads(await self._process.stdout.readline())
        return code, promises

    async def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: the death of a process asks nothing of the disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder)


async def test_r26_killed_at_any_step_no_alert_is_lost_and_repetitions_are_the_same(quick_disk: Path) -> None:
    lives, taken = await Lives.begin(), [Taken()]
    chance = random.Random(26)
    kills = 0

    def answer(request: web.Request, body: list[dict[str, Any]]) -> web.Response:
        return taken[-1].answer(request, body)

    async with receiver(answer) as url:
        whole = [await lives.one(quick_disk / f"whole-{number}", url) for number in range(3)]
        assert [(code, len(promises)) for code, promises in whole] == [(0, 5)] * 3
        steps = min(int(promises[-1][1]) for _, promises in whole)
        for run in range(RUNS):
            folder = quick_disk / str(run)
            # One in each of 200 equal parts of a life, so that no part is left out.
            last = int(steps * (run + chance.random()) / RUNS) + 1
            taken = [Taken()]
            code, promises = await lives.one(folder, url, last)
            taken.append(Taken())
            again, _ = await lives.one(folder, url, promised=promises)
            kills += code == -9
            assert again == 0
            _as_promised(*taken, f"killed at line {last}")
            shutil.rmtree(folder)
    assert kills > 0.9 * RUNS
    await lives.end()


def _as_promised(first: Taken, second: Taken, when: str) -> None:
    """Each alert is known after the kill, was shown firing first and with one start; only one of them ended."""
    for number in range(3):
        name = f"A{number}"
        assert second.told[name][-1:] == ["resolved" if number == 2 else "firing"], when
        assert (first.told[name] + second.told[name])[0] == "firing", when
        assert len(first.starts[name] | second.starts[name]) == 1, when
