"""All models that are read of: who is in which row of the judge, and what is found on each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Self

import numpy as np

from sales_exporter.config import DriftSettings
from sales_exporter.model import Sample
from sales_exporter.sidecar.detectors import Arrays
from sales_exporter.sidecar.drift.advice import DAY, Advice, Adviser
from sales_exporter.sidecar.drift.early import Early, early, early_words
from sales_exporter.sidecar.drift.judge import ModelDrift
from sales_exporter.sidecar.drift.published import samples
from sales_exporter.sidecar.drift.report import DriftReport
from sales_exporter.sidecar.drift.words import Words, words
from sales_exporter.sidecar.verdicts import Floats

SETTLED = """\
sum by (model, version, predicted, actual) (
  max by (cluster, tenant, model, version, predicted, actual) (sales_model_settled_decisions))"""
"""Running totals of decisions whose labels are settled. The same version at several tenants is one stream; two
exporters may count the same decisions."""
ESTIMATES = tuple(
    f"avg by (model, version) (sales_model_estimated_accuracy_ratio{end})" for end in ("_lower", "", "_upper"))
"""Lower bounds, values and upper bounds of the accuracy that pending decisions are expected to have."""
DECISIONS = ("positive", "negative")
GONE_DAYS = 30.0
"""Days without a reading after which a version is forgotten."""

MOST = 200
"""Versions judged at most; those seen first."""

Name = tuple[str, str]
"""Model and version."""
Row = tuple[Mapping[str, str], float]
"""Labels and value, as a query answers them."""


class Finding(NamedTuple):
    """A model that drifts, is worth training anew, or both, in words; since when (epoch seconds; None: not)."""

    model: str
    version: str
    drifts: float | None
    retrain: float | None
    lost: float
    words: Words


class Findings(NamedTuple):
    """What an update found; one row per name."""

    report: DriftReport
    advice: Advice
    expected: Early
    names: tuple[Name, ...]
    floors: Floats

    def samples(self) -> Iterator[Sample]:
        """As metrics."""
        return samples(self.report, self.advice, self.expected, self.names, self.floors.tolist())

    def standing(self) -> Iterator[Finding]:
        """What labels show, and what to do about it: what may raise an alert."""
        lost = self.report.loss.size
        for row, (model, version) in enumerate(self.names):
            drifts, retrain = bool(self.report.active[row].any()), bool(self.advice.recommended[row])
            if drifts or retrain:
                yield Finding(
                    model, version, float(np.nanmin(self.report.began[row])) if drifts else None,
                    float(self.advice.since[row]) if retrain else None, float(lost[row]),
                    words(self.report, self.advice, row, model, version))

    def expecting(self) -> Iterator[tuple[Name, str]]:
        """Models whose scores alone let expect drift, and what to say of it; nothing to page on."""
        for row, name in enumerate(self.names):
            if self.expected.active[row]:
                yield name, early_words(self.expected, row, *name)


class DriftWatch:
    """Feeds the judge and the adviser from query results. A version that was not seen before gets a row of its own and
    a reference of its own; one that is gone for ``GONE_DAYS`` loses it."""

    def __init__(self, settings: DriftSettings) -> None:
        self.settings = settings
        self._judge = ModelDrift(
            settings.alpha, settings.budget, settings.maturity_days * DAY, segments=len(DECISIONS))
        self._adviser = Adviser(settings)
        self._names: list[Name] = []
        self._seen = np.zeros(0)
        self._expecting = np.zeros(0, dtype=bool)

    def update(self, at: float, settled: Iterable[Row], estimates: Iterable[Iterable[Row]] = ((), (), ())) -> Findings:
        """Judge what the queries ``SETTLED`` and ``ESTIMATES`` answered at a moment (epoch seconds)."""
        read = readings(settled)
        self._admit([name for name in read if name not in self._names][: MOST - len(self._names)])
        there = np.array([name in read for name in self._names], dtype=bool)
        self._seen = np.where(there, at, self._seen)
        self._forget(at - self._seen < GONE_DAYS * DAY)
        missing = np.full((2, len(DECISIONS)), np.nan)
        both = np.array([read.get(name, missing) for name in self._names]).reshape(-1, 2, len(DECISIONS))
        report = self._judge.update(at, both[:, 0], both[:, 1])
        bounds = [self._by_row(rows) for rows in estimates]
        floors = self._floors(self._names)
        expected = early(
            (bounds[0], bounds[1], bounds[2]), floors, report, self.settings.least_loss, self._expecting)
        self._expecting = expected.active
        return Findings(report, self._adviser.advise(report), expected, tuple(self._names), floors)

    def state(self) -> Arrays:
        """Everything needed to go on."""
        return {
            "models": np.array([model for model, _ in self._names], dtype=str),
            "versions": np.array([version for _, version in self._names], dtype=str),
            "seen": self._seen.copy(), "expecting": self._expecting.copy(),
            **{f"judge.{name}": part for name, part in self._judge.state().items()},
            **{f"advice.{name}": part for name, part in self._adviser.state().items()},
        }

    def restore(self, state: Arrays) -> Self:
        """Go on from such a state, with the floors of today.

        Raises:
            ValueError: it was written by another version, or with other settings.
        """
        parts: dict[str, dict[str, Floats]] = {"judge": {}, "advice": {}}
        own = {"models", "versions", "seen", "expecting"}
        for name, value in state.items():
            part, dot, inner = name.partition(".")
            if dot and part in parts:
                parts[part][inner] = value
        if not own <= set(state):
            raise ValueError("this is no state of a watch on drift")
        self._judge.restore(parts["judge"])
        self._adviser.restore(parts["advice"])
        self._names = list(zip(state["models"].tolist(), state["versions"].tolist(), strict=True))
        self._seen, self._expecting = np.array(state["seen"]), np.array(state["expecting"])
        self._judge.ask(self._floors(self._names))
        return self

    def _admit(self, fresh: list[Name]) -> None:
        self._names += fresh
        self._judge.admit(self._floors(fresh))
        self._adviser.admit(len(fresh))
        self._seen = np.concatenate([self._seen, np.zeros(len(fresh))])
        self._expecting = np.concatenate([self._expecting, np.zeros(len(fresh), dtype=bool)])

    def _forget(self, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
        if not kept.all():
            self._names = [name for name, stays in zip(self._names, kept.tolist(), strict=True) if stays]
            self._judge.keep(kept)
            self._adviser.keep(kept)
            self._seen, self._expecting = self._seen[kept], self._expecting[kept]

    def _floors(self, names: list[Name]) -> Floats:
        floors = [self.settings.floor_of(model, version) for model, version in names]
        return np.array([np.nan if floor is None else floor for floor in floors], dtype=np.float64)

    def _by_row(self, rows: Iterable[Row]) -> Floats:
        found = {(labels.get("model", ""), labels.get("version", "")): value for labels, value in rows}
        return np.array([found.get(name, np.nan) for name in self._names], dtype=np.float64)


def readings(rows: Iterable[Row]) -> dict[Name, Floats]:
    """Right and all decisions, by name: (2, decisions for and against). Rows without these labels are left out."""
    found: dict[Name, Floats] = {}
    for labels, value in rows:
        predicted, actual = labels.get("predicted", ""), labels.get("actual", "")
        if predicted in DECISIONS and actual in DECISIONS:
            name = labels.get("model", ""), labels.get("version", "")
            table = found.setdefault(name, np.zeros((2, len(DECISIONS))))
            place = DECISIONS.index(predicted)
            table[1, place] += value
            table[0, place] += value * (predicted == actual)
    return found
