"""The outbox: alerts are decided, stored, sent to every Alertmanager, and sent again until each has accepted them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.outbox.alert import Alert
from sales_exporter.sidecar.outbox.book import BOUND, USUAL, Book, Entry, Timing
from sales_exporter.sidecar.outbox.report import Facts
from sales_exporter.sidecar.outbox.rows import OUTBOX
from sales_exporter.sidecar.outbox.sender import Sender
from sales_exporter.sidecar.outbox.sink import AlertSink
from sales_exporter.sidecar.shelf import Shelf

LAST_FLUSH = 2.0
"""Seconds that the last news may take when the process ends."""


class Outbox:
    """Owns time and repetition; each sink owns one receiver.

    An alert that lasts is sent every interval with an end four intervals ahead, so that it resolves by itself should
    this process vanish. Its end is sent explicitly, and again for a while. An alert that is over before a receiver
    accepted it is first shown to that one as firing. What is decided survives a restart, with its start.
    """

    def __init__(self, folder: Path | None, sinks: Sequence[AlertSink], clock: Clock, timing: Timing = USUAL,
                 bound: int = BOUND, chance: Random | None = None) -> None:
        """Open the outbox in ``folder``; without one, or when the disk refuses, it lives in memory. Never fails."""
        self._clock = clock
        self._book = Book([sink.name for sink in sinks], timing, bound)
        self._shelf = Shelf(folder, OUTBOX)
        self._book.restore(self._shelf.found)
        spread = chance if chance is not None else Random()  # noqa: S311  (no secret)
        self._senders = [Sender(sink, self._book, self._keep, clock, spread) for sink in sinks]

    async def raise_(self, alerts: Iterable[Alert]) -> None:
        """Open alerts, or renew the annotations of open ones; on disk when this returns. The earliest start is kept.
        One that differs from an open alert in its severity only ends that one, and is sent before its end.
        """
        await self._keep(self._book.raise_(alerts, self._clock.now()))

    async def resolve(self, fingerprints: Iterable[str], at: float) -> None:
        """End open alerts at a moment, in epoch seconds; on disk when this returns. Unknown ones are left out."""
        await self._keep(self._book.resolve(fingerprints, at, self._clock.now()))

    def active(self) -> list[Alert]:
        """Alerts that last, those of before a restart too."""
        return self._book.open_alerts()

    async def run(self) -> None:
        """Send until cancelled; then give the last news a moment, and no more."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for sender in self._senders:
                    tasks.create_task(sender.run())
                tasks.create_task(self._keep_house())
        finally:
            await self._flush()

    async def close(self) -> None:
        """Close file and connections. What is open is open again at the next start."""
        for sender in self._senders:
            await sender.sink.close()
        await self._shelf.close()

    def facts(self) -> Facts:
        """What there is to report."""
        now = self._clock.now()
        return Facts(
            {sender.sink.name: self._book.queue(sender.sink.name, now) for sender in self._senders},
            {sender.sink.name: dict(sender.failures) for sender in self._senders},
            len(self._book.open_alerts()), dict(self._book.dropped), self._shelf.state, self._shelf.set_aside)

    async def _keep(self, changed: Sequence[Entry]) -> None:
        """Write what changed, then let it be sent. Whoever is cancelled meanwhile leaves the rest to others."""
        if changed:
            await asyncio.shield(asyncio.ensure_future(self._kept(changed)))

    async def _kept(self, changed: Sequence[Entry]) -> None:
        gone = self._book.forget(self._clock.now())
        left = [(entry, entry.alert) for entry in changed if entry.alert.fingerprint in self._book.entries]
        await self._shelf.write([entry for entry, _ in left], gone)
        for entry, alert in left:
            # What changed meanwhile is on its way to the disk.
            entry.stored |= entry.alert is alert
        for sender in self._senders:
            sender.wake()

    async def _keep_house(self) -> None:
        """Forget what is over and known to be, and try a disk that refused."""
        while True:
            await self._clock.sleep(self._book.timing.interval)
            gone = self._book.forget(self._clock.now())
            if gone:
                await self._shelf.write([], gone)
            self._book.restore(await self._shelf.mend(self._book.entries.values()))

    async def _flush(self) -> None:
        """Send the last news, within a moment."""
        tasks = [asyncio.ensure_future(self._last_news()), asyncio.ensure_future(self._clock.sleep(LAST_FLUSH))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _last_news(self) -> None:
        await asyncio.gather(*(sender.push(everything=False) for sender in self._senders))
