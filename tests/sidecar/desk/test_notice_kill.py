"""SIGKILL at every step between a notice and its arrival: none is lost, and a repetition has the same key."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from sales_exporter.sidecar.desk.message import of_notice
from tests.sidecar.desk.killed import NOTICES
from tests.sidecar.desk.telling import notice
from tests.support.inbox import Inbox, inbox
from tests.support.killing import Lives, quick_disk

pytestmark = [pytest.mark.process, pytest.mark.slow]

RUNS = 60
KEYS = [of_notice(notice(str(number))).key for number in range(NOTICES)]


async def test_r26_killed_at_any_step_no_notice_is_lost_and_repetitions_have_the_same_key(tmp_path: Path) -> None:
    lives = await Lives.begin("tests.sidecar.desk.killed")
    chance, kills, repeated = random.Random(26), 0, 0
    async with inbox() as box:
        with quick_disk(tmp_path) as disk:
            code, promises = await lives.one(folder=str(disk / "whole"), url=box.url, promised=[])
            assert (code, box.keys) == (0, KEYS)
            steps = int(promises[-1][1])
            for run in range(RUNS):
                folder = disk / str(run)
                # One in each of 60 equal parts of a life, so that no part is left out.
                last = int(steps * (run + chance.random()) / RUNS) + 1
                killed, first, second = await _two_lives(lives, box, folder, last)
                kills += killed
                repeated += (first & second).total()
                shutil.rmtree(folder)
    assert kills > 0.9 * RUNS
    # A kill between the receiver's answer and our note of it: rare, but what the key is for.
    assert 0 < repeated < RUNS
    await lives.end()


async def _two_lives(lives: Lives, box: Inbox, folder: Path, last: int) -> tuple[bool, Counter[str], Counter[str]]:
    """Whether the first life was cut short, and the keys that arrived in it and in the second."""
    box.letters.clear()
    ended, promised = await lives.one(last, folder=str(folder), url=box.url, promised=[])
    first = Counter(box.keys)
    box.letters.clear()
    code, again = await lives.one(folder=str(folder), url=box.url, promised=promised)
    second = Counter(box.keys)
    when = f"killed at line {last}"
    assert code == 0, when
    assert set(first + second) == set(KEYS), when
    assert max((first | second).values()) == 1, when
    # A link that was used is used for good.
    assert not (["used"] in promised and ["used"] in again), when
    return ended == -9, first, second
