"""The alert desk: looks at all Alertmanagers and the outbox, keeps what people decide, and sees to it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from sales_exporter.errors import SourceError, SourceUnavailable
from sales_exporter.runtime.clock import Clock, woken
from sales_exporter.sidecar.desk import metrics
from sales_exporter.sidecar.desk.book import Book
from sales_exporter.sidecar.desk.changes import Changes
from sales_exporter.sidecar.desk.escalation import ended
from sales_exporter.sidecar.desk.history import History
from sales_exporter.sidecar.desk.instances import EVERY, Instance, Session, Unsure
from sales_exporter.sidecar.desk.model import Action, Actor, Case, Event, Notice, Reach, Times, Wanted
from sales_exporter.sidecar.desk.outcome import Outcome
from sales_exporter.sidecar.desk.policy import Policy
from sales_exporter.sidecar.desk.seam import UnknownAlert
from sales_exporter.sidecar.desk.seen import HEARTBEAT, ORIGIN, Sight, merged
from sales_exporter.sidecar.desk.silences import Order
from sales_exporter.sidecar.outbox import Alert, Outbox

log = logging.getLogger(__name__)

HOUSE_SECONDS = 60.0
"""Between two tries of a disk that refused."""
PRUNE_SECONDS = 86_400.0
"""Between two looks for what is too old."""

Tell = Callable[[Sequence[Notice]], Awaitable[None]]
"""Takes notices and has stored them when it returns. One that comes again has the same key."""


async def nobody(notices: Sequence[Notice]) -> None:
    """Where there are no receivers."""


class Desk:
    """The cases of one sidecar: an ``AlertDesk``.

    What people decide is on disk before they are answered. What follows from it (silences, copies, notices) is found
    again at every look, from what is kept and what is seen, and so survives the end of the process at any point.
    """

    def __init__(self, folder: Path | None, policy: Policy, alertmanagers: Sequence[str], outbox: Outbox, clock: Clock,
                 session: Session, tell: Tell = nobody) -> None:
        """Open the history in ``folder``; without one it lives in memory. Never fails."""
        self._clock, self._tell, self._session = clock, tell, session
        self._history = History(folder)
        self._book = Book(policy, self._history.found)
        self._changes = Changes()
        self._tally = metrics.Tally()
        self._news = asyncio.Event()
        self._housed, self._pruned = clock.monotonic(), float("-inf")
        self._orders_failed: Counter[str] = Counter()
        self._failing: set[str] = set()
        self._follow(alertmanagers, outbox)

    def cases(self) -> Sequence[Case]:
        """All that are not over, worst first."""
        return self._book.cases()

    def reach(self) -> Reach:
        """Who answers, and whether alerts of rules arrive."""
        polls = [one.latest for one in self._instances]
        heartbeat = any(seen.labels.get("alertname") == HEARTBEAT for poll in polls if poll is not None
                        for seen in poll.alerts.values())
        return Reach(tuple(one.name for one in self._instances if one.up),
                     tuple(one.name for one in self._instances if not one.up), heartbeat)

    async def case(self, fingerprint: str) -> Case:
        """One case, over or not.

        Raises:
            UnknownAlert: there is none.
        """
        record = self._book.records.get(fingerprint)
        if record is None:
            raise UnknownAlert(fingerprint)
        return record.case

    async def act(self, fingerprint: str, action: Action, by: Actor) -> Case:
        """Do it: on disk when this returns, at the Alertmanagers a moment later. The case as it is then.

        Raises:
            UnknownAlert: there is no such case.
            Impossible: it is over, or the action does not fit.
        """
        await self._settle(self._book.act(fingerprint, action, by, self._clock.now()))
        await self._end_what_was_resolved()
        for instance in self._instances:
            instance.wake()
        self._news.set()
        return self._book.records[fingerprint].case

    async def history(self, wanted: Wanted) -> Sequence[Event]:
        """Events, the newest first, a thousand at most."""
        return await self._history.events(wanted)

    async def times(self, since: float, until: float) -> Times:
        """How long it took to acknowledge and to resolve the cases that began in a span, and which of them flap."""
        return await self._history.times(since, until)

    def changes(self) -> AbstractAsyncContextManager[AsyncIterator[Case]]:
        """Every case that changes while the context is open, in its newest state."""
        return self._changes.listen()

    async def note(self, events: Sequence[Event]) -> None:
        """Write down what others have seen, such as notifications; on disk when this returns."""
        await self._history.keep([], events)

    async def admitted(self, alerts: Sequence[Alert], unsettled: Collection[str]) -> list[Alert]:
        """Findings that may be raised: not those that were resolved by hand and have stood ever since.

        ``unsettled`` are names of alerts of which it is not known yet whether they stand.
        """
        await self._settle(self._book.release(alerts, unsettled, self._clock.now()))
        held = self._book.held()
        return [alert for alert in alerts if alert.fingerprint not in held]

    def wake(self) -> None:
        """There is news in the outbox: look at once, so that not even a short alert is missed."""
        self._news.set()

    def facts(self) -> metrics.Facts:
        """What there is to report."""
        return metrics.Facts(
            tuple(self._book.cases()), self._tally, {one.name: one.up for one in self._instances},
            {one.name: dict(one.failures) for one in self._instances}, dict(self._orders_failed),
            self._history.state, self._history.set_aside)

    async def run(self) -> None:
        """Look and act until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for instance in self._instances:
                tasks.create_task(instance.run(self._news.set))
            tasks.create_task(self._rounds())

    async def renew(self, policy: Policy, alertmanagers: Sequence[str], outbox: Outbox) -> None:
        """Go on with other settings; not while it runs."""
        await self._close_instances()
        self._follow(alertmanagers, outbox)
        await self._settle(self._book.follow(policy, self._clock.now()))

    async def close(self) -> None:
        """Close file and connections."""
        await self._close_instances()
        await self._history.close()

    async def round(self) -> None:
        """Look at what the Alertmanagers showed last, and do what follows from it."""
        now = self._clock.now()
        sight = self._sight(now)
        await self._settle(self._book.observe(sight, now))
        await self._settle(self._book.due(now))
        await self._end_what_was_resolved()
        await self._copy()
        await self._order(self._book.orders(sight, now))
        await self._keep_house()

    def _follow(self, alertmanagers: Sequence[str], outbox: Outbox) -> None:
        self._outbox = outbox
        self._instances = [Instance(url, self._session, self._clock) for url in alertmanagers]
        self._by_name = {one.name: one for one in self._instances}

    def _sight(self, now: float) -> Sight:
        polls = [one.latest for one in self._instances]
        return merged((poll for poll in polls if poll is not None), self._outbox.active(), now,
                      (one.name for one in self._instances if one.awaited))

    async def _rounds(self) -> None:
        while True:
            self._news.clear()
            try:
                await self.round()
            except Exception:
                # A defect of ours: the next round must come all the same.
                log.exception("a round of the alert desk broke")
            await woken(self._news, self._clock, EVERY)

    async def _settle(self, out: Outcome) -> None:
        """Tell, keep and publish. Told first: what is told again after a crash is known by its key."""
        if not out:
            return
        if out.notices:
            try:
                await self._tell(out.notices)
            except Exception:
                log.exception("notices of the alert desk broke")
        self._tally.count(out.events, self._book.records)
        # As they are by now: what somebody did meanwhile may be on disk already.
        await self._history.keep(self._book.present(out.records), out.events)
        self._changes.publish(record.case for record in self._book.present(out.records))

    async def _end_what_was_resolved(self) -> None:
        over = self._book.held() & {alert.fingerprint for alert in self._outbox.active()}
        if over:
            await self._outbox.resolve(over, self._clock.now())

    async def _copy(self) -> None:
        """Have the copies that escalation wants in the outbox, and no others."""
        wanted = self._book.copies()
        there = {alert.fingerprint: alert for alert in self._outbox.active() if ORIGIN in alert.annotations}
        await self._outbox.raise_(alert for name, alert in wanted.items() if name not in there)
        for name, alert in there.items():
            if name not in wanted:
                record = self._book.records.get(alert.annotations[ORIGIN])
                await self._outbox.raise_([ended(alert, record.case if record is not None else None)])
                await self._outbox.resolve([name], self._clock.now())

    async def _order(self, orders: Sequence[Order]) -> None:
        """See to orders, and have a new look at those who were asked."""
        deaf = set[str]()
        for order in orders:
            # One that hangs would take its time for every order.
            if order.instance not in deaf and not await self._carry_out(order):
                deaf.add(order.instance)
        for name in {order.instance for order in orders}:
            self._by_name[name].wake()

    async def _carry_out(self, order: Order) -> bool:
        """See to an order; whether the Alertmanager listens."""
        now = self._clock.now()
        try:
            name = await self._by_name[order.instance].carry_out(order)
        except SourceError as error:
            await self._failed(order, error, now)
            return not isinstance(error, Unsure | SourceUnavailable)
        self._failing.discard(order.fingerprint)
        await self._settle(self._book.done(order, name, now))
        return True

    async def _failed(self, order: Order, error: SourceError, now: float) -> None:
        if isinstance(error, Unsure):
            await self._settle(self._book.asked(order, now))
        self._orders_failed[order.instance] += 1
        if order.fingerprint not in self._failing:
            self._failing.add(order.fingerprint)
            log.warning("a silence was not made or ended; it is tried again",
                        extra={"alertmanager": order.instance, "error": str(error)})

    async def _keep_house(self) -> None:
        now = self._clock.monotonic()
        if now - self._housed >= HOUSE_SECONDS:
            self._housed = now
            found = await self._history.mend(self._book.records.values())
            await self._settle(self._book.restore(found))
        if now - self._pruned >= PRUNE_SECONDS:
            self._pruned = now
            await self._history.prune(self._clock.now(), self._book.forget(self._clock.now()))

    async def _close_instances(self) -> None:
        for instance in self._instances:
            await instance.close()
