"""Time as a value that is handed in: no other module asks the system for it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Wall time in epoch seconds, monotonic time for durations, and a way to wait."""

    def now(self) -> float:
        """Epoch seconds; may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that long, by the monotonic clock."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        """Epoch seconds of the machine."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)


async def woken(news: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Wait until there is news, or so long; not at all for a time that is over."""
    waits = [asyncio.ensure_future(news.wait()), asyncio.ensure_future(clock.sleep(max(0.0, seconds)))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()
