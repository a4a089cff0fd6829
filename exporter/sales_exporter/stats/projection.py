"""What recent cohorts will have converted to by a fixed age, from how older leads went on: Aalen-Johansen by period."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sales_exporter.stats.classification import Estimate
from sales_exporter.stats.logrank import DAY, period_risk
from sales_exporter.stats.survival import aalen_johansen

Floats = NDArray[np.float64]
REFERENCE_DAYS = 60.0
"""Days from which the course is learned: on Olist 28 to 90 do alike, more lag behind it (benchmarks/projection.py)."""
DRAWS = 1_000
"""Simulated futures behind a band; its ends are then sure to about a tenth of its width."""


@dataclass(frozen=True, slots=True)
class Cohorts:
    """Leads by day of creation, day 0 first, and what has become of them before ``now_day``.

    ``sizes`` (days) counts leads, ``won`` and ``lost`` (days, buckets) those that ended, by the age at which they
    did. ``edges`` in seconds divide the buckets, as for :func:`sales_exporter.stats.logrank.period_risk`. A source that
    records no losses has ``lost`` all 0: its leads stay open.

    Raises:
        ValueError: shapes do not fit, or more leads ended than there are.
    """

    sizes: Floats
    won: Floats
    lost: Floats
    edges: Floats
    now_day: float

    def __post_init__(self) -> None:
        if self.won.ndim != 2 or self.won.shape != self.lost.shape or self.sizes.shape != self.won.shape[:1]:
            raise ValueError("won and lost must be (days, buckets), and sizes (days)")
        if self.won.shape[1] != self.edges.size + 1:
            raise ValueError("there must be one bucket more than edges")
        if np.any(self.open < 0):
            raise ValueError("more leads ended than there are")

    @property
    def open(self) -> Floats:
        """Leads that have not ended (days)."""
        return np.asarray(self.sizes - (self.won + self.lost).sum(axis=1))

    @property
    def ages(self) -> Floats:
        """Mean age of the leads of each day, in days; they are taken as spread evenly over it."""
        created = np.arange(self.sizes.size, dtype=np.float64)
        return np.asarray(self.now_day - created - np.minimum(self.now_day - created, 1.0) / 2)

    def since(self, day: int) -> Cohorts:
        """Only the leads created on ``day`` or later."""
        kept = np.arange(self.sizes.size) >= day
        return Cohorts(
            self.sizes * kept, self.won * kept[:, None], self.lost * kept[:, None], self.edges, self.now_day
        )


@dataclass(frozen=True, slots=True)
class Course:
    """How leads go on with age: what ended (2, buckets) for won and lost, and how many were at risk of it (buckets)."""

    events: Floats
    at_risk: Floats
    edges: Floats
    oldest: float
    """The age in days up to which anything is known: that of the oldest lead, ended or not."""


class Projection(NamedTuple):
    """``observed``: share won so far; ``projected``: share won by the horizon, with its 95 % prediction band.

    ``maturity``: share, 0 to 1, of the outcomes that leads of these ages have by the horizon which is expected to
    be known already. NaN where undefined.
    """

    observed: float
    projected: Estimate
    maturity: float


def learn(cohorts: Cohorts, days: float = REFERENCE_DAYS) -> Course:
    """The course of all leads, whatever their age, over the last ``days`` days: the newest behaviour at every age.

    Source: H. Brenner, O. Gefeller, Statistics in Medicine 16 (1997) 863-877 (period analysis).

    Raises:
        ValueError: days is not positive, or counts are negative.
    """
    now = cohorts.now_day
    ended = np.stack((cohorts.won, cohorts.lost))
    nobody = np.zeros((2, cohorts.sizes.size))
    causes = period_risk(ended, nobody, cohorts.edges, now - days, now, now)
    everyone = period_risk(ended.sum(axis=0), cohorts.open, cohorts.edges, now - days, now, now)
    oldest = float(np.max(cohorts.ages, where=cohorts.sizes > 0, initial=0.0))
    return Course(causes.events, everyone.at_risk, cohorts.edges, oldest)


def project(cohorts: Cohorts, course: Course, horizon: float, seed: int, draws: int = DRAWS) -> Projection:
    """Share of the cohorts' leads that will have won within ``horizon`` days of their creation.

    Wins so far count as they are; an open lead of age a counts (F(horizon) - F(a)) / (1 - F(a) - L(a)), with F and L
    the incidence of wins and losses in ``course``. The band simulates both what the open leads do and how unsure the
    course is, by Dirichlet draws of its hazards; half an imaginary win over all ages keeps it from being sure
    after none. It holds if leads go on as in ``course``; no data can tell that they will. Undefined without leads, and
    when no lead behind ``course`` is as old as the horizon.

    Raises:
        ValueError: the horizon is not positive, or the course has other buckets.
    """
    if not 0 < horizon < math.inf:
        raise ValueError(f"the horizon must be positive and finite, not {horizon}")
    if not np.array_equal(cohorts.edges, course.edges):
        raise ValueError("cohorts and course must have the same buckets")
    total = float(cohorts.sizes.sum())
    grid = np.concatenate(([0.0], cohorts.edges)) / DAY
    within = np.clip((horizon - grid) / np.diff(grid, append=math.inf), 0, 1)
    won = float((cohorts.won @ within).sum())
    observed = won / total if total > 0 else math.nan
    if total == 0 or course.oldest < horizon:
        return Projection(observed, Estimate(math.nan, math.nan, math.nan), math.nan)
    hazards = course.events / np.where(course.at_risk > 0, course.at_risk, 1.0)
    chances = _chances(hazards[None], grid, horizon, cohorts.ages)[0]
    expected = (won + float(cohorts.open @ chances)) / total
    rng = np.random.default_rng(seed)
    futures = _chances(_drawn(rng, course, within > 0, draws), grid, horizon, cohorts.ages)
    wins = won + rng.binomial(np.rint(cohorts.open).astype(np.int64), futures).sum(axis=1)
    lower, upper = np.quantile(wins / total, (0.025, 0.975))
    band = Estimate(expected, min(float(lower), expected), max(float(upper), expected))
    return Projection(observed, band, _maturity(course, cohorts, grid, horizon))


def _chances(hazards: Floats, grid: Floats, horizon: float, ages: Floats) -> Floats:
    """Probability that a lead still open at each age wins by the horizon (draws, ages); 0 beyond it."""
    won, left = _curves(hazards)
    at = np.searchsorted(grid, np.minimum(np.append(ages, horizon), grid[-1]), "right") - 1
    at = np.minimum(at, grid.size - 2)
    part = np.clip((np.append(ages, horizon) - grid[at]) / (grid[at + 1] - grid[at]), 0, 1)
    by_age = won[:, at] * (1 - part) + won[:, at + 1] * part
    still = left[:, at] * (1 - part) + left[:, at + 1] * part
    gain = np.maximum(by_age[:, -1:] - by_age[:, :-1], 0)
    return np.asarray(np.minimum(gain / np.maximum(still[:, :-1], 1e-12), 1.0))


def _curves(hazards: Floats) -> tuple[Floats, Floats]:
    """Incidence of wins, and share still open, at each edge (draws, edges), from hazards (draws, 2, buckets)."""
    left = np.multiply.accumulate(np.maximum(1 - hazards.sum(axis=1), 0), axis=1)
    left = np.concatenate((np.ones_like(left[:, :1]), left[:, :-1]), axis=1)
    won = np.cumsum(left[:, :-1] * hazards[:, 0, :-1], axis=1)
    return np.concatenate((np.zeros_like(won[:, :1]), won), axis=1), np.asarray(left)


def _drawn(rng: np.random.Generator, course: Course, within: NDArray[np.bool_], draws: int) -> Floats:
    """Hazards as they might have been found (draws, 2, buckets)."""
    risk, won, lost = course.at_risk, *course.events
    counted = within & (risk > 1e-9)
    imaginary = np.where(counted, 0.5 / max(int(counted.sum()), 1), 0.0)
    shapes = np.stack((won + imaginary, lost, np.maximum(risk - won - lost, 0)))
    drawn = rng.standard_gamma(shapes, (draws, *shapes.shape))
    total = drawn.sum(axis=1, keepdims=True)
    return np.asarray(drawn[:, :2] / np.where(total > 0, total, 1.0))


def _maturity(course: Course, cohorts: Cohorts, grid: Floats, horizon: float) -> float:
    middles = (grid + np.append(grid[1:], 2 * grid[-1])) / 2
    ended = 1 - aalen_johansen(middles, course.events, course.at_risk).remaining
    ends = np.concatenate(([0.0], ended[:-1]))
    known, final = np.interp(np.minimum(cohorts.ages, horizon), grid, ends), float(np.interp(horizon, grid, ends))
    return float(cohorts.sizes @ known / (cohorts.sizes.sum() * final)) if final > 0 else math.nan
