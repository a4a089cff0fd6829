"""Leads and their histories: from the database to the arrays that contributions are made of."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import compress, pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sales_exporter.ledger.calendar import SECOND, Ints
from sales_exporter.ledger.cube import Layout
from sales_exporter.ledger.leads import (
    CAMPAIGN,
    COHORT,
    ENDS,
    LAYOUTS,
    NO_STAGE,
    UNKNOWN_STAGE,
    Leads,
    Moves,
    contributions,
)
from sales_exporter.ledger.lookup import of_keys
from sales_exporter.ledger.rows import REMOVALS, fresh, visible
from sales_exporter.ledger.source import Moment, Names, Part, Reading, Reads, Selection, Source

PART_LEADS = 25_000

# The history is cut at every PART_LEADS-th creation; leads created at one moment stay together.
PARTS = f"""
    SELECT DISTINCT created_at::text AS edge, created_at
      FROM (SELECT created_at, row_number() OVER (ORDER BY created_at) AS place FROM sales.leads) AS placed
     WHERE mod(place, {PART_LEADS}) = 0
     ORDER BY created_at"""  # noqa: S608  (constants)

GONE = f"SELECT 1 AS one FROM sales.{REMOVALS} WHERE relation = 'stage_transitions' AND {fresh('removed_tx')} LIMIT 1"  # noqa: S608
LATE = 3600.0
"""Seconds after which a transition that becomes visible counts as late."""

_LEAD = ("created", "test", "channel", "campaign")
_MOVE = ("lead", "origin", "stage", "at")
_CODES = f"""
           CASE WHEN from_stage IS NULL THEN {NO_STAGE}
                ELSE coalesce(array_position(%(stages)s::text[], from_stage) - 1, {UNKNOWN_STAGE}) END::int2 AS origin,
           coalesce(array_position(%(stages)s::text[], to_stage) - 1, {UNKNOWN_STAGE})::int2 AS stage,
           occurred_at AS at"""
_HISTORY = "lead_id, from_stage, to_stage, occurred_at, transition_id"


class LeadSource(Source):
    """The funnel: leads, their revisions and their transitions."""

    name = "leads"
    reads = ("leads", "stage_transitions")
    uses = ("lead_revisions", REMOVALS)
    needs = ("lead_revisions", REMOVALS)
    layouts: ClassVar[tuple[Layout, ...]] = LAYOUTS
    timeless = False
    births = (COHORT, CAMPAIGN, ENDS)

    async def parts(self, db: Reading) -> list[Part]:
        """Ranges of creation."""
        edges = [None, *[row["edge"] for row in await db.fetch(PARTS)], None]
        return [Part(low, high) for low, high in pairwise(edges)]

    async def steps(self, db: Reading, moments: Sequence[float], names: Names) -> list[Reads]:
        """Histories are read once for all moments."""
        given = {"stages": list(self.scheme.stages), "old": None, "low": moments[0], "high": moments[-1]}
        keys = list((await db.columns(_DATED, ("lead",), **given))["lead"])
        found, _ = await self._attributes(db, keys, {**given, "ids": keys})
        moves = await self._moves(db, given, list(found["lead_id"]))
        every = self._leads(found, found["lead_id"], Moment(math.inf), names)
        return [self._step(every, _history(moves), *map(_microseconds, edges)) for edges in pairwise(moments)]

    def _step(self, leads: Leads, moves: Moves, low: int, high: int) -> Reads:
        """The change between two moments, from the leads that something happened to in between."""
        touched = (leads.created >= low) & (leads.created < high)
        touched[moves.lead[(moves.at >= low) & (moves.at < high)]] = True
        places = np.cumsum(touched) - 1
        some = moves.where(touched[moves.lead])
        some = replace(some, lead=places[some.lead])
        reads = []
        for cutoff in (high, low):
            known = Leads(leads.counts[touched] & (leads.created[touched] < cutoff), leads.created[touched],
                          leads.channel[touched], leads.campaign[touched])
            reads.append(Reads(contributions(self.scheme, known, some.where(some.at < cutoff))))
        return reads[0].minus(reads[1])

    async def touched(self, db: Reading, since: str, cutoff: float) -> Sequence[str]:
        """Leads with a new transition, a new revision or a transition that was removed."""
        logs = [("lead_id", "stage_transitions", "recorded_tx", "true")]
        if "lead_revisions" in self.relations:
            logs.append(("lead_id", "lead_revisions", "recorded_tx", "true"))
        if REMOVALS in self.relations:
            logs.append(("key", REMOVALS, "removed_tx", "relation = 'stage_transitions'"))
        sql = " UNION ".join(
            f"SELECT {key} AS lead FROM sales.{log} WHERE {which} AND {fresh(tx)}" for key, log, tx, which in logs)  # noqa: S608
        return list((await db.columns(sql, ("lead",), old=since))["lead"])

    async def read(self, db: Reading, which: Selection, moment: Moment, names: Names) -> Reads:
        """The cells of leads at a moment."""
        past = moment.snapshot is not None
        given = {"stages": list(self.scheme.stages), "old": moment.snapshot}
        if isinstance(which, Part):
            given |= {"low": which.low or "-infinity", "high": which.high or "infinity"}
            leads = await db.columns(self._in_part(past=past), ("lead_id", *_LEAD), **given)
        else:
            given["ids"] = list(which)
            now, then = await self._attributes(db, which, given)
            leads = then if past else now
        moves = await self._moves(db, given, list(leads["lead_id"]))
        return await asyncio.to_thread(self._counted, leads, moves, moment, names)

    def _counted(
        self, leads: Mapping[str, Any], moves: Mapping[str, Any], moment: Moment, names: Names
    ) -> Reads:
        known, ids = self._leads(leads, leads["lead_id"], moment, names), leads["lead_id"]
        history, cutoff = _history(moves).where(moves["seen"].astype(bool)), _microseconds(moment.cutoff)
        due = [*_due(ids, leads["created"], cutoff), *_due(ids, history.at, cutoff, history.lead)]
        counted = history.where(history.at < cutoff)
        return Reads(contributions(self.scheme, known, counted), due, len(history.lead))

    def _leads(
        self, found: Mapping[str, Any], ids: Sequence[str], moment: Moment, names: Names
    ) -> Leads:
        """The attributes that were found, in the order of ``ids``; a lead that was not found does not count."""
        place = {lead_id: i for i, lead_id in enumerate(ids)}
        at = np.fromiter((place[one] for one in found["lead_id"]), dtype=np.int64)
        counts, columns = np.zeros(len(ids), dtype=bool), np.zeros((3, len(ids)), dtype=np.int64)
        counts[at] = ~found["test"].astype(bool) & (found["created"] < _microseconds(moment.cutoff))
        columns[:, at] = found["created"], names.numbered(found["channel"]), names.numbered(found["campaign"])
        return Leads(counts, *columns)

    async def change(
        self, db: Reading, keys: Sequence[str], old: Moment, new: Moment, names: Names
    ) -> Reads:
        """Histories are read once for both moments: with what is new in them, and with what is gone."""
        given = {"stages": list(self.scheme.stages), "old": old.snapshot, "ids": list(keys)}
        after, before = await self._attributes(db, keys, given)
        moves = await self._moves(db, given, keys)
        history, seen, here = _history(moves), moves["seen"].astype(bool), moves["here"].astype(bool)
        cutoff = _microseconds(new.cutoff)
        fresh = contributions(
            self.scheme, self._leads(after, keys, new, names), history.where(here & (history.at < cutoff)))
        stale = contributions(
            self.scheme, self._leads(before, keys, old, names),
            history.where(seen & (history.at < _microseconds(old.cutoff))))
        coming = history.where(here)
        due = [*_due(after["lead_id"], after["created"], cutoff), *_due(keys, coming.at, cutoff, coming.lead)]
        late = int(np.count_nonzero(here & ~seen & (history.at < _microseconds(old.cutoff - LATE))))
        return Reads(fresh, due, len(history.lead), late).minus(Reads(stale))

    def _in_part(self, *, past: bool) -> str:
        """Leads created in a range; in the past, those as well that were deleted since."""
        within = "created_at >= %(low)s::timestamptz AND created_at < %(high)s::timestamptz"
        if not past:
            return f"SELECT {_attributes('leads')} FROM sales.leads WHERE {within} ORDER BY lead_id"  # noqa: S608
        return f"""
            SELECT {_attributes("leads")} FROM sales.leads WHERE {within} AND {visible("changed_tx")}
            UNION ALL
            SELECT {_attributes("r")} FROM (SELECT DISTINCT ON (lead_id) lead_id, {_BORN} AS created_at, is_test,
                            channel_id, campaign_id, deleted FROM sales.lead_revisions AS v
                     WHERE lead_id IN (SELECT lead_id FROM sales.lead_revisions WHERE {fresh("recorded_tx")})
                       AND {visible("recorded_tx")}
                     ORDER BY lead_id, revision_id DESC) AS r
             WHERE NOT deleted AND {within}"""  # noqa: S608  (names of the contract)

    async def _attributes(
        self, db: Reading, keys: Sequence[str], given: Mapping[str, object]
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Leads as they are, and as they were. Most did not change: only the others are looked up in the revisions."""
        # Without a snapshot there may be no change key, and all is seen.
        seen = "true" if given["old"] is None else visible("changed_tx")
        now = await db.columns(_OF_IDS + _LEADS_NOW.format(seen), ("lead_id", *_LEAD, "seen"), **given)
        same = now["seen"].astype(bool)
        unchanged = {name: _chosen(now[name], same) for name in ("lead_id", *_LEAD)}
        known = frozenset(unchanged["lead_id"])
        others = [key for key in keys if key not in known]
        if not others or "lead_revisions" not in self.relations:
            return now, unchanged
        then = await db.columns(_OF_IDS + _LEADS_THEN, ("lead_id", *_LEAD), **{**given, "ids": others})
        return now, {name: _together(unchanged[name], then[name]) for name in unchanged}

    async def _moves(self, db: Reading, given: Mapping[str, object], leads: Sequence[str]) -> Mapping[str, Any]:
        """Histories in order, with what was removed since the snapshot ``old``, if there is one."""
        past = given["old"] is not None
        gone = past and REMOVALS in self.relations and bool(await db.fetch(GONE, old=given["old"]))
        names = (*_MOVE, "seen", "here")
        return await db.columns(_WITH_REMOVED if gone else _histories(past=past), names, **{**given, "leads": leads})


