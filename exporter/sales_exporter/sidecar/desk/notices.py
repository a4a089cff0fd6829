"""The desk's own notices: stored, sent to every receiver that wants them, and sent again until each has taken them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.desk.courier import Courier, Receiver
from sales_exporter.sidecar.desk.letters import BOUND, LETTERS, Letter, Letters, Queue
from sales_exporter.sidecar.desk.message import Message, of_notice
from sales_exporter.sidecar.desk.model import Notice
from sales_exporter.sidecar.shelf import Shelf
from sales_exporter.sidecar.store import State

OWN_KNOWN = 7 * 86_400.0
"""Seconds for which a notice of the desk that comes again is known."""
RELAYED_KNOWN = 1_800.0
"""The same for a notification of Alertmanager. It tells again what lasts, as it is configured to, and that is no
repetition: half of the shortest repeat_interval in prometheus/alertmanager.yml, but for the Watchdog's."""
HOUSE_SECONDS = 30.0
"""Between two looks at what can be forgotten, and at a disk that refused."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to report, by receiver, and where letters are kept."""

    queues: Mapping[str, Queue]
    sent: Mapping[str, int]
    failures: Mapping[str, Mapping[str, int]]
    dropped: Mapping[str, int]
    state: State
    set_aside: int


class Notices:
    """Owns time and repetition; each receiver's sink owns its form.

    A message reaches each receiver at least once, with the same key whenever it is repeated. It is repeated only when
    the process ended, or the connection broke, between the receiver's taking it and our writing that down.
    """

    def __init__(self, folder: Path | None, receivers: Sequence[Receiver], clock: Clock, *, bound: int = BOUND,
                 chance: Random | None = None) -> None:
        """Open the notices in ``folder``; without one, or when the disk refuses, they live in memory. Never fails."""
        self._clock = clock
        self._chance = chance if chance is not None else Random()  # noqa: S311  (no secret)
        self._letters = Letters([], bound)
        self._shelf = Shelf(folder, LETTERS)
        self._employ(receivers)
        self._letters.restore(self._shelf.found)

    @property
    def phones(self) -> bool:
        """Whether any receiver is one."""
        return any(courier.receiver.phone for courier in self._couriers)

    async def send(self, notices: Iterable[Notice]) -> None:
        """Tell the receivers that are named, or whom it concerns; on disk when this returns. A notice whose key is
        known is left out.
        """
        told = [(one, of_notice(one), courier.receiver) for one in notices for courier in self._couriers]
        await self._add([(message, receiver) for notice, message, receiver in told
                         if (receiver.name in notice.to if notice.to else receiver.wants(message))], OWN_KNOWN)

    async def relay(self, messages: Iterable[Message]) -> None:
        """Tell the phones what Alertmanager tells; on disk when this returns. What was told a moment ago is left out.
        """
        phones = [courier.receiver for courier in self._couriers if courier.receiver.phone]
        await self._add([(one, receiver) for one in messages for receiver in phones if receiver.wants(one)],
                        RELAYED_KNOWN)

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for courier in self._couriers:
                tasks.create_task(courier.run())
            tasks.create_task(self._keep_house())

    async def renew(self, receivers: Sequence[Receiver]) -> None:
        """Go on with other receivers; not while it runs. What waits for one that is gone waits no more."""
        await self._hang_up()
        self._employ(receivers)
        await self._shelf.write([], self._letters.forget_strangers())

    async def close(self) -> None:
        """Close file and connections. What waits is sent after the next start."""
        await self._hang_up()
        await self._shelf.close()

    def facts(self) -> Facts:
        """What there is to report."""
        couriers = {courier.receiver.name: courier for courier in self._couriers}
        return Facts(
            {name: self._letters.queue(name) for name in couriers},
            {name: one.sent for name, one in couriers.items()},
            {name: dict(one.failures) for name, one in couriers.items()},
            {name: self._letters.dropped[name] for name in couriers}, self._shelf.state, self._shelf.set_aside)

    def _employ(self, receivers: Sequence[Receiver]) -> None:
        self._letters.receivers = [one.name for one in receivers]
        self._couriers = [Courier(one, self._letters, self._keep, self._clock, self._chance) for one in receivers]

    async def _hang_up(self) -> None:
        for courier in self._couriers:
            await courier.receiver.sink.close()

    async def _add(self, told: Iterable[tuple[Message, Receiver]], known_for: float) -> None:
        now = self._clock.now()
        added = [self._letters.add(receiver.name, message, now, known_for) for message, receiver in told]
        await self._keep([letter for letter in added if letter is not None])

    async def _keep(self, changed: Sequence[Letter]) -> None:
        """Write what changed, then let it be sent. Whoever is cancelled meanwhile leaves the rest to others."""
        if changed:
            await asyncio.shield(asyncio.ensure_future(self._kept(changed)))

    async def _kept(self, changed: Sequence[Letter]) -> None:
        gone = [*self._letters.forget(self._clock.now()),
                *(one.name for one in changed if one.name not in self._letters.entries)]
        left = [one for one in changed if one.name in self._letters.entries]
        await self._shelf.write(left, gone)
        for letter in left:
            letter.stored = True
        for courier in self._couriers:
            courier.wake()

    async def _keep_house(self) -> None:
        while True:
            await self._clock.sleep(HOUSE_SECONDS)
            gone = self._letters.forget(self._clock.now())
            if gone:
                await self._shelf.write([], gone)
            self._letters.restore(await self._shelf.mend(self._letters.entries.values()))
