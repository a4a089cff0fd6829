"""What recent cohorts will have converted to by a fixed age, from how older leads went on: Aalen-Johansen by period."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sales_exporter.stats.classification import UNDEFINED, Estimate
from sales_exporter.stats.logrank import DAY, period_events, period_risk
from sales_exporter.stats.survival import aalen_johansen

Floats = NDArray[np.float64]
REFERENCE_DAYS = 60.0
"""Days from which the course is learned: on Olist 28 to 90 do alike, more lag behind it (benchmarks/projection.py)."""
DRAWS = 1_000
"""Simulated futures behind a band; its ends are then sure to about a tenth of its width."""
LARGE = 25.0
"""Shape of a gamma variate, and variance of a number of wins, from which they are drawn by way of normal ones."""


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


@dataclass(frozen=True, slots=True)
class Simulated:
    """A course, and others that might as well have been found: to be drawn once for all cohorts and horizons."""

    course: Course
    seed: int
    weights: Floats
    """Of winning, losing and going on (3, buckets, draws), at random: their shares are the hazards."""


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
    return learn_each((cohorts,), days)[0]


def learn_each(groups: Sequence[Cohorts], days: float = REFERENCE_DAYS) -> list[Course]:
    """The course of each of some groups of the same days, now and edges: as :func:`learn`, in one pass.

    Raises:
        ValueError: as :func:`learn`, or the groups have other days, buckets or moments.
    """
    if not groups:
        return []
    edges, now = groups[0].edges, groups[0].now_day
    if any(one.now_day != now or not np.array_equal(one.edges, edges) for one in groups):
        raise ValueError("groups must have the same buckets and moment")
    ended = np.stack([(one.won, one.lost) for one in groups])
    causes = period_events(ended, edges, now - days, now, now)
    everyone = period_risk(ended.sum(axis=1), np.stack([one.open for one in groups]), edges, now - days, now, now)
    return [
        Course(events, at_risk, edges, float(np.max(one.ages, where=one.sizes > 0, initial=0.0)))
        for one, events, at_risk in zip(groups, causes, everyone.at_risk, strict=True)
    ]


def simulate(course: Course, seed: int, draws: int = DRAWS) -> Simulated:
    """Courses as they might have been found: Dirichlet draws of the hazards, equal for equal seeds."""
    won, lost = course.events
    shapes = np.stack((won, lost, np.maximum(course.at_risk - won - lost, 0)))
    return Simulated(course, seed, _gamma(np.random.default_rng(seed), shapes, draws))


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
    band = foresee(cohorts, simulate(course, seed, draws), horizon)
    total = float(cohorts.sizes.sum())
    observed = _won(cohorts, horizon) / total if total > 0 else math.nan
    return Projection(observed, band, maturity(cohorts, course, horizon))


def foresee(cohorts: Cohorts, simulated: Simulated, horizon: float) -> Estimate:
    """What :func:`project` finds as projected, from courses that are drawn already.

    Raises:
        ValueError: as :func:`project`.
    """
    course = simulated.course
    _check(cohorts, course, horizon)
    total, grid = float(cohorts.sizes.sum()), _starts(cohorts.edges)
    if total == 0 or course.oldest < horizon:
        return UNDEFINED
    won = _won(cohorts, horizon)
    hazards = course.events / np.where(course.at_risk > 0, course.at_risk, 1.0)
    chances = _chances(hazards[:, :, None], grid, horizon, cohorts.ages)[:, 0]
    expected = (won + float(cohorts.open @ chances)) / total
    rng = np.random.default_rng((simulated.seed, 1))
    futures = _chances(_drawn(rng, simulated, grid < horizon), grid, horizon, cohorts.ages)
    wins = won + _wins(rng, np.rint(cohorts.open), futures)
    lower, upper = np.quantile(wins / total, (0.025, 0.975))
    return Estimate(expected, min(float(lower), expected), max(float(upper), expected))


def maturity(cohorts: Cohorts, course: Course, horizon: float) -> float:
    """The maturity of a :class:`Projection`; of the cohorts it takes the sizes and ages only.

    Raises:
        ValueError: as :func:`project`.
    """
    _check(cohorts, course, horizon)
    total, grid = float(cohorts.sizes.sum()), _starts(course.edges)
    if total == 0 or course.oldest < horizon:
        return math.nan
    middles = (grid + np.append(grid[1:], 2 * grid[-1])) / 2
    ended = 1 - aalen_johansen(middles, course.events, course.at_risk).remaining
    ends = np.concatenate(([0.0], ended[:-1]))
    known, final = np.interp(np.minimum(cohorts.ages, horizon), grid, ends), float(np.interp(horizon, grid, ends))
    return float(cohorts.sizes @ known / (total * final)) if final > 0 else math.nan


def _won(cohorts: Cohorts, horizon: float) -> float:
    """Wins so far that came within the horizon; those of the bucket that it divides count in part."""
    grid = _starts(cohorts.edges)
    within = np.clip((horizon - grid) / np.diff(grid, append=math.inf), 0, 1)
    return float((cohorts.won @ within).sum())


def _check(cohorts: Cohorts, course: Course, horizon: float) -> None:
    if not 0 < horizon < math.inf:
        raise ValueError(f"the horizon must be positive and finite, not {horizon}")
    if not np.array_equal(cohorts.edges, course.edges):
        raise ValueError("cohorts and course must have the same buckets")


def _starts(edges: Floats) -> Floats:
    """Where each bucket starts, in days."""
    return np.concatenate(([0.0], edges)) / DAY


def _chances(hazards: Floats, grid: Floats, horizon: float, ages: Floats) -> Floats:
    """Probability that a lead still open at each age wins by the horizon (ages, draws); 0 beyond it."""
    won, left = _curves(hazards)
    at = np.searchsorted(grid, np.minimum(np.append(ages, horizon), grid[-1]), "right") - 1
    at = np.minimum(at, grid.size - 2)
    part = np.clip((np.append(ages, horizon) - grid[at]) / (grid[at + 1] - grid[at]), 0, 1)[:, None]
    by_age = won[at] * (1 - part) + won[at + 1] * part
    still = left[at[:-1]] * (1 - part[:-1]) + left[at[:-1] + 1] * part[:-1]
    gain = np.maximum(by_age[-1:] - by_age[:-1], 0)
    return np.asarray(np.minimum(gain / np.maximum(still, 1e-12), 1.0))


def _curves(hazards: Floats) -> tuple[Floats, Floats]:
    """Incidence of wins, and share still open, at each edge (edges, draws), from hazards (2, buckets, draws)."""
    won, left = np.zeros_like(hazards[0]), np.ones_like(hazards[0])
    np.multiply.accumulate(np.maximum(1 - (hazards[0] + hazards[1]), 0)[:-1], axis=0, out=left[1:])
    np.cumsum(left[:-1] * hazards[0, :-1], axis=0, out=won[1:])
    return won, left


def _drawn(rng: np.random.Generator, simulated: Simulated, within: NDArray[np.bool_]) -> Floats:
    """Hazards as they might have been found (2, buckets, draws)."""
    won, lost, on = simulated.weights
    counted = np.flatnonzero(within & (simulated.course.at_risk > 1e-9))
    won = won + _imaginary(rng, counted, won.shape) if counted.size else won
    total = won + lost + on
    np.copyto(total, 1.0, where=total <= 0)
    hazards = np.empty((2, *total.shape))
    np.divide(won, total, out=hazards[0])
    np.divide(lost, total, out=hazards[1])
    return hazards


def _imaginary(rng: np.random.Generator, buckets: NDArray[np.int64], shape: tuple[int, ...]) -> Floats:
    """The weight of half a win over all these buckets (buckets, draws): independent gammas of equal tiny shapes.

    Drawn as what they are together, a Dirichlet process on the buckets: nearly all of it falls on a few of them.
    Source: J. Sethuraman, Statistica Sinica 4 (1994) 639-650.
    """
    # Of the process all but 3^-20 on average is on the first twenty sticks; the last takes what is left.
    sticks, draws = 20, shape[1]
    left = np.multiply.accumulate(rng.random((sticks, draws)) ** 2, axis=0)
    left[-1] = 0
    size = rng.standard_gamma(0.5, draws) * -np.diff(left, axis=0, prepend=1.0)
    place = buckets[rng.integers(buckets.size, size=(sticks, draws))] * draws + np.arange(draws)
    return np.asarray(np.bincount(place.ravel(), size.ravel(), math.prod(shape)).reshape(shape), np.float64)


def _gamma(rng: np.random.Generator, shapes: Floats, draws: int) -> Floats:
    """Standard gamma variates, draws along a new last axis; a shape of 0 gives 0.

    Large shapes by the cube of a normal variate, twice as fast as exact ones: its mean and variance are theirs to
    one part in 10,000. Source: E. B. Wilson, M. M. Hilferty, PNAS 17 (1931) 684-688.
    """
    found = np.zeros((*shapes.shape, draws))
    large, small = shapes >= LARGE, (shapes > 0) & (shapes < LARGE)
    found[small] = rng.standard_gamma(shapes[small][:, None], (int(small.sum()), draws))
    size = shapes[large][:, None]
    root = rng.standard_normal((len(size), draws))
    root *= 1 / (3 * np.sqrt(size))
    root += 1 - 1 / (9 * size)
    found[large] = size * root * root * root
    return found


def _wins(rng: np.random.Generator, leads: Floats, chances: Floats) -> Floats:
    """How many of the leads (ages) win with the chances (ages, draws): sums of binomial variates (draws)."""
    mean, spread = leads @ chances, leads @ (chances * (1 - chances))
    if spread.mean() < LARGE:
        return np.asarray(rng.binomial(leads.astype(np.int64)[:, None], chances).sum(axis=0), np.float64)
    # Where many may win the sum is a normal variate but for its skewness.
    # Source: E. A. Cornish, R. A. Fisher, Revue de l'Institut International de Statistique 5 (1938) 307-320.
    skew = leads @ (chances * (1 - chances) * (1 - 2 * chances)) / np.maximum(spread, 1e-12)
    normal = rng.standard_normal(mean.size)
    return np.clip(np.rint(mean + np.sqrt(spread) * normal + skew * (normal**2 - 1) / 6), 0, leads.sum())
