"""What the histories of leads contribute to the cells: pure, from arrays of leads and transitions to tallies.

One function serves the first fill, the fold, the audit and a replay: the contribution of a set of leads is a function
of their rows alone, so the ledger adds what it gives after a change and takes away what it gave before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sales_exporter.ledger.calendar import Ints
from sales_exporter.ledger.cube import Layout, Tally
from sales_exporter.ledger.scheme import Scheme, buckets

LONGER = 120
"""Days that cohorts and visits stay fine beyond other cells: what is learned from them needs their age to the day."""
COHORT = Layout("cohort", ("hour", "channel", "stage"), (("hour", 672),))
"""Leads by hour of creation that reached the stage or a later one of the path."""
CAMPAIGN = Layout("campaign", ("day", "channel", "campaign", "stage"), (("day", 28),), LONGER)
"""The same by day, with the campaign."""
EVENT = Layout("event", ("hour", "channel", "stage"), (("hour", 672),))
"""Leads by hour of their first reach of the stage; the first stage is reached by creation."""
MOVES = Layout("moves", ("day", "origin", "stage"))
"""Transitions by day; origin is 0 where the row names no stage, else the stage's code + 1."""
STAYS = Layout("stays", ("day", "stage", "bucket", "to:stage"), (("day", 28),), LONGER)
"""Finished visits by day of entry, duration and the stage that followed."""
EXITS = Layout("exits", ("day", "stage", "bucket"), (("day", 28),))
"""The same visits by the day of their end."""
OPEN = Layout("open", ("hour", "stage"))
"""Visits that go on, by hour of entry: every counted lead is in one stage."""
FLOW = Layout("flow", ("day", "stage", "direction"))
"""Entries (direction 0) and exits (1) of stages by day."""
FLOW_TIME = Layout("flow_time", ("day", "stage", "direction"))
"""Microseconds since the day began of the same entries and exits, added up."""
ENDS = Layout("ends", ("day", "channel", "result", "bucket"), (("day", 28),), LONGER)
"""Leads by day of creation and time from creation to their first won stage, or to their first lost one."""
STAY_TIME = Layout("stay_time", ("stage", "bucket"))
"""Microseconds of all finished visits, added up: with STAYS the mean duration in a bucket."""
CYCLES = Layout("cycles", ("result", "bucket"))
"""ENDS over all days and channels."""
CYCLE_TIME = Layout("cycle_time", ("result", "bucket"))
"""Microseconds from creation to the same ends, added up."""

WON, LOST, LOST_THEN_WON = 0, 1, 2
"""Results in ENDS. A lead that was lost and won counts as won, and its loss apart."""
IN, OUT = 0, 1
LAYOUTS = (COHORT, CAMPAIGN, EVENT, MOVES, STAYS, EXITS, OPEN, FLOW, FLOW_TIME, ENDS, STAY_TIME, CYCLES, CYCLE_TIME)

NO_STAGE, UNKNOWN_STAGE = -1, -2


@dataclass(frozen=True, slots=True)
class Leads:
    """Leads by index: whether each counts (exists, no test, created in time), creation, channel and campaign."""

    counts: NDArray[np.bool_]
    created: Ints
    channel: Ints
    campaign: Ints


@dataclass(frozen=True, slots=True)
class Moves:
    """Transitions in order of lead, occurred_at and transition_id; ``lead`` is an index into Leads.

    ``origin`` and ``stage`` are codes of the scheme, NO_STAGE (origin only) or UNKNOWN_STAGE; ``at`` in microseconds.
    """

    lead: Ints
    origin: Ints
    stage: Ints
    at: Ints

    def where(self, mask: NDArray[np.bool_]) -> Moves:
        """Those of the mask, in the same order."""
        return Moves(self.lead[mask], self.origin[mask], self.stage[mask], self.at[mask])


def contributions(scheme: Scheme, leads: Leads, moves: Moves) -> dict[str, Tally]:
    """Tallies by name of the cube."""
    counted = moves.where(leads.counts[moves.lead])
    known = counted.where(counted.stage >= 0)
    visits = _visits(scheme, leads, known)
    reach = _reach(scheme, leads, known)
    keys: dict[str, list[Ints]] = {}
    for layout, more in (*_reached(scheme, leads, reach), *_visited(scheme, visits), *_moved(scheme, counted)):
        keys.setdefault(layout.name, []).append(more)
    found = {name: Tally.of(np.concatenate(parts)) for name, parts in keys.items()}
    return {**found, **_stayed(visits), **_flows(scheme, visits), **_ends(scheme, leads, reach)}


@dataclass(frozen=True, slots=True)
class _Reach:
    """First reaches of the stages beyond the first one."""

    lead: Ints
    stage: Ints
    at: Ints