def _histories(*, past: bool) -> str:
    """One look into the index for each lead: a plan that hashes the table costs ten times that."""
    return f"""
        SELECT (t.place - 1)::int4 AS lead, history.*
          FROM {_PLACED}
         CROSS JOIN LATERAL (SELECT {_CODES}, {visible("recorded_tx") if past else "true"} AS seen, true AS here
                               FROM sales.stage_transitions AS s WHERE s.lead_id = t.lead_id
                              ORDER BY occurred_at, transition_id) AS history"""  # noqa: S608  (names of the contract)


_PLACED = "unnest(%(leads)s::text[]) WITH ORDINALITY AS t(lead_id, place)"
_WITH_REMOVED = f"""
    SELECT (place - 1)::int4 AS lead, {_CODES}, seen, here
      FROM {of_keys("stage_transitions", _HISTORY, _PLACED, "r.lead_id = t.lead_id", {REMOVALS}, past=True)} AS s
     ORDER BY place, occurred_at, transition_id"""  # noqa: S608  (names of the contract)


def _history(moves: Mapping[str, Any]) -> Moves:
    return Moves(moves["lead"], moves["origin"], moves["stage"], moves["at"])


def _microseconds(seconds: float) -> int:
    return np.iinfo(np.int64).max if math.isinf(seconds) else round(seconds * SECOND)


