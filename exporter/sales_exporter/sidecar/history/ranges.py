"""The past in pieces: which moments are asked for, in which steps. Pure.

Two steps: quarter hours for most of it, and the tick's own interval for the last week. Where that is less than a
minute, the week is in minutes, but for its end, which has as many moments as a day has minutes: to judge a week of
seconds takes hours.

A quarter hour is the mean of three evaluations, five minutes apart: enough for a profile of the day, and all fifteen
would cost Prometheus five times as much. How odd a single sample may be is another matter: a detector learns it from
samples like those that it will judge, and from as many as a week has. After a fill with only the last six hours in
small steps, ours raised 1.2 false alarms a week in a series of Poisson counts; after one with a week of them, 0.01.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sales_exporter.sidecar.verdicts import Floats

QUARTER = 900.0
MINUTE = 60.0
FINE = 7 * 86_400.0
"""Length of the part in small steps."""
FINEST = 1440
"""Moments at most in steps below a minute."""
POINTS = 11_000
"""Points per series that Prometheus answers at most."""
SAMPLES = 250_000
"""Samples of one answer, about: they take some 50 MB while they are read."""


@dataclass(frozen=True, slots=True)
class Piece:
    """``count`` moments from ``start``, and whether they are means of the time before each."""

    start: float
    step: float
    count: int
    means: bool

    def query(self, query: str) -> str:
        """The PromQL of a watch for this piece."""
        # 14 minutes hold three evaluations in every release: whether the left end of a range counts has changed.
        return f"avg_over_time((\n{query}\n)[14m:5m])" if self.means else query

    @property
    def times(self) -> Floats:
        """The moments that the samples stand for; of a mean, the middle of its time."""
        return self.start + self.step * np.arange(self.count, dtype=np.float64) - (QUARTER / 2 if self.means else 0.0)

    def halves(self) -> tuple[Piece, Piece]:
        """The same in two pieces."""
        first = self.count // 2
        return (Piece(self.start, self.step, first, self.means),
                Piece(self.start + self.step * first, self.step, self.count - first, self.means))


def pieces(after: float, until: float, interval: float, series: int) -> list[Piece]:
    """What covers the time after one moment until another, both of the grid of ``interval``, without overlap.

    ``series`` is how many are expected in an answer: it bounds the length of a piece. A first quarter hour that has
    begun before is left out: its mean would stand at a moment that is known already.
    """
    fine = max(after, math.floor((until - FINE) / QUARTER) * QUARTER)
    coarse = _pieces(math.ceil(after / QUARTER) * QUARTER, fine, QUARTER, series, True) if fine > after else ()
    fine = math.floor(fine / interval) * interval
    # Whole intervals, so that the moments stay on their grid.
    minute = math.ceil(MINUTE / interval) * interval
    minutes = max(0, math.floor((until - fine - FINEST * interval) / minute)) if interval < MINUTE else 0
    finest = fine + minutes * minute
    return [*coarse, *_pieces(fine, finest, minute, series, False), *_pieces(finest, until, interval, series, False)]


def even(after: float, until: float, step: float, series: int, longest: float) -> list[Piece]:
    """What covers the time after one moment until another in one step, in pieces of at most ``longest`` seconds."""
    whole = _pieces(after, until, step, series, False)
    most = max(1, round(longest / step))
    return [Piece(piece.start + first * step, step, min(most, piece.count - first), False)
            for piece in whole for first in range(0, piece.count, most)]


def _pieces(after: float, until: float, step: float, series: int, means: bool) -> Iterator[Piece]:
    longest = min(POINTS, max(24, SAMPLES // max(1, series)))
    left, start = round((until - after) / step), after + step
    while left > 0:
        yield Piece(start, step, min(left, longest), means)
        start, left = start + step * longest, left - longest
