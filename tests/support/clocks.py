"""A clock that moves only when a test says so."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field


class FakeClock:
    """Wall and monotonic time under the test's control; sleepers wake when time is moved past them."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._monotonic = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), future))
        await future

    def jump(self, seconds: float) -> None:
        """Set the wall clock, as an administrator does; monotonic time does not notice."""
        self._now += seconds

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking every sleeper at its moment."""
        end = self._monotonic + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            self._now += due - self._monotonic
            self._monotonic = due
            if not future.done():
                future.set_result(None)
            await settle()
        self._now += end - self._monotonic
        self._monotonic = end


@dataclass(frozen=True, slots=True)
class Hurried:
    """The machine's clocks, ``speed`` times as fast since it was made. Remembers nothing, however long it runs."""

    speed: float
    wall: float = field(default_factory=time.time)
    began: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        """Epoch seconds by this clock."""
        return self.wall + self.speed * (time.monotonic() - self.began)

    def monotonic(self) -> float:
        """Seconds by this clock."""
        return self.began + self.speed * (time.monotonic() - self.began)

    async def sleep(self, seconds: float) -> None:
        """Wait so long by this clock."""
        await asyncio.sleep(seconds / self.speed)


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition of the real world, polling; fails after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  (the world tells no event)
            await asyncio.sleep(0.01)
