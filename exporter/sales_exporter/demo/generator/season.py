"""When things happen: the shape of a week, growth, outages, and arrival times drawn from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sales_exporter.demo.generator.columns import Floats, Ints
from sales_exporter.demo.generator.preset import DAY, HOUR

WEEKDAYS = np.array([1.15, 1.20, 1.15, 1.10, 0.95, 0.40, 0.35])
"""Relative lead arrivals from Monday to Sunday."""
LEAD_HOURS = np.array([1, 1, 1, 1, 1, 2, 4, 8, 14, 18, 20, 19, 15, 16, 18, 18, 16, 13, 10, 9, 8, 6, 4, 2], float)
"""Relative lead arrivals by hour of the day (UTC)."""
CALL_WEEKDAYS = np.array([1.25, 1.25, 1.20, 1.20, 1.05, 0.35, 0.25])
CALL_HOURS = np.array([1, 1, 1, 1, 1, 1, 3, 9, 18, 24, 26, 24, 16, 20, 25, 24, 20, 14, 9, 6, 4, 3, 2, 1], float)


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours of a stretch of time: epoch-second edges cut at full hours, and the middle of each."""

    edges: Floats

    @classmethod
    def between(cls, start: float, end: float) -> Hours:
        """All hours of [start, end); the first and the last may be shorter."""
        inner = np.arange(np.floor(start / HOUR) * HOUR + HOUR, end, HOUR)
        return cls(np.concatenate([[start], inner, [end]]))

    @property
    def middles(self) -> Floats:
        return (self.edges[:-1] + self.edges[1:]) / 2

    @property
    def lengths(self) -> Floats:
        return np.diff(self.edges)


def weekday(moments: Floats) -> Ints:
    """0 = Monday … 6 = Sunday, in UTC. The epoch was a Thursday."""
    return ((moments // DAY).astype(np.int64) + 3) % 7


def profile(moments: Floats, weekdays: Floats, hours: Floats) -> Floats:
    """The relative rate at some moments; its mean over a week is 1."""
    shape = weekdays[weekday(moments)] * hours[(moments % DAY // HOUR).astype(np.int64)]
    return np.asarray(shape / (weekdays.mean() * hours.mean()))


def arrivals(rng: np.random.Generator, hours: Hours, weights: Floats, count: int) -> tuple[Floats, Ints]:
    """``count`` times, ascending, and the kind of each, from a rate by hour and kind.

    ``weights`` has one row for an hour and one column for a kind. Given their number, the arrivals of a Poisson
    process with this rate are distributed exactly so.
    """
    mass = np.cumsum((weights * hours.lengths[:, None]).ravel())
    cells = np.searchsorted(mass, rng.random(count) * mass[-1], side="right")
    hour, kind = np.divmod(np.minimum(cells, mass.size - 1), weights.shape[1])
    times = hours.edges[hour] + rng.random(count) * hours.lengths[hour]
    order = np.argsort(times, kind="stable")
    return times[order], kind[order]
