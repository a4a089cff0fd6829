"""One receiver's queue: the oldest letter first, tried until it is taken, with a back-off of its own."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from sales_exporter.runtime.clock import Clock, woken
from sales_exporter.sidecar.desk.letters import Letter, Letters
from sales_exporter.sidecar.desk.message import Message
from sales_exporter.sidecar.outbox.sink import Outcome, Rejected, Retry

log = logging.getLogger(__name__)

FIRST_PAUSE = 1.0
"""Seconds after the first failure; doubled with each."""
LONGEST_PAUSE = 60.0
"""Seconds between two attempts at most, unless the receiver names more."""

Keep = Callable[[Sequence[Letter]], Awaitable[None]]


class NoticeSink(Protocol):
    """One receiver of messages, in its own form."""

    async def send(self, message: Message) -> Outcome:
        """Hand a message over, with its key. Never raises for a receiver's fault."""
        ...

    async def close(self) -> None:
        """Let connections go."""
        ...


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is told, of which teams (all when there are none), and whether it is a phone."""

    name: str
    sink: NoticeSink
    teams: frozenset[str]
    phone: bool

    def wants(self, message: Message) -> bool:
        """Whether it is told of a message."""
        return not self.teams or message.team in self.teams


class Courier:
    """Takes one receiver its letters. Nothing that one receiver does holds up another."""

    def __init__(self, receiver: Receiver, letters: Letters, keep: Keep, clock: Clock, chance: Random) -> None:
        """``keep`` writes letters to disk; ``chance`` spreads the back-off."""
        self.receiver = receiver
        self.sent = 0
        self.failures: Counter[str] = Counter()
        self._letters, self._keep, self._clock, self._chance = letters, keep, clock, chance
        self._news = asyncio.Event()
        self._attempts = 0

    def wake(self) -> None:
        """There is news."""
        self._news.set()

    async def run(self) -> None:
        """Go for ever; ends by cancellation only."""
        name = self.receiver.name
        while True:
            self._news.clear()
            letter = self._letters.next(name, self._clock.monotonic())
            if letter is None:
                await woken(self._news, self._clock, self._letters.wait(name, self._clock.monotonic()))
                continue
            pause = await self._take(letter)
            if pause is not None:
                await self._clock.sleep(pause)

    async def _take(self, letter: Letter) -> float | None:
        """Try once. Seconds to wait when nothing else would be taken either."""
        outcome = await self._send(letter.message)
        if isinstance(outcome, Retry):
            return self._failed(outcome)
        if self._attempts:
            log.info("notices are taken again", extra={"receiver": self.receiver.name})
        self._attempts = 0
        if isinstance(outcome, Rejected):
            self.failures[outcome.reason] += 1
            log.error("a notice was refused and is parked", extra={
                "receiver": self.receiver.name, "reason": outcome.reason})
            self._letters.refused(letter, self._clock.now(), self._clock.monotonic())
        else:
            self.sent += 1
            letter.sent_at = self._clock.now()
        await self._keep([letter])
        return None

    async def _send(self, message: Message) -> Outcome:
        try:
            return await self.receiver.sink.send(message)
        except Exception:
            # A defect of ours: it must not end the queue, and the letter stays.
            log.exception("sending a notice broke", extra={"receiver": self.receiver.name})
            return Retry("internal")

    def _failed(self, outcome: Retry) -> float:
        self.failures[outcome.reason] += 1
        if not self._attempts:
            log.warning("notices are not taken; they wait", extra={
                "receiver": self.receiver.name, "reason": outcome.reason})
        # A year without a receiver must not overflow.
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._attempts, 32))
        self._attempts += 1
        return max(pause * self._chance.uniform(0.5, 1.0), outcome.after or 0.0)