def _reach(scheme: Scheme, leads: Leads, moves: Moves) -> _Reach:
    size = len(scheme.stages)
    # The rows are in order of time within a lead: the first occurrence is the first reach.
    codes, first = np.unique(moves.lead * size + moves.stage, return_index=True)
    later = codes % size != scheme.path[0]
    return _Reach((codes // size)[later], (codes % size)[later], moves.at[first][later])


def _reached(scheme: Scheme, leads: Leads, reach: _Reach) -> Iterator[tuple[Layout, Ints]]:
    """First reaches, and what they imply for the cohort."""
    hours, every = scheme.calendar.hours, np.flatnonzero(leads.counts)
    yield EVENT, EVENT.pack(hour=hours(reach.at), channel=leads.channel[reach.lead], stage=reach.stage)
    yield EVENT, EVENT.pack(
        hour=hours(leads.created[every]), channel=leads.channel[every], stage=np.full(len(every), scheme.path[0]))
    furthest = np.zeros(len(leads.counts), dtype=np.int64)
    np.maximum.at(furthest, reach.lead, scheme.places[reach.stage])
    cohorts = {code: every[furthest[every] >= place] for place, code in enumerate(scheme.path)}
    cohorts |= {code: reach.lead[reach.stage == code] for code in scheme.of_kind("lost")}
    who = np.concatenate([*cohorts.values()])
    stages = np.repeat([*cohorts], [len(some) for some in cohorts.values()])
    channel = leads.channel[who]
    yield COHORT, COHORT.pack(hour=hours(leads.created)[who], channel=channel, stage=stages)
    yield CAMPAIGN, CAMPAIGN.pack(
        day=scheme.calendar.days(leads.created)[who], channel=channel, campaign=leads.campaign[who], stage=stages)


def _ends(scheme: Scheme, leads: Leads, reach: _Reach) -> dict[str, Tally]:
    """The end of each lead that came to one; a lead that was lost and is won later ends twice."""
    never = np.iinfo(np.int64).max
    first = {kind: np.full(len(leads.counts), never) for kind in ("won", "lost")}
    for kind, at in first.items():
        chosen = np.isin(reach.stage, scheme.of_kind(kind))
        np.minimum.at(at, reach.lead[chosen], reach.at[chosen])
    won, lost = first["won"] != never, first["lost"] != never
    ends = [
        (np.flatnonzero(which), result, first[kind])
        for which, result, kind in ((won, WON, "won"), (lost & ~won, LOST, "lost"), (lost & won, LOST_THEN_WON, "lost"))
    ]
    who = np.concatenate([which for which, _, _ in ends])
    result = np.repeat([number for _, number, _ in ends], [len(which) for which, _, _ in ends])
    # Creation is a moment of its own clock; a negative time is none.
    took = np.maximum(np.concatenate([at[which] for which, _, at in ends]) - leads.created[who], 0)
    bucket = buckets(took)
    keys = CYCLES.pack(result=result, bucket=bucket)
    return {
        ENDS.name: Tally.of(ENDS.pack(day=scheme.calendar.days(leads.created[who]), channel=leads.channel[who],
                                      result=result, bucket=bucket)),
        CYCLES.name: Tally.of(keys),
        CYCLE_TIME.name: Tally.of(keys, took),
    }


@dataclass(frozen=True, slots=True)
class _Visits:
    """Finished visits, and the one that each counted lead is in."""

    stage: Ints
    entered: Ints
    left: Ints
    to: Ints
    current: Ints
    since: Ints


def _visits(scheme: Scheme, leads: Leads, moves: Moves) -> _Visits:
    """A transition into the stage that the lead is in already ends no visit.

    The first row of a lead that is created elsewhere than in the first stage tells where it began: no visit to the
    first stage.
    """
    start = scheme.path[0]
    opens = np.ones(len(moves.lead), dtype=bool)
    opens[1:] = moves.lead[1:] != moves.lead[:-1]
    before = np.where(opens, start, np.roll(moves.stage, 1))
    born_there = opens & (moves.at == leads.created[moves.lead])
    changed = before != moves.stage
    lead, stage, to, left, born_there = (
        column[changed] for column in (moves.lead, before, moves.stage, moves.at, born_there))
    first = np.ones(len(lead), dtype=bool)
    first[1:] = lead[1:] != lead[:-1]
    # A lead whose first row is older than itself was there no time at all.
    entered = np.minimum(np.where(first, leads.created[lead], np.roll(left, 1)), left)
    every = np.flatnonzero(leads.counts)
    current = np.full(len(leads.counts), start)
    since = leads.created.copy()
    current[lead], since[lead] = to, left
    real = ~born_there
    return _Visits(stage[real], entered[real], left[real], to[real], current[every], since[every])


def _visited(scheme: Scheme, visits: _Visits) -> Iterator[tuple[Layout, Ints]]:
    days, bucket = scheme.calendar.days, buckets(visits.left - visits.entered)
    yield STAYS, STAYS.pack(day=days(visits.entered), stage=visits.stage, bucket=bucket, to=visits.to)
    yield EXITS, EXITS.pack(day=days(visits.left), stage=visits.stage, bucket=bucket)
    yield OPEN, OPEN.pack(hour=scheme.calendar.hours(visits.since), stage=visits.current)


def _stayed(visits: _Visits) -> dict[str, Tally]:
    took = visits.left - visits.entered
    return {STAY_TIME.name: Tally.of(STAY_TIME.pack(stage=visits.stage, bucket=buckets(took)), took)}


def _flows(scheme: Scheme, visits: _Visits) -> dict[str, Tally]:
    at = np.concatenate([visits.entered, visits.since, visits.left])
    stage = np.concatenate([visits.stage, visits.current, visits.stage])
    direction = np.repeat([IN, IN, OUT], [len(visits.entered), len(visits.since), len(visits.left)])
    day = scheme.calendar.days(at)
    keys = FLOW.pack(day=day, stage=stage, direction=direction)
    return {FLOW.name: Tally.of(keys), FLOW_TIME.name: Tally.of(keys, at - scheme.calendar.starts(day))}


def _moved(scheme: Scheme, moves: Moves) -> Iterator[tuple[Layout, Ints]]:
    named = moves.where((moves.stage >= 0) & (moves.origin != UNKNOWN_STAGE))
    yield MOVES, MOVES.pack(day=scheme.calendar.days(named.at), origin=named.origin + 1, stage=named.stage)
