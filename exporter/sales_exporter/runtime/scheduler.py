"""Runs collectors on our own clock: no overlap, a deadline for each pass, a watchdog behind the deadline."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sales_exporter.collectors import Collector
from sales_exporter.runtime.clock import Clock

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One collector with its interval and the seconds after which the watchdog gives a pass up."""

    collector: Collector
    interval: float
    patience: float


Run = Callable[[Job], Awaitable[None]]
Missed = Callable[[Job, int], None]
Abandoned = Callable[[Job], None]
Soon = Callable[[Job], float | None]
"""Seconds to the next pass of a job that found nothing to do yet; None for its interval."""


class Scheduler:
    """Starts a pass of each job every interval. A pass that is still running makes the next one wait."""

    def __init__(
        self, clock: Clock, run: Run, missed: Missed, abandoned: Abandoned, soon: Soon = lambda job: None
    ) -> None:
        self._clock = clock
        self._run = run
        self._missed = missed
        self._abandoned = abandoned
        self._soon = soon

    async def loop(self, job: Job) -> None:
        """Run one job for ever; ends by cancellation only."""
        due = self._clock.monotonic()
        while True:
            await self._pass(job)
            pause = self._soon(job)
            if pause is not None:
                await self._clock.sleep(pause)
                due = self._clock.monotonic()
                continue
            behind = self._clock.monotonic() - due
            steps = max(1, math.ceil(behind / job.interval))
            if steps > 1:
                self._missed(job, steps - 1)
            due += steps * job.interval
            await self._clock.sleep(max(0.0, due - self._clock.monotonic()))

    async def _pass(self, job: Job) -> None:
        """One pass. The pass owns its end; the watchdog only steps in when it does not come."""
        task = asyncio.ensure_future(self._run(job))
        watchdog = asyncio.ensure_future(self._clock.sleep(job.patience))
        try:
            await asyncio.wait({task, watchdog}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self._abandoned(job)
            elif task.exception() is not None:
                # The run decides about failures of a pass; anything else is a defect of ours, said and survived.
                log.error("pass broke", extra={"collector": job.collector.name}, exc_info=task.exception())
        finally:
            watchdog.cancel()
            if not task.done():
                task.cancel()
