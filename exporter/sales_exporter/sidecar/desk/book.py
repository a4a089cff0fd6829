"""All alerts that the desk knows, and what has to be done about them. Nothing here waits or writes.

Whatever is to be done elsewhere (silences, copies) follows from the records and from what is seen, again and again: an
order that was lost with the process is given anew, and one that was carried out is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from sales_exporter.sidecar.desk import acting, cases, escalation, silences
from sales_exporter.sidecar.desk.cases import ALERTMANAGER, DESK, EQUAL, Told
from sales_exporter.sidecar.desk.model import Action, Actor, Case, State
from sales_exporter.sidecar.desk.notice import notice
from sales_exporter.sidecar.desk.outcome import Outcome
from sales_exporter.sidecar.desk.policy import Policy
from sales_exporter.sidecar.desk.record import Record
from sales_exporter.sidecar.desk.seam import UnknownAlert
from sales_exporter.sidecar.desk.seen import Seen, Sight
from sales_exporter.sidecar.desk.silences import Expire, Order, Own
from sales_exporter.sidecar.outbox.alert import Alert

LINGER = 300.0
"""Seconds for which Alertmanagers may show a pushed alert after its end."""
KEPT = 400 * 86_400.0
"""Seconds for which an alert that is over is known."""
BOUND = 10_000
"""Alerts that are over and still known, at most; the oldest go first."""
HELD = 86_400.0
"""Seconds for which a finding that was resolved by hand, but still stands, is not raised again."""
_SEVERITIES = {"critical": 0, "warning": 1, "info": 2}
_STATES: dict[State, int] = {"firing": 0, "acknowledged": 1, "snoozed": 2, "resolved": 3}
_NONE = Own()


class Book:
    """Records by fingerprint. Every change is answered with an ``Outcome``: what to keep and to tell."""

    def __init__(self, policy: Policy, records: Iterable[Record] = ()) -> None:
        """Go on with the records that were kept."""
        self.policy = policy
        self.records = {record.case.fingerprint: record for record in records}
        self._version = max((record.case.version for record in self.records.values()), default=0)
        self._owned: dict[str, Own] = {}

    def cases(self) -> list[Case]:
        """All that are not over, worst first."""
        found = [record.case for record in self.records.values() if record.shown and not record.closed]
        return sorted(found, key=lambda case: (_SEVERITIES.get(case.severity, 3), _STATES[case.state], case.starts_at,
                                               case.fingerprint))

    def present(self, names: Iterable[str]) -> list[Record]:
        """Records as they are at this moment."""
        return [self.records[name] for name in names if name in self.records]

    def restore(self, records: Iterable[Record]) -> Outcome:
        """Take in what a file held that could not be read before: what people had decided, and what is not known."""
        out = Outcome()
        for record in records:
            known = self.records.get(record.case.fingerprint)
            if known is None or (known.turn == 0 and abs(known.begun - record.begun) <= EQUAL):
                out.records |= self._changed(record).records
        return out

    def observe(self, sight: Sight, now: float) -> Outcome:
        """Take in what is shown now."""
        out, self._owned = Outcome(), silences.own(sight)
        known = {one.id: one for found in sight.silences.values() for one in found}
        for name, seen in sight.alerts.items():
            if self._over(name, sight, now):
                continue
            record = self._told(self._appeared(name, seen, sight, now), now, out)
            own = self._owned.get(name, _NONE)
            record = cases.seen_on(record, seen, sight, name in sight.pushed)
            record = self._told(cases.silenced(record, seen, own, known, now), now, out)
            self._told(cases.owned(record, own, now), now, out)
        for record in [one for name, one in self.records.items()
                       if one.shown and (name not in sight.alerts or self._over(name, sight, now))]:
            self._missing(record, sight, now, out)
        return out

    def due(self, now: float) -> Outcome:
        """What the time brings: snoozes that end, and steps of the policy."""
        out = Outcome()
        for record in list(self.records.values()):
            case = record.case
            if record.shown and case.state == "snoozed" and case.until is not None and case.until <= now:
                woken = cases.freed(replace(record, turn=record.turn + 1))
                words = f"{case.alertname} still fires; it was snoozed by {record.muted_by or 'somebody'}."
                self._told((woken, [cases.event(woken, "woken", DESK, now)], [notice("woken", woken, now, words)]),
                           now, out)
            elif record.shown:
                self._told(escalation.step(self.policy, record, now), now, out)
        return out

    def act(self, fingerprint: str, action: Action, by: Actor, now: float) -> Outcome:
        """Somebody does something.

        Raises:
            UnknownAlert: there is no such record.
            Impossible: the action does not fit.
        """
        if fingerprint not in self.records:
            raise UnknownAlert(fingerprint)
        out = Outcome()
        self._told(acting.act(self.records[fingerprint], action, by, now), now, out)
        return out

    def orders(self, sight: Sight, now: float) -> list[Order]:
        """What is to be done at the Alertmanagers that answered, by the last look."""
        answered = tuple(sight.silences)
        return [order for name, record in self.records.items() if record.shown
                for order in silences.orders(record, self._owned.get(name, _NONE), answered, now)]

    def asked(self, order: Order, now: float) -> Outcome:
        """A silence was asked for, and it is not known what came of it."""
        record = self.records.get(order.fingerprint)
        if record is None or isinstance(order, Expire) or order.id:
            return Outcome()
        return self._changed(replace(record, asked_at=now))

    def done(self, order: Order, id_: str, now: float) -> Outcome:
        """An order was carried out; ``id_`` is that of the silence which stands or stood."""
        record = self.records.get(order.fingerprint)
        if record is None or isinstance(order, Expire):
            return Outcome()
        if record.muting is None:
            # Given back meanwhile: it is ended next.
            return self._changed(replace(record, past=(*record.past, id_)))
        silences_ = tuple(dict.fromkeys((*record.silences, id_)))
        return self._changed(replace(record, silences=silences_, silence_ends=order.ends_at, asked_at=now))

    def copies(self) -> dict[str, Alert]:
        """Copies of alerts that should last at the Alertmanagers, by their fingerprints."""
        found = (escalation.copy(self.policy, record) for record in self.records.values() if record.case.step)
        return {alert.fingerprint: alert for alert in found if alert is not None}

    def release(self, alerts: Iterable[Alert], unsettled: Collection[str], now: float) -> Outcome:
        """Hold no finding back any more that has been gone since it was resolved by hand, or has stood for too long.

        ``unsettled`` are names of alerts of which it is not known yet whether they stand.
        """
        out, standing = Outcome(), {alert.fingerprint for alert in alerts}
        for name, record in list(self.records.items()):
            held = record.held_since
            gone = name not in standing and record.case.alertname not in unsettled
            if held is not None and (gone or now - held >= HELD):
                out.records |= self._changed(replace(record, held_since=None)).records
        return out

    def held(self) -> frozenset[str]:
        """Fingerprints of findings that are not raised: resolved by hand, they have stood ever since."""
        return frozenset(name for name, record in self.records.items() if record.held_since is not None)

    def follow(self, policy: Policy, now: float) -> Outcome:
        """Another policy holds from now on."""
        self.policy, out = policy, Outcome()
        for record in list(self.records.values()):
            if record.shown:
                out.records |= self._changed(escalation.clocked(policy, record, now)).records
        return out

    def forget(self, now: float) -> list[str]:
        """Let go of what has been over for long. Returns the fingerprints."""
        over = sorted((record.case.ends_at or now, name) for name, record in self.records.items()
                      if not record.shown and record.held_since is None)
        gone = [name for place, (end, name) in enumerate(over) if now - end >= KEPT or place < len(over) - BOUND]
        for name in gone:
            del self.records[name]
        return gone

    def _over(self, name: str, sight: Sight, now: float) -> bool:
        """Whether an alert that is shown is one of ours that has ended, and is shown for a moment longer."""
        record = self.records.get(name)
        if record is None or not record.case.pushed:
            return False
        if record.held_since is not None:
            # Resolved by hand a moment ago, which the outbox has not been told yet, or Alertmanager.
            return True
        if name in sight.pushed:
            return False
        return record.shown or now - (record.case.ends_at or now) < LINGER

    def _appeared(self, name: str, seen: Seen, sight: Sight, now: float) -> Told:
        """What it means that an alert is shown."""
        record, pushed = self.records.get(name), name in sight.pushed
        if record is None:
            return cases.fired(name, seen, pushed, now)
        if record.shown:
            if seen.starts_at <= record.begun + EQUAL or not sight.trusts(name) or pushed != record.case.pushed:
                return record, [], []
            # It ended and began between two looks.
            _, events, notices = cases.ended(record, ALERTMANAGER, now)
            fresh, more, _ = cases.fired_again(replace(record, shown=False), seen, pushed, now)
            return fresh, [*events, *more], notices
        return cases.fired_again(record, seen, pushed, now)

    def _missing(self, record: Record, sight: Sight, now: float, out: Outcome) -> None:
        """An alert is shown by nobody: is it over?"""
        case = record.case
        if not case.pushed:
            said_gone, holders = sight.settled & set(case.instances), cases.held_by(case, sight)
            if not said_gone and (holders or not sight.settled):
                self._told((record.with_case(instances=tuple(sorted(holders))), [], []), now, out)
                return
        self._told(cases.ended(record, DESK if case.pushed else ALERTMANAGER, now), now, out)

    def _told(self, told: Told, now: float, out: Outcome) -> Record:
        record, events, notices = told
        if record is self.records.get(record.case.fingerprint):
            return record
        if record.shown:
            record = escalation.clocked(self.policy, record, now)
        out.records |= self._changed(record).records
        out.add(events, notices)
        return self.records[record.case.fingerprint]

    def _changed(self, record: Record) -> Outcome:
        name = record.case.fingerprint
        before = self.records.get(name)
        if before == record:
            return Outcome()
        if before is None or before.case != record.case:
            self._version += 1
            record = record.with_case(version=self._version)
        self.records[name] = record
        return Outcome({name: record})
