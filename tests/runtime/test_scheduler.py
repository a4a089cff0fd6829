"""Passes on our own clock: no overlap, skips counted, a watchdog behind the deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from sales_exporter.collectors import Collector, Context
from sales_exporter.model import Sample
from sales_exporter.runtime.scheduler import Job, Scheduler
from tests.support.clocks import FakeClock, settle


class Idle(Collector):
    name = "idle"
    metrics = ()

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        return ()


class World:
    """Records what the scheduler does; a pass takes ``takes`` seconds of the fake clock."""

    def __init__(self, takes: float) -> None:
        self.clock = FakeClock()
        self.takes = takes
        self.running = self.most = self.missed = self.abandoned = 0
        self.started: list[float] = []

    async def run(self, job: Job) -> None:
        self.started.append(self.clock.monotonic() - 1000)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.clock.sleep(self.takes)
        finally:
            self.running -= 1

    async def play(self, seconds: float, patience: float = 100) -> World:
        scheduler = Scheduler(self.clock, self.run, self._missed, self._abandoned)
        task = asyncio.create_task(scheduler.loop(Job(Idle(), 10.0, patience)))
        await settle()
        await self.clock.advance(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return self

    def _missed(self, job: Job, passes: int) -> None:
        self.missed += passes

    def _abandoned(self, job: Job) -> None:
        self.abandoned += 1


async def test_passes_keep_their_rhythm_whatever_they_take() -> None:
    assert (await World(takes=3).play(35)).started == [0, 10, 20, 30]


async def test_r5_never_two_passes_of_one_collector_and_skips_are_counted() -> None:
    world = await World(takes=25).play(65)
    assert world.most == 1
    assert world.started == [0, 30, 60]
    assert world.missed == 4


async def test_r5_a_pass_past_its_patience_is_given_up_and_replaced() -> None:
    world = await World(takes=1e9).play(50, patience=15)
    assert world.abandoned == 2
    assert world.started == [0, 20, 40]


async def test_r10_a_jump_of_the_wall_clock_does_not_move_the_schedule() -> None:
    world = World(takes=0)
    world.clock.jump(-86_400)
    assert (await world.play(25)).started == [0, 10, 20]
