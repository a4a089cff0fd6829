"""The live writers: one task each, with its own connection."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from sales_exporter.demo.generator.live import statements
from sales_exporter.demo.generator.live.agenda import Agenda, Batch
from sales_exporter.demo.generator.live.funnel import Funnel, OpenLead
from sales_exporter.demo.generator.live.line import Line
from sales_exporter.demo.generator.live.voice import Unjudged, Voice
from sales_exporter.demo.generator.marketing import RESTATED_DAYS, fx_rates, spend, targets
from sales_exporter.demo.generator.preset import DAY, HOUR
from sales_exporter.demo.generator.stages import STAGES
from sales_exporter.demo.generator.world import World
from sales_exporter.runtime.clock import Clock

OLDEST_LEAD = 180 * DAY
SLICE = HOUR
"""The longest stretch of time that one transaction writes; missed time is written in such stretches."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How the live writers work. ``speed`` multiplies arrivals and calls and divides waiting times."""

    writers: int = 2
    speed: float = 1.0
    tick: float = 1.0
    """Seconds between two transactions of a writer."""
    restate: float = 60.0
    """Seconds between two restatements of the spend of the last days."""


class Writer:
    """One writer: its own connection, its own leads (by hash of their id), its own part of all arrivals."""

    def __init__(self, line: Line, clock: Clock, pace: Pace, world: World, number: int, since: float) -> None:
        rng = np.random.default_rng([world.preset.seed, number, int(since * 1000)])
        rate = pace.speed / pace.writers
        self._line, self._clock, self._pace, self._world, self._number = line, clock, pace, world, number
        self._agenda = Agenda()
        self._funnel = Funnel(world, rng, self._agenda, rate, pace.speed)
        self._voice = Voice(world, rng, self._agenda, rate, pace.speed)
        self._at = since

    async def run(self) -> None:
        """Write until cancelled."""
        try:
            await self._recall()
            while True:
                batch = Batch()
                self._until(min(self._clock.now(), self._at + SLICE), batch)
                if batch:
                    await self._line.use(partial(statements.write, batch=batch))
                if self._clock.now() - self._at < SLICE:
                    await self._clock.sleep(self._pace.tick)
        finally:
            await self._line.close()

    def _until(self, end: float, batch: Batch) -> None:
        if end > self._at:
            self._funnel.arrive(self._at, end, batch)
            self._voice.ring(self._at, end, list(self._funnel.open.values()))
            self._agenda.run(end, batch)
            self._at = end

    async def _recall(self) -> None:
        """Take over what earlier runs left open."""
        channels = {one.channel_id: number for number, one in enumerate(self._world.preset.channels)}
        reps = {one.rep_id: number for number, one in enumerate(self._world.reps)}
        for row in await self._ask(statements.OPEN_LEADS, self._at - OLDEST_LEAD):
            channel, rep = channels.get(row["channel_id"], -1), reps.get(row["rep_id"], -1)
            base, believed = self._funnel.known(set(row["touched"]), rep, row["score"], channel)
            lead = OpenLead(row["lead_id"], row["created"], channel, rep, row["is_test"],
                            STAGES.index(row["stage"]), row["entered"], base, believed, row["qualified"])
            self._funnel.follow(lead, self._at)
        for row in await self._ask(statements.UNJUDGED, self._at - 2 * DAY):
            self._voice.await_verdict(Unjudged(**row), self._at)

    async def _ask(self, query: str, since: float) -> list[dict[str, Any]]:
        ask = partial(statements.rows, query=query, since=since, writers=self._pace.writers, writer=self._number)
        return await self._line.use(ask)


async def keep_books(line: Line, clock: Clock, pace: Pace, world: World, since: float) -> None:
    """Restate the spend of the last days again and again, and write exchange rates and targets of new days."""
    first = max(since - RESTATED_DAYS * DAY, world.preset.start)
    day = 0.0
    try:
        while True:
            now = clock.now()
            if now // DAY != day:
                await line.use(partial(statements.insert, relation=fx_rates(world, now)))
                await line.use(partial(statements.insert, relation=targets(world, now)))
            days = np.arange(first // DAY, now // DAY + 1).astype(np.int64)
            restated = spend(world, days, now)
            await line.use(partial(statements.insert, relation=restated, statement=statements.RESTATE))
            day, first = now // DAY, max(now - RESTATED_DAYS * DAY, world.preset.start)
            await clock.sleep(pace.restate)
    finally:
        await line.close()
