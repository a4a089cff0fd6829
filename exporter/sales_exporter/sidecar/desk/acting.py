"""What people do with an alert, and what comes of it. Pure functions of records."""

from __future__ import annotations

import math
from dataclasses import replace

from sales_exporter.sidecar.desk.cases import Told, ended, event, freed
from sales_exporter.sidecar.desk.model import (
    Acknowledge,
    Action,
    Actor,
    Assign,
    Comment,
    Event,
    Kind,
    Resolve,
    Snooze,
    Unacknowledge,
)
from sales_exporter.sidecar.desk.record import Record
from sales_exporter.sidecar.desk.seam import Impossible
from sales_exporter.sidecar.outbox.alert import clean

LONGEST_SNOOZE = 30 * 86_400.0
"""Seconds that an alert may be snoozed for."""
WORDS_CUT = 1_000
"""Longest comment; longer ones are cut."""
UNTIL_IT_ENDS = "closed by hand; a rule raised it, so that it is muted until it ends"


def act(record: Record, action: Action, by: Actor, now: float) -> Told:
    """The record after an action. The same action again changes nothing but the words.

    Raises:
        Impossible: it does not fit; the text says why.
    """
    by = Actor(clean(by.name), by.via)
    words = clean(action.comment.strip(), WORDS_CUT)
    if isinstance(action, Comment):
        return _commented(record, words, by, now)
    if isinstance(action, Resolve):
        return _resolved(record, words, by, now)
    if not record.shown:
        raise Impossible("the alert is over")
    if isinstance(action, Assign):
        return _assigned(record, clean(action.owner.strip()), words, by, now)
    if isinstance(action, Unacknowledge):
        return _given_back(record, words, by, now)
    if record.closed:
        raise Impossible("the alert was closed by hand; un-acknowledge it first")
    if isinstance(action, Acknowledge):
        return _acknowledged(record, words, by, now)
    return _snoozed(record, action, words, by, now)


def _acknowledged(record: Record, words: str, by: Actor, now: float) -> Told:
    case = record.case
    if case.state == "acknowledged" and case.acknowledged_by == by.name:
        return _reworded(record, "acknowledged", words, by, now)
    since = case.acknowledged_at if case.state == "acknowledged" else now
    done = _turned(record, by, words).with_case(
        state="acknowledged", acknowledged_by=by.name, acknowledged_at=since, until=None, owner=case.owner or by.name)
    return done, [event(done, "acknowledged", by, now, words)], []


def _given_back(record: Record, words: str, by: Actor, now: float) -> Told:
    if record.muting is None:
        return _reworded(record, "commented", words, by, now)
    case = record.case
    done = freed(_turned(record, by, words)).with_case(
        owner="" if case.owner == case.acknowledged_by else case.owner, comment=words or case.comment)
    return done, [event(done, "unacknowledged", by, now, words)], []


def _snoozed(record: Record, action: Snooze, words: str, by: Actor, now: float) -> Told:
    if not (math.isfinite(action.seconds) and 0 < action.seconds <= LONGEST_SNOOZE):
        raise Impossible("an alert is snoozed for more than 0 seconds and for 30 days at most")
    done = _turned(record, by, words).with_case(
        state="snoozed", acknowledged_by="", acknowledged_at=None, until=now + action.seconds)
    return done, [event(done, "snoozed", by, now, words)], []


def _resolved(record: Record, words: str, by: Actor, now: float) -> Told:
    if record.case.state == "resolved":
        return _reworded(record, "commented", words, by, now)
    if record.case.pushed:
        over, events, notices = ended(_turned(record, by, words), by, now, words)
        return replace(over, held_since=now), events, notices
    done = replace(_turned(record, by, words), closed=True).with_case(
        state="resolved", acknowledged_by="", acknowledged_at=None, until=None)
    why = f"{words} ({UNTIL_IT_ENDS})" if words else UNTIL_IT_ENDS
    return done, [event(done, "closed", by, now, why)], []


def _assigned(record: Record, owner: str, words: str, by: Actor, now: float) -> Told:
    if owner == record.case.owner:
        return _reworded(record, "commented", words, by, now)
    done = record.with_case(owner=owner, comment=words or record.case.comment)
    why = f"to {owner}" if owner else "to nobody"
    return done, [event(done, "assigned", by, now, f"{why}: {words}" if words else why)], []


def _commented(record: Record, words: str, by: Actor, now: float) -> Told:
    if not words:
        raise Impossible("a comment needs words")
    done = record.with_case(comment=words)
    return done, [event(done, "commented", by, now, words)], []


def _reworded(record: Record, kind: Kind, words: str, by: Actor, now: float) -> Told:
    """What was done already is done again, perhaps with other words."""
    if not words or words == record.case.comment:
        return record, list[Event](), []
    changed = record.with_case(comment=words)
    if kind == "acknowledged":
        changed = replace(changed, words=words)
    return changed, [event(changed, "commented", by, now, words)], []


def _turned(record: Record, by: Actor, words: str) -> Record:
    """A new turn: who mutes the alert, and the words."""
    return replace(record, turn=record.turn + 1, closed=False, muted_by=by.name, words=words, silence_ends=None,
                   ).with_case(comment=words or record.case.comment)
