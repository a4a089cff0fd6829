"""Has a stage become slower: risk sets of calendar periods from bucketed visits, the log-rank test, Holm's correction.

The last axis is duration, any axes before it are stages (or anything else that is tested side by side).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sales_exporter.stats.special import ndtr

Floats = NDArray[np.float64]
DAY = 86_400.0
RECENT_DAYS, BEFORE_DAYS = 7, 84
"""Days that are tested and days they are tested against: whole weeks; benchmarks/slowdown.py measures them."""


class LogRank(NamedTuple):
    """Positive z: the first group is slower. NaN where the groups cannot be compared."""

    z: Floats
    p: Floats
    p_slower: Floats


class RiskSets(NamedTuple):
    """Visits that ended in each bucket of duration, and those at risk of it, during a period."""

    events: Floats
    at_risk: Floats


class Slowdown(NamedTuple):
    """One value for each stage; ``p_value`` is one-sided and already corrected for testing every stage."""

    z: Floats
    p_value: Floats


def log_rank(
    events_a: ArrayLike, at_risk_a: ArrayLike, events_b: ArrayLike, at_risk_b: ArrayLike, rho: float = 0.0
) -> LogRank:
    """Compare the hazards of two groups from their risk sets at the same times (..., T).

    Each time weighs as much as the share of both groups that lasts until it, to the power ``rho``: 0 is the
    log-rank test, 1 Peto and Prentice's, which looks at early ends more. NaN where no event happened while both
    groups had someone at risk. Left truncation only changes the risk sets.

    Sources: N. Mantel, Cancer Chemotherapy Reports 50 (1966) 163-170; weights: D. P. Harrington, T. R. Fleming,
    Biometrika 69 (1982) 553-566.

    Raises:
        ValueError: counts are negative or not finite, or more end than are at risk.
    """
    ended_a, ended_b = _counts(events_a), _counts(events_b)
    risk_a, risk_b = _counts(at_risk_a), _counts(at_risk_b)
    if np.any(ended_a > risk_a + 1e-9) or np.any(ended_b > risk_b + 1e-9):
        raise ValueError("more end at a time than are at risk")
    ended, risk = ended_a + ended_b, risk_a + risk_b
    share = risk_a / np.where(risk > 0, risk, 1.0)
    expected = ended * share
    variance = expected * (1 - share) * (risk - ended) / np.where(risk > 1, risk - 1, np.inf)
    weights = _lasting(ended, risk) ** rho
    spread = np.sqrt(np.maximum(weights**2 * variance, 0).sum(axis=-1))
    z = np.asarray((weights * (expected - ended_a)).sum(axis=-1) / np.where(spread > 0, spread, np.nan))
    return LogRank(z, np.asarray(2 * ndtr(-np.abs(z))), np.asarray(ndtr(-z)))


def holm(p_values: ArrayLike) -> Floats:
    """P-values (..., tests) corrected for their number, so that any false alarm at all has the stated level.

    Tests that are NaN stay so and do not count.
    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.

    Raises:
        ValueError: a value is not between 0 and 1.
    """
    found = np.asarray(p_values, np.float64)
    if found.ndim == 0 or np.any((found < 0) | (found > 1)):
        raise ValueError("p-values must lie between 0 and 1")
    # NaN sorts last.
    order = np.argsort(found, axis=-1)
    rising = np.take_along_axis(found, order, -1)
    tests = np.isfinite(found).sum(axis=-1, keepdims=True)
    steps = np.minimum(np.maximum.accumulate(rising * (tests - np.arange(found.shape[-1])), axis=-1), 1.0)
    corrected = np.empty_like(found)
    np.put_along_axis(corrected, order, steps, -1)
    return corrected


def period_risk(
    finished: ArrayLike, open_: ArrayLike, edges: ArrayLike, from_day: float, to_day: float, now_day: float
) -> RiskSets:
    """Risk sets of the visits as they went on within [from_day, to_day): truncated at its start, censored at its end.

    ``finished`` (..., days, buckets) counts visits that have ended before ``now_day`` by day of entry and bucket of
    duration, ``open_`` (..., days) those that have not. Day 0 is the first row. ``edges`` in seconds divide the
    buckets, one fewer than these: the first bucket starts at 0, the last is taken to be as wide, in proportion, as
    the one before it. Entries are taken as spread evenly over their day (or what has passed of it) and durations over
    their bucket, so a visit near a boundary of the period counts in part. Where a visit's day and bucket
    leave open whether it could have ended by now, those that had are weighted up for those that had not.

    Raises:
        ValueError: shapes do not fit, edges do not ascend, counts are negative, or the days are out of order.
    """
    return period_risks(finished, open_, edges, [(from_day, to_day)], now_day)[0]


def period_risks(
    finished: ArrayLike, open_: ArrayLike, edges: ArrayLike, periods: Sequence[tuple[float, float]], now_day: float
) -> list[RiskSets]:
    """:func:`period_risk` of several periods of the same visits, for less than each by itself.

    Raises:
        ValueError: as :func:`period_risk`.
    """
    ended, still, grid = _counts(finished), _counts(open_), _grid(edges)
    if still.shape != ended.shape[:-1]:
        raise ValueError("finished must be (..., days, buckets) with one bucket more than edges, and open_ (..., days)")
    entry, length, known = _known(ended.shape, grid, periods, now_day)
    # Of the visits of a day, those not ended at an age are spread evenly over it: ends do not depend on the hour.
    left = ended / known
    np.cumsum(left, axis=-1, out=left)
    np.subtract((still + ended.sum(axis=-1))[..., None], left, out=left)
    middles = (grid[:-1] + grid[1:]) / 2
    moments = {moment: (_ended_by(moment - entry, length, grid), np.clip(moment - entry - middles, 0, length))
               for moment in {moment for period in periods for moment in period}}
    found = []
    for start, end in periods:
        (before, absent), (after, present) = moments[start], moments[end]
        events = np.einsum("...db,db->...b", ended, np.maximum((after - before) / known, 0))
        staying = np.einsum("...db,db->...b", left, (present - absent) / length)
        found.append(RiskSets(events, events + np.maximum(staying, 0)))
    return found


def period_events(
    finished: ArrayLike, edges: ArrayLike, from_day: float, to_day: float, now_day: float
) -> Floats:
    """Only the events of :func:`period_risk`, for visits that are part of those at risk.

    Raises:
        ValueError: as :func:`period_risk`.
    """
    ended, grid = _counts(finished), _grid(edges)
    entry, length, known = _known(ended.shape, grid, [(from_day, to_day)], now_day)
    before, after = (_ended_by(moment - entry, length, grid) for moment in (from_day, to_day))
    return np.asarray(np.einsum("...db,db->...b", ended, np.maximum((after - before) / known, 0)))


def slowdown(
    finished: ArrayLike, open_: ArrayLike, edges: ArrayLike, now_day: float,
    recent: int = RECENT_DAYS, before: int = BEFORE_DAYS,
) -> Slowdown:
    """Test whether each stage was slower on ``recent`` days up to yesterday than on the ``before`` days before them.

    ``finished`` is (..., stages, days, buckets) and the rest as for :func:`period_risk`. Days before day 0 have no
    visits. One-sided, weighted towards early ends (rho 1), Holm over the stages. Both periods see visits of all
    ages, so neither a growing number of leads nor many young ones look like a change.

    Two choices by simulation. The last complete day is left out: what its hours hide shifted z by 0.3 to 0.5 at
    3,000 visits a week. Weights: a wait that stretches shows in ends that are early and fail to come, while the
    unweighted test is drowned by the ends of visits from before the change.

    Raises:
        ValueError: as :func:`period_risk`, or a period has no day.
    """
    if recent < 1 or before < 1:
        raise ValueError("both periods need at least one day")
    end = math.floor(now_day) - 1
    start = end - recent
    late, early = period_risks(finished, open_, edges, [(start, end), (start - before, start)], now_day)
    found = log_rank(late.events, late.at_risk, early.events, early.at_risk, rho=1.0)
    return Slowdown(found.z, holm(found.p_slower))


def _lasting(ended: Floats, at_risk: Floats) -> Floats:
    """Share of both groups that lasts until just before each time."""
    after = np.multiply.accumulate(1 - ended / np.where(at_risk > 0, at_risk, 1.0), axis=-1)
    return np.concatenate((np.ones_like(after[..., :1]), np.maximum(after[..., :-1], 0)), axis=-1)


def _known(
    shape: tuple[int, ...], grid: Floats, periods: Sequence[tuple[float, float]], now_day: float
) -> tuple[Floats, Floats, Floats]:
    """By day of entry its start and its length so far, and by bucket the share of the ends that can be known by now."""
    days, buckets = shape[-2:]
    if buckets != grid.size - 1:
        raise ValueError("finished must be (..., days, buckets) with one bucket more than edges, and open_ (..., days)")
    if any(not start < end <= now_day for start, end in periods) or days >= now_day + 1:
        raise ValueError("a period must end by now, after its start, and no visit may begin after now")
    entry = np.arange(days, dtype=np.float64)[:, None]
    length: Floats = np.minimum(now_day - entry, 1.0)
    until_now = _ended_by(now_day - entry, length, grid)
    return entry, length, np.where(until_now > 1e-9, until_now, 1.0)


def _ended_by(span: Floats, length: Floats, grid: Floats) -> Floats:
    """Probability that entry, even over ``length``, and duration, even over its bucket, add up to at most ``span``."""
    width, total = np.diff(grid), span - grid[:-1]
    np.clip(total, 0, length + width, out=total)
    area = total**2 / 2
    # In place: the first look of a day touches less fresh memory.
    part = np.empty_like(total)
    for side in (length, width):
        np.subtract(total, side, out=part)
        np.maximum(part, 0, out=part)
        part *= part
        part /= 2
        area -= part
    area /= length * width
    return np.asarray(area)


def _grid(edges: ArrayLike) -> Floats:
    """All edges of the buckets in days."""
    inner = np.asarray(edges, np.float64)
    if inner.ndim != 1 or inner.size < 2 or inner[0] <= 0 or np.any(np.diff(inner) <= 0) or not np.isfinite(inner[-1]):
        raise ValueError("edges must be at least two, positive, finite and ascending")
    return np.concatenate(([0.0], inner, [inner[-1] ** 2 / inner[-2]])) / DAY


def _counts(values: ArrayLike) -> Floats:
    counts = np.asarray(values, np.float64)
    if not np.all(np.isfinite(counts)) or np.any(counts < 0):
        raise ValueError("counts must be finite and not negative")
    return counts
