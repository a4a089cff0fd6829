"""What the alert desk knows, as the API answers it, and what may be done there."""

from __future__ import annotations

from sales_exporter.api.asked import (
    ActiveWanted,
    AssignSaid,
    CommentSaid,
    HistoryWanted,
    Nothing,
    Said,
    SnoozeSaid,
    TimesWanted,
)
from sales_exporter.api.operation import Call
from sales_exporter.api.schema import Active, Alert, Event, Flapping, History, Times
from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.desk import model
from sales_exporter.sidecar.desk.model import Action, Actor, Case, Wanted
from sales_exporter.sidecar.desk.seam import AlertDesk

KEPT = 400 * 86_400.0
"""Seconds for which the desk keeps its history."""
USUAL = 30 * 86_400.0
NOBODY = "somebody"
"""Who acts where there are no users, and says no name."""
CLI = "sales-exporter/"
"""How the user agent of our own command line begins."""


def alert(case: Case) -> Alert:
    """A case as the API answers it."""
    return Alert(
        fingerprint=case.fingerprint, alertname=case.alertname, severity=case.severity, state=case.state,
        labels=dict(case.labels), annotations=dict(case.annotations), starts_at=case.starts_at, ends_at=case.ends_at,
        pushed=case.pushed, generator_url=case.generator_url, owner=case.owner, acknowledged_by=case.acknowledged_by,
        acknowledged_at=case.acknowledged_at, until=case.until, comment=case.comment, silenced=case.silenced,
        inhibited=case.inhibited, step=case.step, next_step_at=case.next_step_at, receivers=case.receivers,
        instances=case.instances, version=case.version)


class DeskCalls:
    """What may be asked of the desk."""

    def __init__(self, desk: AlertDesk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock

    async def active(self, call: Call[ActiveWanted, None]) -> Active:
        """All open cases, or some of them."""
        wanted = call.query
        cases = [case for case in self._desk.cases()
                 if wanted.severity in (None, case.severity) and wanted.state in (None, case.state)
                 and wanted.team in (None, case.labels.get("team", ""))]
        return Active(as_of=self._clock.now(), alerts=tuple(alert(case) for case in cases))

    async def history(self, call: Call[HistoryWanted, None]) -> History:
        """A page of events."""
        asked = call.query
        found = await self._desk.history(Wanted(
            since=asked.since, until=asked.until, fingerprint=asked.fingerprint, alertname=asked.alertname,
            kinds=frozenset([asked.kind] if asked.kind is not None else []), before=asked.before, limit=asked.limit))
        events = tuple(_event(event) for event in found)
        return History(events=events, next=events[-1].number if len(events) == asked.limit else None)

    async def times(self, call: Call[TimesWanted, None]) -> Times:
        """How long people and alerts took."""
        until = call.query.until if call.query.until is not None else self._clock.now()
        since = call.query.since if call.query.since is not None else until - USUAL
        found = await self._desk.times(max(since, until - KEPT), until)
        flapping = tuple(Flapping(fingerprint=one.fingerprint, labels=dict(one.labels), times=one.times,
                                  lasted=one.lasted) for one in found.flapping)
        return Times(since=since, until=until, cases=found.cases, acknowledge_median=found.acknowledge_median,
                     acknowledge_p90=found.acknowledge_p90, resolve_median=found.resolve_median,
                     resolve_p90=found.resolve_p90, flapping=flapping)

    async def acknowledge(self, call: Call[Nothing, Said]) -> Alert:
        """I have it."""
        return await self._act(call, model.Acknowledge(call.body.comment))

    async def unacknowledge(self, call: Call[Nothing, Said]) -> Alert:
        """I have it no more."""
        return await self._act(call, model.Unacknowledge(call.body.comment))

    async def resolve(self, call: Call[Nothing, Said]) -> Alert:
        """It is over."""
        return await self._act(call, model.Resolve(call.body.comment))

    async def snooze(self, call: Call[Nothing, SnoozeSaid]) -> Alert:
        """Not for a while."""
        return await self._act(call, model.Snooze(call.body.seconds, call.body.comment))

    async def assign(self, call: Call[Nothing, AssignSaid]) -> Alert:
        """It belongs to somebody."""
        return await self._act(call, model.Assign(call.body.owner, call.body.comment))

    async def comment(self, call: Call[Nothing, CommentSaid]) -> Alert:
        """Words for the history."""
        return await self._act(call, model.Comment(call.body.comment))

    async def _act(self, call: Call[Nothing, Said] | Call[Nothing, SnoozeSaid] | Call[Nothing, AssignSaid]
                   | Call[Nothing, CommentSaid], action: Action) -> Alert:
        name = call.login or call.body.by or NOBODY
        by = Actor(name, "cli" if call.agent.startswith(CLI) else "api")
        return alert(await self._desk.act(call.path["fingerprint"], action, by))


def _event(event: model.Event) -> Event:
    return Event(number=event.number, at=event.at, fingerprint=event.fingerprint, kind=event.kind, by=event.by,
                 via=event.via, why=event.why, labels=dict(event.labels), starts_at=event.starts_at)
