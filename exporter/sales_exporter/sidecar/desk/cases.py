"""How one alert's record changes: it fires, is seen again, ends, fires anew. Pure functions of records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sales_exporter.sidecar.desk.model import Actor, Case, Event, Kind, Notice, State
from sales_exporter.sidecar.desk.notice import muted_at_the_end, notice
from sales_exporter.sidecar.desk.record import Record
from sales_exporter.sidecar.desk.seen import Seen, Sight, Silence
from sales_exporter.sidecar.desk.silences import Own, ended_by_somebody, leftover, muting, words

Told = tuple[Record, list[Event], list[Notice]]

EQUAL = 0.001
"""Seconds by which two starts of one firing may differ: Alertmanager keeps milliseconds."""
ALERTMANAGER = Actor("", "alertmanager")
DESK = Actor("", "desk")


def event(record: Record, kind: Kind, actor: Actor, now: float, why: str = "") -> Event:
    """Something that happened to a record's alert."""
    case = record.case
    return Event(now, case.fingerprint, kind, actor.name, actor.via, why, case.labels, case.starts_at)


def fired(fingerprint: str, seen: Seen, pushed: bool, now: float) -> Told:
    """A new firing, with nothing of an earlier one but its name."""
    case = Case(fingerprint, dict(seen.labels), dict(seen.annotations), seen.starts_at, pushed=pushed,
                generator_url=seen.generator_url, receivers=seen.receivers)
    record = Record(case, seen.starts_at, now)
    return record, [event(record, "fired", DESK if pushed else ALERTMANAGER, now)], []


def fired_again(record: Record, seen: Seen, pushed: bool, now: float) -> Told:
    """An alert that was over is there again: the same firing when its start is the same, else a new one."""
    if seen.starts_at > record.begun + EQUAL:
        fresh, events, _ = fired(record.case.fingerprint, seen, pushed, now)
        # What silenced the last firing must not silence this one: it is ended by its id.
        return replace(fresh, past=record.without_silences().past), events, []
    again = replace(record, shown=True).with_case(
        state=_state_before(record, now), ends_at=None, pushed=pushed)
    return again, [event(again, "fired", DESK if pushed else ALERTMANAGER, now, "it had not ended")], []


def ended(record: Record, actor: Actor, now: float, why: str = "") -> Told:
    """The alert is over. What Alertmanager tells nobody, since it was muted, the desk tells."""
    over = replace(record, shown=False, waiting_since=None, repeat_at=None).with_case(
        state="resolved", ends_at=max(now, record.case.starts_at), next_step_at=None, instances=())
    words, muted = f"{over.case.alertname} is over; it was {_how(record)}.", muted_at_the_end(record)
    # Those whom the desk told of the escalation alone hear of the end from nobody else.
    told = [notice("resolved", over, now, words, to=() if muted else record.told)] if muted or record.told else []
    return over, [event(over, "resolved", actor, now, why)], told


def seen_on(record: Record, seen: Seen, sight: Sight, pushed: bool) -> Record:
    """An alert that lasts, with what is shown of it at this moment."""
    case, name = record.case, record.case.fingerprint
    instances = seen.instances | held_by(case, sight)
    begun = record.begun
    if (pushed and not case.pushed) or not sight.trusts(name):
        # The outbox, or an Alertmanager that has lost its memory, names a later start of the same firing.
        begun = max(begun, seen.starts_at)
    shown = (seen.annotations, case.pushed or pushed, seen.generator_url,
             bool(seen.inhibited_by - sight.copies.get(name, frozenset())), seen.receivers, tuple(sorted(instances)))
    heard = record.heard or bool(seen.instances and not seen.silenced_by and not seen.inhibited_by)
    # Compared before it is made: this is done for every alert at every look.
    if (begun, heard) == (record.begun, record.heard) and shown == (
            case.annotations, case.pushed, case.generator_url, case.inhibited, case.receivers, case.instances):
        return record
    annotations, pushed, url, inhibited, receivers, there = shown
    return replace(record, begun=begun, heard=heard).with_case(
        annotations=dict(annotations), pushed=pushed, generator_url=url, inhibited=inhibited, receivers=receivers,
        instances=there)


def held_by(case: Case, sight: Sight) -> frozenset[str]:
    """Alertmanagers that showed it last and have not said since that it is gone."""
    return frozenset(name for name in case.instances
                     if name in sight.awaited or (name in sight.silences and name not in sight.settled))


def silenced(record: Record, seen: Seen, own: Own, silences: Mapping[str, Silence], now: float) -> Told:
    """Whether a silence that is not ours mutes the alert."""
    foreign = sorted(seen.silenced_by - own.known.keys() - {*record.silences, *record.past})
    known = [silences[name] for name in foreign if name in silences]
    if bool(known) == record.case.silenced:
        return record, [], []
    if not known:
        free = replace(record, foreign="").with_case(silenced=False)
        return free, [event(free, "unsilenced", ALERTMANAGER, now)], []
    by = known[0]
    muted = replace(record, foreign=by.id).with_case(silenced=True)
    return muted, [event(muted, "silenced", Actor(by.by, "alertmanager"), now, by.comment)], []


def owned(record: Record, own: Own, now: float) -> Told:
    """Silences of ours as they are found: one that is new says who has the alert, one that somebody ended that nobody
    has.
    """
    ids = {*record.silences, *record.past}
    strange = [one for name, one in own.active.items() if name not in ids and not leftover(record, one)]
    if record.muting is None:
        return _adopted(record, strange, now) if strange else (record, [], [])
    if ended_by_somebody(record, own):
        free = freed(record)
        return free, [event(free, "unacknowledged", ALERTMANAGER, now, "its silence was ended")], []
    if not own.active:
        lapsed = any(name in own.known for name in record.silences)
        return (record.without_silences() if lapsed else record), [], []
    stands = replace(record, silences=tuple(sorted(own.active)), silence_ends=max(
        one.ends_at for one in own.active.values()), asked_at=now if strange else record.asked_at)
    return stands, [], []


def freed(record: Record) -> Record:
    """Nobody has it, and it fires."""
    return replace(record.without_silences(), closed=False, muted_by="", words="").with_case(
        state="firing", acknowledged_by="", acknowledged_at=None, until=None)


def _adopted(record: Record, strange: list[Silence], now: float) -> Told:
    """Silences that an earlier life, another desk or a hand made. The first of them says who has the alert."""
    first, why = strange[0], muting(strange[0])
    if why is None:
        return record, [], []
    known = replace(record, silences=tuple(one.id for one in strange), asked_at=now, muted_by=first.by,
                    words=words(first), closed=why == "closed", silence_ends=first.ends_at)
    actor = Actor(first.by, "alertmanager")
    if why == "snoozed":
        known = known.with_case(state="snoozed", until=first.ends_at)
    elif why == "acknowledged":
        known = known.with_case(state="acknowledged", acknowledged_by=first.by, acknowledged_at=now,
                                owner=record.case.owner or first.by)
    else:
        known = known.with_case(state="resolved")
    return known, [event(known, why, actor, now, words(first))], []


def _state_before(record: Record, now: float) -> State:
    case = record.case
    if record.closed:
        return "resolved"
    if case.acknowledged_by:
        return "acknowledged"
    return "snoozed" if case.until is not None and case.until > now else "firing"


def _how(record: Record) -> str:
    case = record.case
    if record.muting == "acknowledged":
        return f"acknowledged by {case.acknowledged_by or 'somebody'}"
    return record.muting or ("silenced" if case.silenced else "escalated")
