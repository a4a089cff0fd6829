"""The core that judges, led through the past: at each moment it holds the series that it would have held live."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.history.history import Scope
from sales_exporter.sidecar.judging.alarming import Page
from sales_exporter.sidecar.judging.core import Core
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.verdicts import Floats, Verdicts

ABSENCE = Scope().absence
"""Seconds without a sample after which a series is forgotten."""

Ids = tuple[SeriesId, ...]


class Stage:
    """Takes moments in their order, each with the values of all series that are known by then; NaN where none came.

    Nothing of a later moment has a say in an earlier one: a series gets its place with its first sample. ``known`` may
    grow from call to call, at its end.
    """

    def __init__(self, core: Core) -> None:
        self._detector, self._alarming, self._blank = core.detector(), core.alarming, core.blank
        self._rows = np.zeros(0, np.intp)
        self._held = np.zeros(0, bool)
        self._seen = np.zeros(0)
        self.ids: Ids = ()
        """The series held, in the order of the verdicts."""

    def learn(self, known: Ids, times: Floats, values: Floats) -> None:
        """Take in a past, (series, times), without judging it."""
        values = self._without_incidents(known, times, values)
        there = ~np.isnan(values)
        last = np.where(there, times, -np.inf).max(axis=1, initial=-np.inf)
        self._admit(known, last > -np.inf)
        self._detector.learn(times, values[self._rows])
        self._seen = np.maximum(self._seen, last[self._rows])

    def rehearse(self, known: Ids, times: Floats, values: Floats, cases: Floats) -> None:
        """Judge a past moment by moment, so that the budget knows the fleet, and page nobody."""
        values = self._without_incidents(known, times, values)
        for column, at in enumerate(times.tolist()):
            own = self._follow(known, at, values[:, column])
            self._alarming.learn(at, self.ids, own, self._detector.update(at, own), cases[self._rows, column])

    def judge(self, known: Ids, at: float, values: Floats, cases: Floats) -> tuple[Floats, Verdicts, list[Page]]:
        """Values and verdicts of the series held, and what pages at this moment."""
        own = self._follow(known, at, values)
        verdicts = self._detector.update(at, own)
        return own, verdicts, self._alarming.step(at, self.ids, own, verdicts, cases[self._rows])

    def _without_incidents(self, known: Ids, times: Floats, values: Floats) -> Floats:
        return np.where(self._blank(known, times), np.nan, values)

    def _follow(self, known: Ids, at: float, values: Floats) -> Floats:
        """Forget who has been away for long, admit who comes; the values of those held."""
        there = ~np.isnan(values)
        kept = self._seen >= at - ABSENCE
        if not kept.all():
            self._detector.keep(kept)
            self._held[self._rows[~kept]] = False
            self._rows, self._seen = self._rows[kept], self._seen[kept]
            self.ids = tuple(known[row] for row in self._rows.tolist())
        self._admit(known, there)
        self._seen[there[self._rows]] = at
        return values[self._rows]

    def _admit(self, known: Ids, there: NDArray[np.bool_]) -> None:
        self._held = np.append(self._held, np.zeros(len(known) - self._held.size, bool))
        fresh = np.flatnonzero(there & ~self._held)
        if fresh.size:
            self._held[fresh] = True
            self._rows = np.append(self._rows, fresh)
            self._seen = np.append(self._seen, np.full(fresh.size, -np.inf))
            self.ids = (*self.ids, *(known[row] for row in fresh.tolist()))
            self._detector.admit(fresh.size)
