"""Calls and their judgements: from the database to the arrays that contributions are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from sales_exporter.ledger.calendar import SECOND
from sales_exporter.ledger.calls import (
    DIRECTIONS,
    KINDS,
    LAYOUTS,
    MILLION,
    MOST_COST,
    OUTCOMES,
    Calls,
    Flags,
    Judgements,
    contributions,
)
from sales_exporter.ledger.cube import Layout, Tally
from sales_exporter.ledger.lookup import between, due, of_keys, ranges, within
from sales_exporter.ledger.rows import REMOVALS, as_of, fresh
from sales_exporter.ledger.source import Moment, Names, Part, Reading, Reads, Selection, Source
from sales_exporter.ledger.sources.leads import LATE

PART_CALLS = 50_000
JUDGEMENTS = "call_judgements"
MANY = 10_000
"""Rows above which the counting goes to another thread."""

_ROW = (
    "call_id, agent_kind, direction, started_at, answered_at, ended_at, outcome, success, talk_seconds,"
    " first_response_seconds, transferred, cost, currency"
)
_FACTS = (
    "started", "ended", "direction", "kind", "outcome", "result", "transferred", "talk", "response", "priced", "cost",
)
# A difference of infinite moments is an error before PostgreSQL 17.
_ATTRIBUTES = f"""
    call_id, started_at AS started, ended_at AS ended,
    coalesce(array_position(%(directions)s::text[], direction), 0)::int2 AS direction,
    coalesce(array_position(%(kinds)s::text[], agent_kind), 0)::int2 AS kind,
    coalesce(array_position(%(outcomes)s::text[], outcome), 0)::int2 AS outcome,
    (CASE success WHEN false THEN 0 WHEN true THEN 1 ELSE 2 END)::int2 AS result,
    coalesce(transferred, false) AS transferred,
    coalesce(talk_seconds, CASE WHEN isfinite(ended_at) AND isfinite(answered_at)
                                THEN extract(epoch FROM ended_at - answered_at)::float8 END, 'NaN') AS talk,
    coalesce(first_response_seconds, 'NaN') AS response,
    cost IS NOT NULL AS priced,
    (CASE WHEN cost <> 'NaN' THEN round(least(greatest(cost, -{MOST_COST}), {MOST_COST}) * {MILLION}) ELSE 0 END)::int8
        AS cost,
    CASE WHEN cost <> 'NaN' THEN currency END AS currency, here, seen"""
_FLAGS = ("here", "seen")
_KEYS = "unnest(%(ids)s::text[]) WITH ORDINALITY AS t(call_id, place)"
_ON = "r.call_id = t.call_id"


class CallSource(Source):
    """Calls that have ended, with the latest judgement of each."""

    name = "calls"
    reads = ("calls",)
    uses = (JUDGEMENTS, REMOVALS)
    needs = (JUDGEMENTS, REMOVALS)
    layouts: ClassVar[tuple[Layout, ...]] = LAYOUTS
    births = LAYOUTS
    # A cell tells when its calls began, not when they ended nor when they were judged.
    timeless = False

    async def parts(self, db: Reading) -> list[Part]:
        """Ranges of started_at."""
        return await ranges(db, "calls", "started_at", PART_CALLS)

    async def touched(self, db: Reading, since: str, cutoff: float) -> Sequence[str]:
        """Calls that are new, newly judged or removed, and those that lost a judgement."""
        logs = [("call_id", "calls", "recorded_tx", "true")]
        if JUDGEMENTS in self.relations:
            logs.append(("call_id", JUDGEMENTS, "recorded_tx", "true"))
        if REMOVALS in self.relations:
            logs.append(("key", REMOVALS, "removed_tx", f"relation IN ('calls', '{JUDGEMENTS}')"))
        sql = " UNION ".join(
            f"SELECT {key} AS call FROM sales.{log} WHERE {which} AND {fresh(tx)}" for key, log, tx, which in logs)  # noqa: S608
        return list((await db.columns(sql, ("call",), old=since))["call"])

    async def read(self, db: Reading, which: Selection, moment: Moment, names: Names) -> Reads:
        """The cells of calls at a moment."""
        rows = await self._rows(db, which, moment.snapshot, names)
        cutoff = _microseconds(moment.cutoff)
        return Reads(await self._cells(rows, rows.seen, rows.judged_seen, cutoff), rows.due(cutoff), len(rows.ids))

    async def change(self, db: Reading, keys: Sequence[str], old: Moment, new: Moment, names: Names) -> Reads:
        """Rows are read once for both moments: with what is new among them, and with what is gone."""
        rows = await self._rows(db, keys, old.snapshot, names)
        cutoff, before = _microseconds(new.cutoff), _microseconds(old.cutoff)
        fresh = await self._cells(rows, rows.here, rows.judged_here, cutoff)
        stale = await self._cells(rows, rows.seen, rows.judged_seen, before)
        return Reads(fresh, rows.due(cutoff), len(rows.ids), rows.late(before)).minus(Reads(stale))

    async def _cells(self, rows: _Rows, calls: Flags, judgements: Flags, cutoff: int) -> dict[str, Tally]:
        some = rows.calls.where(calls), rows.judgements.where(judgements).of(calls)
        if len(rows.ids) > MANY:
            return await asyncio.to_thread(contributions, self.scheme.calendar, *some, cutoff)
        return contributions(self.scheme.calendar, *some, cutoff)

    async def steps(self, db: Reading, moments: Sequence[float], names: Names) -> list[Reads]:
        """Calls are read once for all moments."""
        logs = [("calls", "ended_at"), *([(JUDGEMENTS, "judged_at")] if JUDGEMENTS in self.relations else [])]
        sql = " UNION ".join(f"SELECT call_id AS call FROM sales.{log} WHERE {between(at)}" for log, at in logs)  # noqa: S608
        keys = list((await db.columns(sql, ("call",), low=moments[0], high=moments[-1]))["call"])
        rows = await self._rows(db, keys, None, names)
        edges = pairwise(map(_microseconds, moments))
        return await asyncio.to_thread(
            lambda: [self._step(rows.calls, rows.judgements, low, high) for low, high in edges])

    def _step(self, calls: Calls, judgements: Judgements, low: int, high: int) -> Reads:
        """The change between two moments, from the calls that something happened to in between."""
        touched = (calls.ended >= low) & (calls.ended < high)
        touched[judgements.call[(judgements.at >= low) & (judgements.at < high)]] = True
        some, theirs = calls.where(touched), judgements.of(touched)
        after, before = (contributions(self.scheme.calendar, some, theirs, cutoff) for cutoff in (high, low))
        return Reads(after).minus(Reads(before))

    async def _rows(self, db: Reading, which: Selection, snapshot: str | None, names: Names) -> _Rows:
        past = snapshot is not None
        given: dict[str, object] = {
            "old": snapshot, "directions": list(DIRECTIONS[1:]), "kinds": list(KINDS[1:]),
            "outcomes": list(OUTCOMES[1:]),
        }
        if isinstance(which, Part):
            condition, bounds = within("started_at", which)
            given |= bounds
            log = as_of("calls", "recorded_tx", _ROW, self.relations, past=past)
            rows = f"(SELECT *, true AS here, true AS seen FROM {log} AS r WHERE {condition})"  # noqa: S608
        else:
            given["ids"] = list(which)
            rows = of_keys("calls", _ROW, _KEYS, _ON, self.relations, past=past)
        found = await db.columns(
            f"SELECT {_ATTRIBUTES} FROM {rows} AS c", ("call_id", *_FACTS, "currency", *_FLAGS), **given)  # noqa: S608
        calls = Calls(**{name: found[name] for name in _FACTS}, currency=names.numbered(found["currency"]))
        ids = list(found["call_id"])
        judgements, judged_here, judged_seen = await self._judgements(db, ids, snapshot)
        return _Rows(ids, calls, *_flags(found), judgements, judged_here, judged_seen)

    async def _judgements(
        self, db: Reading, ids: list[str], snapshot: str | None
    ) -> tuple[Judgements, Flags, Flags]:
        if JUDGEMENTS not in self.relations or not ids:
            nothing = np.zeros(0, dtype=np.int64)
            none = nothing.astype(bool)
            return Judgements(nothing, none, nothing), none, none
        rows = of_keys(
            JUDGEMENTS, "call_id, success, judged_at, judgement_id", _KEYS, _ON, self.relations,
            past=snapshot is not None)
        found = await db.columns(
            f"SELECT (place - 1)::int4 AS call, success, judged_at AS at, here, seen FROM {rows} AS j"  # noqa: S608
            " ORDER BY place, judged_at, judgement_id", ("call", "success", "at", *_FLAGS), ids=ids, old=snapshot)
        return (Judgements(found["call"], found["success"].astype(bool), found["at"]), *_flags(found))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Calls and their judgements, with which of them exist now and which the snapshot saw."""

    ids: Sequence[str]
    calls: Calls
    here: Flags
    seen: Flags
    judgements: Judgements
    judged_here: Flags
    judged_seen: Flags

    def due(self, cutoff: int) -> list[tuple[float, str]]:
        """What lies in the future."""
        coming = self.judgements.where(self.judged_here)
        every = np.flatnonzero(self.here)
        return [
            *due(self.ids, self.calls.ended[every], every, cutoff), *due(self.ids, coming.at, coming.call, cutoff),
        ]

    def late(self, before: int) -> int:
        """Rows that are new now and older than the moment before."""
        edge = before - round(LATE * SECOND)
        return int(np.count_nonzero(self.here & ~self.seen & (self.calls.ended < edge))) + int(
            np.count_nonzero(self.judged_here & ~self.judged_seen & (self.judgements.at < edge)))


def _flags(found: Mapping[str, Any]) -> tuple[Flags, Flags]:
    return found["here"].astype(bool), found["seen"].astype(bool)


def _microseconds(moment: float) -> int:
    return round(moment * SECOND)
