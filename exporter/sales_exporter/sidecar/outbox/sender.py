"""One Alertmanager's queue: sends news at once and everything each interval, and backs off on its own."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from random import Random

from sales_exporter.runtime.clock import Clock, woken
from sales_exporter.sidecar.outbox.book import Book, Entry, Parcel
from sales_exporter.sidecar.outbox.sink import AlertSink, Delivered, Outcome, Rejected, Retry

log = logging.getLogger(__name__)

BATCH = 500
"""Alerts in one request."""
FIRST_PAUSE = 1.0
"""Seconds after the first failure; doubled with each, up to the interval, so that a return is noticed within one."""

Keep = Callable[[Sequence[Entry]], Awaitable[None]]


class Sender:
    """Tells one sink what the book has for it. Nothing that one sink does holds up another."""

    def __init__(self, sink: AlertSink, book: Book, keep: Keep, clock: Clock, chance: Random) -> None:
        """``keep`` writes entries to disk; ``chance`` spreads the back-off."""
        self.sink = sink
        self.failures: Counter[str] = Counter()
        self._book = book
        self._keep = keep
        self._clock = clock
        self._chance = chance
        self._news = asyncio.Event()
        self._attempts = 0

    def wake(self) -> None:
        """There is news."""
        self._news.set()

    async def run(self) -> None:
        """Send for ever; ends by cancellation only."""
        interval, due = self._book.timing.interval, self._clock.monotonic()
        while True:
            self._news.clear()
            everything = self._clock.monotonic() >= due
            pause = await self.push(everything)
            if pause is not None:
                await self._clock.sleep(pause)
                due = self._clock.monotonic()
                continue
            if everything:
                due = self._clock.monotonic() + interval
            await woken(self._news, self._clock, due - self._clock.monotonic())

    async def push(self, everything: bool) -> float | None:
        """Send what is due, in batches and in order. Seconds to wait when it has to be tried again, else None."""
        name, clock = self.sink.name, self._clock
        due = [(entry, entry.alert) for entry in self._book.due(name, clock.now(), clock.monotonic(), everything)]
        for start in range(0, len(due), BATCH):
            # What changed meanwhile has its own place in the order of the next push.
            parcels = [self._book.parcel(entry, name, clock.now()) for entry, alert in due[start:start + BATCH]
                       if entry.alert is alert]
            outcome = await self._send(parcels) if parcels else Delivered()
            if isinstance(outcome, Retry):
                return self._failed(outcome)
            await self._taken(parcels, outcome)
        return None

    async def _send(self, parcels: Sequence[Parcel]) -> Outcome:
        try:
            return await self.sink.send([parcel.alert for parcel in parcels])
        except Exception:
            # A defect of ours: it must not end the queue, and the alerts stay.
            log.exception("sending alerts broke", extra={"alertmanager": self.sink.name})
            return Retry("internal")

    async def _taken(self, parcels: Sequence[Parcel], outcome: Outcome) -> None:
        if self._attempts:
            log.info("alerts are taken again", extra={"alertmanager": self.sink.name})
        self._attempts = 0
        refused = outcome.which if isinstance(outcome, Rejected) else frozenset()
        if isinstance(outcome, Rejected):
            self.failures[outcome.reason] += len(refused)
            log.error("alerts were refused and are parked", extra={
                "alertmanager": self.sink.name, "reason": outcome.reason, "alerts": len(refused)})
            self._book.parked(self.sink.name, [parcels[index] for index in refused], self._clock.monotonic())
        good = [parcel for index, parcel in enumerate(parcels) if index not in refused]
        changed = self._book.accepted(self.sink.name, good, self._clock.now())
        if changed:
            await self._keep(changed)

    def _failed(self, outcome: Retry) -> float:
        self.failures[outcome.reason] += 1
        if not self._attempts:
            log.warning("alerts are not taken; they wait", extra={
                "alertmanager": self.sink.name, "reason": outcome.reason})
        # A year without an Alertmanager must not overflow.
        pause = min(self._book.timing.interval, FIRST_PAUSE * 2.0 ** min(self._attempts, 32))
        self._attempts += 1
        return max(pause * self._chance.uniform(0.5, 1.0), outcome.after or 0.0)
