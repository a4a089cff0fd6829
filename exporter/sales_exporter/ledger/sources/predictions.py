"""Predictions and their outcomes: from the database to the arrays that contributions are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from sales_exporter.ledger.calendar import SECOND
from sales_exporter.ledger.cube import Layout, Tally
from sales_exporter.ledger.lookup import between, due, of_keys, ranges, within
from sales_exporter.ledger.predictions import (
    LAYOUTS,
    MATURITY,
    PREDICTIONS,
    SCORES,
    SEPARATOR,
    Flags,
    Outcomes,
    Predictions,
    contributions,
)
from sales_exporter.ledger.rows import REMOVALS, as_of, fresh
from sales_exporter.ledger.source import Moment, Names, Part, Reading, Reads, Selection, Source
from sales_exporter.ledger.sources.leads import LATE

PART_PREDICTIONS = 20_000
"""Fewer than of leads: each comes with the texts of its subject and model, and a part is held in memory at once."""
UNIT = "\x1f"
"""Between kind and id in the key of a subject, as in the keys of removals."""
MANY = 10_000
"""Rows above which the counting goes to another thread."""
LOGS = ("model_predictions", "model_outcomes")

_ROW = "subject_kind, subject_id, model, version, predicted_at, horizon_seconds, score, threshold"
_COLUMNS = ("subject_kind", "subject_id", "model", "version", "at", "horizon", "score", "threshold", "here", "seen")
_ATTRIBUTES = """
    subject_kind, subject_id, model, version, predicted_at AS at, horizon_seconds AS horizon, score,
    coalesce(threshold, 0.5) AS threshold, here, seen"""
_FLAGS = ("here", "seen")
_OUTCOME = "subject_kind, subject_id, observed_at, label, is_final"
_SUBJECT = f"subject_kind || '{UNIT}' || subject_id"
_KEYS = "unnest(%(kinds)s::text[], %(ids)s::text[]) WITH ORDINALITY AS t(kind, id, place)"
_ON = "r.subject_kind = t.kind AND r.subject_id = t.id"


class PredictionSource(Source):
    """Predictions of models, with the outcomes of their subjects."""

    name = "predictions"
    reads = LOGS
    uses = (REMOVALS,)
    layouts: ClassVar[tuple[Layout, ...]] = LAYOUTS
    births = (PREDICTIONS, SCORES, MATURITY)
    timeless = False

    async def parts(self, db: Reading) -> list[Part]:
        """Ranges of predicted_at."""
        return await ranges(db, "model_predictions", "predicted_at", PART_PREDICTIONS)

    async def touched(self, db: Reading, since: str, cutoff: float) -> Sequence[str]:
        """Subjects with a prediction or an outcome that is new or was removed."""
        selects = [f"SELECT {_SUBJECT} AS subject FROM sales.{log} WHERE {fresh('recorded_tx')}" for log in LOGS]  # noqa: S608
        if REMOVALS in self.relations:
            selects.append(
                f"SELECT key FROM sales.{REMOVALS} WHERE relation IN {LOGS} AND {fresh('removed_tx')}")  # noqa: S608
        return list((await db.columns(" UNION ".join(selects), ("subject",), old=since))["subject"])

    async def read(self, db: Reading, which: Selection, moment: Moment, names: Names) -> Reads:
        """The cells that the predictions of a range, or of subjects, make at a moment."""
        rows = await self._rows(db, which, moment.snapshot, names)
        cutoff = _microseconds(moment.cutoff)
        cells = await self._cells(rows, rows.seen, rows.observed_seen, cutoff)
        return Reads(cells, rows.due(cutoff), len(rows.here))

    async def change(self, db: Reading, keys: Sequence[str], old: Moment, new: Moment, names: Names) -> Reads:
        """Rows are read once for both moments: with what is new among them, and with what is gone."""
        rows = await self._rows(db, keys, old.snapshot, names)
        cutoff, before = _microseconds(new.cutoff), _microseconds(old.cutoff)
        fresh = await self._cells(rows, rows.here, rows.observed_here, cutoff)
        stale = await self._cells(rows, rows.seen, rows.observed_seen, before)
        return Reads(fresh, rows.due(cutoff), len(rows.here), rows.late(before)).minus(Reads(stale))

    async def _cells(self, rows: _Rows, predictions: Flags, outcomes: Flags, cutoff: int) -> dict[str, Tally]:
        some = rows.predictions.where(predictions), rows.outcomes.where(outcomes)
        if len(rows.here) > MANY:
            return await asyncio.to_thread(contributions, self.scheme.calendar, *some, cutoff)
        return contributions(self.scheme.calendar, *some, cutoff)

    async def steps(self, db: Reading, moments: Sequence[float], names: Names) -> list[Reads]:
        """Predictions are read once for all moments."""
        logs = zip(LOGS, ("predicted_at", "observed_at"), strict=True)
        sql = " UNION ".join(f"SELECT {_SUBJECT} AS subject FROM sales.{log} WHERE {between(at)}" for log, at in logs)  # noqa: S608
        keys = list((await db.columns(sql, ("subject",), low=moments[0], high=moments[-1]))["subject"])
        rows = await self._rows(db, keys, None, names)
        edges = pairwise(map(_microseconds, moments))
        return await asyncio.to_thread(
            lambda: [self._step(rows.predictions, rows.outcomes, low, high) for low, high in edges])

    def _step(self, predictions: Predictions, outcomes: Outcomes, low: int, high: int) -> Reads:
        """The change between two moments, from the subjects that something happened to in between."""
        new = outcomes.subject[(outcomes.at >= low) & (outcomes.at < high)]
        touched = ((predictions.at >= low) & (predictions.at < high)) | np.isin(predictions.subject, new)
        some = predictions.where(touched)
        after, before = (contributions(self.scheme.calendar, some, outcomes, cutoff) for cutoff in (high, low))
        return Reads(after).minus(Reads(before))

    async def _rows(self, db: Reading, which: Selection, snapshot: str | None, names: Names) -> _Rows:
        past = snapshot is not None
        given: dict[str, object] = {"old": snapshot}
        if isinstance(which, Part):
            condition, bounds = within("predicted_at", which)
            given |= bounds
            log = as_of("model_predictions", "recorded_tx", _ROW, self.relations, past=past)
            rows = f"(SELECT *, true AS here, true AS seen FROM {log} AS r WHERE {condition})"  # noqa: S608
        else:
            given["kinds"], given["ids"] = _split(which)
            rows = of_keys("model_predictions", _ROW, _KEYS, _ON, self.relations, past=past)
        found = await db.columns(f"SELECT {_ATTRIBUTES} FROM {rows} AS p", _COLUMNS, **given)  # noqa: S608
        every = [UNIT.join(pair) for pair in zip(found["subject_kind"], found["subject_id"], strict=True)]
        subjects = {key: place for place, key in enumerate(dict.fromkeys(every))}
        versions = [SEPARATOR.join(pair) for pair in zip(found["model"], found["version"], strict=True)]
        predictions = Predictions(
            np.fromiter((subjects[key] for key in every), dtype=np.int64, count=len(every)),
            names.numbered(versions), found["at"], found["horizon"], found["score"], found["threshold"],
        )
        keys = list(subjects)
        outcomes, observed_here, observed_seen = await self._outcomes(db, keys, snapshot)
        return _Rows(keys, predictions, *_flags(found), outcomes, observed_here, observed_seen)

    async def _outcomes(
        self, db: Reading, keys: list[str], snapshot: str | None
    ) -> tuple[Outcomes, Flags, Flags]:
        rows = of_keys("model_outcomes", _OUTCOME, _KEYS, _ON, self.relations, past=snapshot is not None)
        kinds, ids = _split(keys)
        found = await db.columns(
            f"SELECT (place - 1)::int4 AS subject, observed_at AS at, coalesce(label = 1, false) AS positive,"  # noqa: S608
            f" is_final AS final, here, seen FROM {rows} AS o ORDER BY place, observed_at",
            ("subject", "at", "positive", "final", *_FLAGS), kinds=kinds, ids=ids, old=snapshot)
        positive, final = found["positive"].astype(bool), found["final"].astype(bool)
        return (Outcomes(found["subject"], found["at"], positive, final), *_flags(found))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Predictions and the outcomes of their subjects, with which of them exist now and which the snapshot saw."""

    subjects: Sequence[str]
    predictions: Predictions
    here: Flags
    seen: Flags
    outcomes: Outcomes
    observed_here: Flags
    observed_seen: Flags

    def due(self, cutoff: int) -> list[tuple[float, str]]:
        """What lies in the future."""
        made, coming = self.predictions.where(self.here), self.outcomes.where(self.observed_here)
        return [
            *due(self.subjects, made.at, made.subject, cutoff), *due(self.subjects, coming.at, coming.subject, cutoff),
        ]

    def late(self, before: int) -> int:
        """Rows that are new now and older than the moment before."""
        edge = before - round(LATE * SECOND)
        return int(np.count_nonzero(self.here & ~self.seen & (self.predictions.at < edge))) + int(
            np.count_nonzero(self.observed_here & ~self.observed_seen & (self.outcomes.at < edge)))


def _split(keys: Sequence[str]) -> tuple[list[str], list[str]]:
    """Kinds and ids of subjects."""
    pairs = [key.partition(UNIT) for key in keys]
    return [kind for kind, _, _ in pairs], [id_ for _, _, id_ in pairs]


def _flags(found: Mapping[str, Any]) -> tuple[Flags, Flags]:
    return found["here"].astype(bool), found["seen"].astype(bool)


def _microseconds(moment: float) -> int:
    return round(moment * SECOND)
