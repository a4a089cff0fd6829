"""Deals with what their leads and touches say about them: from the database to the records of the book."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from sales_exporter.ledger import deals
from sales_exporter.ledger.book import BookLayout, Revision
from sales_exporter.ledger.calendar import SECOND, Ints
from sales_exporter.ledger.cube import NOTHING
from sales_exporter.ledger.deals import NO_AMOUNT, NO_STAGE, Rows, Touches
from sales_exporter.ledger.rows import REMOVALS, fresh
from sales_exporter.ledger.scheme import Scheme
from sales_exporter.ledger.source import Moment, Names, Part, Reading, Reads, Selection, Source

PART_DEALS = 20_000
"""Fewer than of leads: each comes with its texts and its touches, and a part is held in memory at once."""
PARTS = f"""
    SELECT deal_id AS edge
      FROM (SELECT deal_id, row_number() OVER (ORDER BY deal_id) AS place FROM sales.deals) AS placed
     WHERE mod(place, {PART_DEALS}) = 0 ORDER BY deal_id"""  # noqa: S608  (a constant)

_TEXTS = ("rep", "channel", "campaign", "currency")
_NUMBERS = ("key", "cents", "created", "opened", "closed", "stage", "status", "test")
# NULL cannot be in an array of numbers: a date that lies before all others stands for it.
_MOMENT = "CASE WHEN {0} IS NULL THEN '-infinity' ELSE greatest({0}, '1970-01-01 00:00:01Z') END"
# What no cent column can hold (NaN, infinity) is no amount.
AMOUNT = f"CASE WHEN abs({{0}}) < 1e16 THEN round({{0}} * 100)::int8 ELSE {NO_AMOUNT} END::int8"
KEY = "hashtextextended({0}, 0)"
_DEAL = "deal_id, lead_id, rep_id, opened_at, closed_at, stage, status, amount, currency"


_DATED = """
    SELECT s.occurred_at AS at, d.deal_id
      FROM sales.stage_transitions AS s JOIN sales.deals AS d ON d.lead_id = s.lead_id
     WHERE s.occurred_at >= to_timestamp(%(low)s) AND s.occurred_at < to_timestamp(%(high)s)"""


class DealSource(Source):
    """The book of deals. A record is a function of the rows now; their snapshot in the past is not needed."""

    name = "deals"
    reads = ("deals",)
    uses = ("leads", "lead_revisions", "stage_transitions", "touches", REMOVALS)
    books: ClassVar[tuple[BookLayout, ...]] = (deals.DEALS,)
    timeless = False

    def __init__(self, scheme: Scheme, relations: frozenset[str]) -> None:
        super().__init__(scheme, relations)
        log = {"lead_revisions"} if "leads" in relations else set()
        self.needs = tuple(sorted({REMOVALS, *log, *({"stage_transitions", "touches"} & relations)}))

    async def parts(self, db: Reading) -> list[Part]:
        """Ranges of ids."""
        edges = [None, *(await db.columns(PARTS, ("edge",)))["edge"], None]
        return [Part(low, high) for low, high in pairwise(edges)]

    async def touched(self, db: Reading, since: str, cutoff: float) -> Sequence[str]:
        """Deals that changed or are gone, and those of leads of which something that matters is new or gone."""
        sql = f"SELECT deal_id AS key FROM sales.deals WHERE {fresh('changed_tx')}"  # noqa: S608
        if REMOVALS in self.relations:
            sql += f" UNION SELECT key FROM sales.{REMOVALS} WHERE relation = 'deals' AND {fresh('removed_tx')}"  # noqa: S608
        keys = list((await db.columns(sql, ("key",), old=since))["key"])
        logs = list(self._logs())
        leads = list((await db.columns(" UNION ".join(logs), ("lead",), old=since))["lead"]) if logs else []
        leads += await self._moved(db, since, cutoff)
        if leads:
            # An array leaves the choice to the planner: with the index on lead_id a few look-ups, without it one scan.
            theirs = await db.columns(
                "SELECT deal_id AS key FROM sales.deals WHERE lead_id = ANY(%(leads)s::text[])", ("key",), leads=leads)
            keys += list(theirs["key"])
        return keys

    async def _moved(self, db: Reading, since: str, cutoff: float) -> list[str]:
        """Leads with a new transition whose log goes on after the cutoff.

        The stage of all other deals is in their own row, whatever their log has gained.
        """
        if "stage_transitions" not in self.relations:
            return []
        new = list((await db.columns(_MOVED, ("lead",), old=since))["lead"])
        return list((await db.columns(_GOES_ON, ("lead",), leads=new, cutoff=cutoff))["lead"]) if new else []

    def _logs(self) -> Iterator[str]:
        """Leads of which something else is new, or anything gone."""
        for log in ("lead_revisions", "touches"):
            if log in self.relations:
                yield f"SELECT lead_id AS lead FROM sales.{log} WHERE {fresh('recorded_tx')}"  # noqa: S608
        if REMOVALS in self.relations:
            yield (f"SELECT key AS lead FROM sales.{REMOVALS}"  # noqa: S608
                   f" WHERE relation IN ('stage_transitions', 'touches') AND {fresh('removed_tx')}")

    async def dated(self, db: Reading, low: float, high: float) -> Sequence[tuple[float, str]]:
        """Deals whose lead moved on: the stage in force is another one then."""
        if "stage_transitions" not in self.relations:
            return []
        found = await db.columns(_DATED, ("at", "deal_id"), low=low, high=high)
        return list(zip((found["at"] / SECOND).tolist(), found["deal_id"], strict=True))

    async def read(self, db: Reading, which: Selection, moment: Moment, names: Names) -> Reads:
        """The records of deals as they stand; of keys, those without a deal are gone."""
        given: dict[str, object] = {"stages": list(self.scheme.stages), "now": moment.cutoff}
        if isinstance(which, Part):
            given |= {"low": which.low, "high": which.high}
            chosen, wanted = _in_part(which), np.zeros(0, dtype=np.int64)
        else:
            given["ids"] = list(which)
            chosen, wanted = _OF_IDS, (await db.columns(_HASHES, ("key",), ids=list(which)))["key"]
        found = await db.columns(self._rows(chosen), ("deal_id", "lead", *_NUMBERS, *_TEXTS), **given)
        history = await self._history(db, found, names)
        ahead = await self._ahead(db, found, moment)
        rows = _numbered(found, names)
        cutoff = round(moment.cutoff * SECOND)
        made = await asyncio.to_thread(deals.records, rows, history, cutoff, names.paths)
        due = [*_due(found["deal_id"], history.deal, history.at, cutoff), *ahead]
        gone = np.setdiff1d(wanted, rows.key)
        return Reads({}, due, len(rows.key), books={deals.DEALS.name: Revision(made, gone)})

    async def steps(self, db: Reading, moments: Sequence[float], names: Names) -> list[Reads]:
        """Deals are read once for all moments; what changes with them is the stage, and the touches so far."""
        between = dict.fromkeys(
            (bisect_right(moments, at) - 1, key) for at, key in await self.dated(db, moments[0], moments[-1]))
        steps = [step for step, _ in between]
        given = {"stages": list(self.scheme.stages), "ids": [key for _, key in between], "steps": steps,
                 "ends": [moments[step + 1] for step in steps]}
        found = await db.columns(
            self._rows(_OF_STEPS, "d.now"), ("deal_id", "lead", "step", *_NUMBERS, *_TEXTS), **given)
        history = await self._history(db, found, names)
        cutoff = np.round(np.asarray(moments[1:]) * SECOND).astype(np.int64)[found["step"]]
        made = await asyncio.to_thread(deals.records, _numbered(found, names), history, cutoff, names.paths)
        order = np.argsort(found["step"], kind="stable")
        parts = np.split(order, np.searchsorted(found["step"][order], np.arange(1, len(moments) - 1)))
        return [Reads({}, books={deals.DEALS.name: Revision(made.take(part), NOTHING.keys)}) for part in parts]

    def _rows(self, chosen: str, now: str = "to_timestamp(%(now)s)") -> str:
        lead = "LEFT JOIN LATERAL (SELECT * FROM sales.leads WHERE leads.lead_id = d.lead_id OFFSET 0) AS l ON true"
        known = "leads" in self.relations
        own = (f"{_MOMENT.format('l.created_at')} AS created, coalesce(l.is_test, false) AS test,"
               " l.channel_id AS channel, l.campaign_id AS campaign")
        none = "'-infinity'::timestamptz AS created, false AS test, NULL::text AS channel, NULL::text AS campaign"
        stage, past = _stage(now) if "stage_transitions" in self.relations else ("stage", "")
        step = ", d.step" if chosen == _OF_STEPS else ""
        return f"""
            SELECT deal_id, {KEY.format("deal_id")} AS key, d.lead_id AS lead, d.rep_id AS rep, d.currency,
                   {AMOUNT.format("amount")} AS cents, {_MOMENT.format("opened_at")} AS opened,
                   {_MOMENT.format("closed_at")} AS closed,
                   (coalesce(array_position(ARRAY['won', 'lost', 'open'], status), 4) - 1)::int2 AS status,
                   coalesce(array_position(%(stages)s::text[], {stage}) - 1, {NO_STAGE})::int2 AS stage,
                   {own if known else none}{step}
              FROM ({chosen}) AS d {lead if known else ""} {past}"""  # noqa: S608

    async def _history(self, db: Reading, found: Mapping[str, Any], names: Names) -> Touches:
        if "touches" not in self.relations:
            return Touches(NOTHING.keys, NOTHING.keys, NOTHING.keys)
        touches = await db.columns(_TOUCHES, ("deal", "at", "channel"), leads=list(found["lead"]))
        return Touches(touches["deal"], touches["at"], names.numbered(touches["channel"]))

    async def _ahead(self, db: Reading, found: Mapping[str, Any], moment: Moment) -> list[tuple[float, str]]:
        """Open deals whose stage is another one once a later transition of the lead has come."""
        if "stage_transitions" not in self.relations:
            return []
        closed: Ints = found["closed"]
        still = np.flatnonzero((closed < 0) | (closed >= round(moment.cutoff * SECOND)))
        leads = [found["lead"][place] for place in still.tolist()]
        later = await db.columns(_AHEAD, ("deal", "at"), leads=leads, now=moment.cutoff)
        return [(at / SECOND, found["deal_id"][still[deal]])
                for deal, at in zip(later["deal"].tolist(), later["at"].tolist(), strict=True)]


_MOVED = f"SELECT DISTINCT lead_id AS lead FROM sales.stage_transitions WHERE {fresh('recorded_tx')}"  # noqa: S608
_GOES_ON = """
    SELECT DISTINCT lead_id AS lead FROM sales.stage_transitions
     WHERE lead_id = ANY(%(leads)s::text[]) AND occurred_at >= to_timestamp(%(cutoff)s)"""
_OF_IDS = f"""
    SELECT {_DEAL} FROM unnest(%(ids)s::text[]) AS t(id)
     CROSS JOIN LATERAL (SELECT {_DEAL} FROM sales.deals WHERE deal_id = t.id OFFSET 0) AS one"""  # noqa: S608
_OF_STEPS = f"""
    SELECT {_DEAL}, to_timestamp(t.ends) AS now, t.step
      FROM unnest(%(ids)s::text[], %(ends)s::float8[], %(steps)s::int4[]) AS t(id, ends, step)
     CROSS JOIN LATERAL (SELECT {_DEAL} FROM sales.deals WHERE deal_id = t.id OFFSET 0) AS one"""  # noqa: S608
_HASHES = f"SELECT {KEY.format('id')} AS key FROM unnest(%(ids)s::text[]) AS t(id)"  # noqa: S608
_TOUCHES = """
    SELECT (t.place - 1)::int4 AS deal, at, channel
      FROM unnest(%(leads)s::text[]) WITH ORDINALITY AS t(lead, place)
     CROSS JOIN LATERAL (SELECT occurred_at AS at, channel_id AS channel FROM sales.touches WHERE lead_id = t.lead
                          ORDER BY occurred_at, touch_id) AS history"""
_AHEAD = """
    SELECT (t.place - 1)::int4 AS deal, at
      FROM unnest(%(leads)s::text[]) WITH ORDINALITY AS t(lead, place)
     CROSS JOIN LATERAL (SELECT min(occurred_at) AS at FROM sales.stage_transitions
                          WHERE lead_id = t.lead AND occurred_at >= to_timestamp(%(now)s)
                            AND occurred_at < 'infinity') AS later
     WHERE at IS NOT NULL"""


def _in_part(part: Part) -> str:
    low = "true" if part.low is None else "deal_id >= %(low)s"
    high = "true" if part.high is None else "deal_id < %(high)s"
    return f"SELECT {_DEAL} FROM sales.deals WHERE {low} AND {high}"  # noqa: S608


def _stage(now: str) -> tuple[str, str]:
    """The stage of a deal at a moment, and the joins that it needs.

    ``deals`` holds the present stage. Where the log of an open deal's lead goes on after the moment, the stage is the
    last one that the log has before it.
    """
    return "CASE WHEN later.moved THEN past.to_stage ELSE stage END", f"""
              LEFT JOIN LATERAL (
                   SELECT true AS moved FROM sales.stage_transitions AS t
                    WHERE (d.closed_at IS NULL OR d.closed_at >= {now})
                      AND t.lead_id = d.lead_id AND t.occurred_at >= {now} LIMIT 1) AS later ON true
              LEFT JOIN LATERAL (
                   SELECT to_stage FROM sales.stage_transitions AS t
                    WHERE t.lead_id = d.lead_id AND t.occurred_at < {now}
                    ORDER BY occurred_at DESC, transition_id DESC LIMIT 1) AS past ON later.moved"""  # noqa: S608


def _numbered(found: Mapping[str, Any], names: Names) -> Rows:
    return Rows(
        **{name: found[name] for name in _NUMBERS if name != "test"}, test=found["test"].astype(bool),
        **{name: names.numbered(found[name]) for name in _TEXTS})


def _due(ids: Sequence[str], deal: Ints, at: Ints, cutoff: int) -> Iterator[tuple[float, str]]:
    """Deals of touches in the future, with their moment; what never comes (infinity) is never due."""
    for place in np.flatnonzero((at >= cutoff) & (at < np.iinfo(np.int64).max)).tolist():
        yield float(at[place]) / SECOND, ids[int(deal[place])]
