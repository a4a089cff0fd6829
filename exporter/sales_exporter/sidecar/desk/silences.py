"""Silences of ours: how they are told from those of others, and what is to be done so that the right ones stand. Pure.

One silence mutes one alert by its exact labels. Its comment begins with a word that says why, so that it is found
again after a restart, by other tools too (``ACK!`` is what karma writes).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from sales_exporter.sidecar.desk.record import Muting, Record
from sales_exporter.sidecar.desk.seen import Sight, Silence
from sales_exporter.sidecar.outbox.alert import clean

MARKS: Mapping[Muting, str] = {"acknowledged": "ACK!", "snoozed": "SNOOZE!", "closed": "CLOSED!"}
LENGTH = 900.0
"""Seconds that the silence of an acknowledgement lasts, unless it is extended."""
EXTEND = 600.0
"""It is extended when no more than so much is left: every five minutes, while the alert lasts."""
GOSSIP = 10.0
"""Seconds in which a silence reaches the other Alertmanagers of a cluster; then those that lack it get their own."""
SAME = 1.0
"""Seconds by which two times of a silence may differ."""
NOBODY = "alert desk"
"""Author of silences whose maker has no name."""


@dataclass(frozen=True, slots=True)
class Put:
    """Make a silence at one Alertmanager, or with an id change the one that stands there."""

    instance: str
    fingerprint: str
    labels: Mapping[str, str] = field(hash=False)
    ends_at: float
    by: str
    comment: str
    id: str = ""
    began: str = ""


@dataclass(frozen=True, slots=True)
class Expire:
    """End a silence, by way of one Alertmanager."""

    instance: str
    fingerprint: str
    id: str


Order = Put | Expire


@dataclass(frozen=True, slots=True)
class Own:
    """Silences of ours about one alert, as they were seen: by Alertmanager those that stand, and all by id."""

    standing: Mapping[str, tuple[Silence, ...]] = field(default_factory=dict)
    known: Mapping[str, Silence] = field(default_factory=dict)

    @property
    def active(self) -> Mapping[str, Silence]:
        """Those that stand, by id."""
        return {one.id: one for found in self.standing.values() for one in found}


def muting(silence: Silence) -> Muting | None:
    """Why a silence stands, if it is one of ours."""
    if not silence.fingerprint:
        return None
    return next((why for why, mark in MARKS.items() if silence.comment.startswith(f"{mark} ")), None)


def comment(why: Muting, by: str, words: str) -> str:
    """The comment of a silence of ours."""
    return clean(f"{MARKS[why]} {by}: {words}" if words else f"{MARKS[why]} {by}")


def words(silence: Silence) -> str:
    """What its maker said."""
    return silence.comment.partition(": ")[2]


def own(sight: Sight) -> dict[str, Own]:
    """Silences of ours, by the fingerprint of the alert that they are about."""
    found: dict[str, tuple[dict[str, tuple[Silence, ...]], dict[str, Silence]]] = {}
    for instance, silences in sight.silences.items():
        for one in silences:
            if muting(one) is None:
                continue
            standing, known = found.setdefault(one.fingerprint, ({}, {}))
            if one.state == "active":
                standing[instance] = (*standing.get(instance, ()), one)
            # Of one that stands here and is over there, the news has not come round yet.
            if one.state == "active" or one.id not in known:
                known[one.id] = one
    return {name: Own(*parts) for name, parts in found.items()}


def ended_by_somebody(record: Record, seen: Own) -> bool:
    """Whether a silence of ours that should stand was ended before its time, and none stands in its place."""
    if record.silence_ends is None or seen.active:
        return False
    over = [seen.known[name] for name in record.silences if name in seen.known]
    return bool(over) and all(one.ends_at < record.silence_ends - SAME for one in over)


def orders(record: Record, seen: Own, answered: Iterable[str], now: float) -> Iterator[Order]:
    """What to do so that the silences about an alert are as its case wants them.

    Those of an alert that is over are left to run out: ended at once, Alertmanager would tell the end a second time.
    """
    why = record.muting
    if why is None:
        if record.shown:
            yield from _expiries(record, seen)
        return
    by = record.muted_by or NOBODY
    text, until = comment(why, by, record.words), record.case.until if why == "snoozed" else None
    wish = partial(Put, fingerprint=record.case.fingerprint, labels=record.case.labels,
                   ends_at=now + LENGTH if until is None else until, by=by, comment=text)
    for instance, one in _each_once(seen):
        late = one.ends_at - now <= EXTEND if until is None else abs(one.ends_at - until) > SAME
        if late or one.comment != text:
            yield wish(instance, id=one.id, began=one.began)
    lacking = next((name for name in answered if name not in seen.standing), None)
    # Not while one that was asked for may be on its way.
    if lacking is not None and (record.asked_at is None or abs(now - record.asked_at) >= GOSSIP):
        yield wish(lacking)


def _expiries(record: Record, seen: Own) -> Iterator[Order]:
    for instance, one in _each_once(seen):
        # One that was made before this firing began is of an earlier one.
        if one.id in (*record.silences, *record.past) or leftover(record, one):
            yield Expire(instance, record.case.fingerprint, one.id)


def leftover(record: Record, silence: Silence) -> bool:
    """Whether a silence is of an earlier firing of the alert."""
    return silence.starts_at < record.begun - SAME


def _each_once(seen: Own) -> Iterator[tuple[str, Silence]]:
    """Each silence that stands, with one Alertmanager that shows it."""
    told: set[str] = set()
    for instance, found in seen.standing.items():
        for one in found:
            if one.id not in told:
                told.add(one.id)
                yield instance, one
