"""SIGKILL at every step between decision and acceptance: nothing is lost, and what is repeated is the same."""

from __future__ import annotations

import random
import shutil
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.sidecar.outbox import killed
from tests.sidecar.outbox.receiving import receiver
from tests.support.killing import Lives, quick_disk

pytestmark = [pytest.mark.process, pytest.mark.slow]

RUNS = 200


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


async def test_r26_killed_at_any_step_no_alert_is_lost_and_repetitions_are_the_same(tmp_path: Path) -> None:
    lives, taken = await Lives.begin("tests.sidecar.outbox.killed"), [Taken()]
    chance = random.Random(26)
    kills = 0

    def answer(request: web.Request, body: list[dict[str, Any]]) -> web.Response:
        return taken[-1].answer(request, body)

    async with receiver(answer) as url:
        with quick_disk(tmp_path) as disk:
            whole = [await lives.one(folder=str(disk / f"whole-{number}"), url=url, promised=None)
                     for number in range(3)]
            assert [(code, len(promises)) for code, promises in whole] == [(0, 5)] * 3
            steps = min(int(promises[-1][1]) for _, promises in whole)
            for run in range(RUNS):
                folder = disk / str(run)
                # One in each of 200 equal parts of a life, so that no part is left out.
                last = int(steps * (run + chance.random()) / RUNS) + 1
                taken = [Taken()]
                code, promises = await lives.one(last, folder=str(folder), url=url, promised=None)
                taken.append(Taken())
                again, _ = await lives.one(folder=str(folder), url=url, promised=promises)
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
