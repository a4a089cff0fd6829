"""A soak in small over real processes. benchmarks/soak.py has the whole figures."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.soaking import Soaked, rested, soaked, started, work

pytestmark = [pytest.mark.process, pytest.mark.slow]

SCRAPES, WARM_SCRAPES = 250, 150
WARM_FAILURES = {"exporter": 100, "sidecar": 20, "streams": 0}
"""Passes and ticks after which all libraries are loaded and all threads of pools are there."""
UNDER_WAY = 30
"""Tasks and threads that happen to be under way when it is looked at: a pass of each collector, and its watchdog."""
MOST_BLOCKS = 3 * SCRAPES
"""Of Python's memory. A request, a client or a pass that stayed would be dozens each."""
MOST_BYTES = 2 << 20


async def check(one: Soaked) -> None:
    """Nothing that it holds while nobody asks grows with what it did."""
    await started(one)
    await work(one, WARM_SCRAPES, WARM_FAILURES[one.kind])
    before = await rested(one)
    await work(one, SCRAPES)
    after = await rested(one)
    assert (after.files, after.connections) == (before.files, 1), one.kind
    assert after.threads <= before.threads + UNDER_WAY, one.kind
    assert after.tasks <= before.tasks + UNDER_WAY, one.kind
    assert after.blocks - before.blocks < MOST_BLOCKS, one.kind
    assert after.bytes - before.bytes < MOST_BYTES, one.kind


async def test_r19_files_threads_tasks_connections_and_memory_do_not_grow_with_work(tmp_path: Path) -> None:
    with soaked(tmp_path, "exporter", "sidecar", "streams") as processes:
        await asyncio.gather(*(check(one) for one in processes))
    assert [one.code for one in processes] == [0, 0, 0]