def _attributes(alias: str) -> str:
    return (
        f"{alias}.lead_id, {alias}.created_at AS created, {alias}.is_test AS test,"
        f" {alias}.channel_id AS channel, {alias}.campaign_id AS campaign"
    )


_DATED = """
    SELECT lead_id AS lead FROM sales.stage_transitions
     WHERE occurred_at >= to_timestamp(%(low)s) AND occurred_at < to_timestamp(%(high)s)
     UNION
    SELECT lead_id FROM sales.leads WHERE created_at >= to_timestamp(%(low)s) AND created_at < to_timestamp(%(high)s)"""
_OF_IDS = "SELECT found.* FROM unnest(%(ids)s::text[]) AS t(lead_id) CROSS JOIN LATERAL "
_LEADS_NOW = f"""
    (SELECT {_attributes("leads")}, {{}} AS seen FROM sales.leads
      WHERE leads.lead_id = t.lead_id OFFSET 0) AS found"""  # noqa: S608  (names of the contract)
# A revision of an older installation has no moment of creation; a later one, or a lead that is still there, tells it.
_BORN = """coalesce(created_at,
               (SELECT created_at FROM sales.lead_revisions AS later
                 WHERE later.lead_id = v.lead_id AND later.revision_id > v.revision_id AND created_at IS NOT NULL
                 ORDER BY revision_id LIMIT 1),
               (SELECT created_at FROM sales.leads WHERE leads.lead_id = v.lead_id))"""
_LEADS_THEN = f"""
    (SELECT {_attributes("r")} FROM
       (SELECT lead_id, {_BORN} AS created_at, is_test, channel_id, campaign_id, deleted
          FROM sales.lead_revisions AS v
         WHERE v.lead_id = t.lead_id AND {visible("recorded_tx")}
         ORDER BY revision_id DESC LIMIT 1) AS r
      WHERE NOT deleted AND created_at IS NOT NULL) AS found"""  # noqa: S608  (names of the contract)


def _chosen(column: Any, mask: NDArray[np.bool_]) -> Any:
    return list(compress(column, mask)) if isinstance(column, list) else column[mask]


def _together(first: Any, second: Any) -> Any:
    if not len(first) or not len(second):
        return second if len(second) else first
    if isinstance(first, list):
        return [*first, *second]
    return np.concatenate([first, second])


def _due(
    ids: Sequence[str], at: Ints, cutoff: int, which: Ints | None = None
) -> list[tuple[float, str]]:
    """Keys of what lies in the future, with its moment; what never comes (infinity) is never due."""
    later = np.flatnonzero((at >= cutoff) & (at < np.iinfo(np.int64).max))
    owner = later if which is None else which[later]
    return [(when / SECOND, ids[i]) for when, i in zip(at[later].tolist(), owner.tolist(), strict=True)]
