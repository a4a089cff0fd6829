"""When an alert would have been pending and firing, from when its expression had a result. Pure.

The steps are those of Prometheus: a series that has a result is pending, and firing once it has been so for ``for``. A
pending one without a result is forgotten; a firing one goes on for ``keep_firing_for``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sales_exporter.rules.book import Alert

Floats = NDArray[np.float64]
Labels = tuple[tuple[str, str], ...]
_TEMPLATE = re.compile(r"\{\{-?\s*\$labels\.([a-zA-Z_]\w*)\s*-?\}\}")


@dataclass(frozen=True, slots=True)
class Grid:
    """The moments of evaluation: ``count`` of them from ``start``, each ``step`` seconds."""

    start: float
    step: float
    count: int

    @property
    def end(self) -> float:
        """The last one."""
        return self.start + self.step * (self.count - 1)

    def at(self, place: int) -> float:
        """One of them."""
        return self.start + self.step * place


@dataclass(frozen=True, slots=True)
class Episode:
    """One time that an alert was active, in epoch seconds. Those that end with the replay have no end."""

    labels: Labels
    since: float
    """When it became pending."""
    fired: float | None
    """When it began to fire; None when it was pending alone."""
    until: float | None
    """When it was over."""
    value: float
    """The value of the expression when it began to fire, or last while it was pending."""


def labels_of(series: Mapping[str, str], alert: Alert) -> Labels:
    """The labels of an alert: those of the series without its name, and the rule's, ``{{ $labels.x }}`` filled in.

    A label whose text hangs on anything else than labels keeps its template.
    """
    found = {name: value for name, value in series.items() if name != "__name__"}
    for name, value in alert.labels.items():
        found[name] = _TEMPLATE.sub(lambda match: series.get(match.group(1), ""), value)
    return tuple(sorted((name, value) for name, value in found.items() if value))


def episodes(labels: Labels, values: Floats, grid: Grid, alert: Alert) -> list[Episode]:
    """All episodes of one series of an alert. ``values`` are NaN where the expression had no result."""
    there = ~np.isnan(values)
    # Places at which a run of results begins, and the first one after it.
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    runs = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    found: list[Episode] = []
    place = 0
    while place < len(runs):
        begin, end = runs[place]
        first = begin + _steps(alert.hold, grid.step)
        if first >= end:
            found.append(Episode(labels, grid.at(begin), None, _moment(grid, end), float(values[end - 1])))
            place += 1
            continue
        over, place = _over(runs, place, grid, alert.keep)
        found.append(Episode(labels, grid.at(begin), grid.at(first), _moment(grid, over), float(values[first])))
    return found


def _over(runs: Sequence[tuple[int, int]], place: int, grid: Grid, keep: float) -> tuple[int, int]:
    """Where an alert that fires in the run at ``place`` is over, and the next run that is none of it."""
    while True:
        # The first moment without a result counts as the beginning of the time that it is kept.
        over = runs[place][1] + _steps(keep, grid.step)
        place += 1
        # A result at the very moment at which it would end keeps it alive.
        if place == len(runs) or runs[place][0] > over:
            return over, place


def _steps(seconds: float, step: float) -> int:
    """Evaluations until so much time has passed."""
    return int(np.ceil(seconds / step - 1e-9))


def _moment(grid: Grid, place: int) -> float | None:
    return grid.at(place) if place < grid.count else None
