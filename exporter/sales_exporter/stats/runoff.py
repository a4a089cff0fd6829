"""Deals summed by day and age, and the revenue that a pipeline brings when it runs off with the hazards of its past.

Days are counted back from the moment of evaluation: a day has always ended, and no time zone is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
DAY = 86_400.0
MOST_DAYS = 1_096
"""Days of history that are looked at; deals opened earlier count as opened on the first."""
OLDEST = 180
"""Age in days from which a deal no longer ages."""
_AGES = np.unique(np.append(np.arange(8), np.geomspace(8, OLDEST, 14).round().astype(np.int64)))
_EXPOSURE, _DEALS = 30.0, 20.0
"""Weights of what is assumed beforehand: deal-days at the mean hazard, deals of the mean value."""


@dataclass(frozen=True, slots=True)
class History:
    """Deals before ``as_of`` summed by day; made by :func:`aggregate`.

    Day d begins ``days - d`` days before ``as_of``; rows are days, columns ages in days. ``won``, ``closed``,
    ``at_risk`` (deals) and ``at_risk_value`` are summed over all days before d, ``arrivals`` (deals, values, squared
    values) too; ``open_value`` and ``open_squares`` are of the deals open when day d begins. ``moments`` are the
    closing times of wins, ``revenue`` and ``squares`` their values and squared values summed over all wins before each.
    """

    as_of: float
    days: int
    won: Floats
    closed: Floats
    at_risk: Floats
    at_risk_value: Floats
    arrivals: Floats
    open_value: Floats
    open_squares: Floats
    moments: Floats
    revenue: Floats
    squares: Floats

    def between(self, sums: Floats, start: ArrayLike, end: ArrayLike) -> Floats:
        """What ``revenue`` or ``squares`` gained in [start, end), epoch seconds."""
        return np.asarray(sums[np.searchsorted(self.moments, end)] - sums[np.searchsorted(self.moments, start)])

    def began(self, day: Ints | int) -> Floats:
        """Epoch seconds at which a day began."""
        return np.asarray(self.as_of - (self.days - np.asarray(day)) * DAY)


class Sum(NamedTuple):
    """Mean and variance of revenue to come."""

    mean: float
    variance: float


def aggregate(
    opened_at: ArrayLike, closed_at: ArrayLike, won: ArrayLike, value: ArrayLike, as_of: float
) -> History:
    """Deals of one currency by day, as they stood at ``as_of``; linear in the deals.

    Times are epoch seconds; NaN in ``closed_at`` means open. Deals without a value are left out, wins without a time of
    opening count as revenue only, and wins without a time of closing are neither revenue nor open.

    Raises:
        ValueError: the lengths differ, or a value is negative.
    """
    opened, closed, amount = (np.asarray(part, dtype=np.float64) for part in (opened_at, closed_at, value))
    success = np.asarray(won, dtype=np.bool_)
    if opened.ndim != 1 or len({part.shape for part in (opened, closed, success, amount)}) > 1:
        raise ValueError("opened_at, closed_at, won and value must be one-dimensional and of one length")
    if np.any(amount < 0):
        raise ValueError("values must not be negative")
    done = closed < as_of
    sane = np.isfinite(amount) & ~(success & np.isnan(closed)) & ~(opened >= as_of)
    wins = np.flatnonzero(success & done & sane)
    wins = wins[np.argsort(closed[wins])]
    known = np.flatnonzero(np.isfinite(opened) & sane)
    start, ended = opened[known], np.flatnonzero(done[known])
    first = min(start.min(initial=as_of), closed[wins].min(initial=as_of))
    days = int(np.clip(np.ceil((as_of - first) / DAY), 1, MOST_DAYS))
    won_by_age, closed_by_age, at_risk, values, arrivals, left, left_squares = _matrices(
        days, np.clip(_days(start, as_of, days), 0, days - 1), ended, _days(closed[known[ended]], as_of, days),
        success[known[ended]], amount[known],
    )
    return History(
        as_of, days, won_by_age, closed_by_age, at_risk, values, arrivals, left, left_squares, closed[wins],
        _summed(amount[wins]), _summed(amount[wins] ** 2),
    )


def _days(moments: Floats, as_of: float, days: int) -> Ints:
    """The days of moments, counted from the first of so many."""
    # In place: there are as many moments as deals.
    found = moments - as_of
    found /= DAY
    np.floor(found, out=found)
    found += days
    return found.astype(np.int64)


def run_off(history: History, first: int, day: int, shares: Floats, won: float) -> Sum:
    """Revenue that ``day``'s open deals and those opened later bring in, learned from days ``first`` to ``day``.

    ``shares`` says how much of each day from ``day`` on counts, ``won`` is the revenue of the days learned from. Each
    open deal wins on each day with the hazard of its age among deals of any outcome (Aalen-Johansen with competing
    losses), given that it is still open; deals not yet opened arrive at the rate and with the values of those days.
    NaN when none was open on those days.
    """
    means, variances = run_offs(history, np.array([first]), np.array([day]), shares, np.array([won]))
    return Sum(float(means[0]), float(variances[0]))


def run_offs(history: History, first: Ints, day: Ints, shares: Floats, won: Floats) -> tuple[Floats, Floats]:
    """Means and variances of :func:`run_off` for many days at once, each learned from days of its own."""
    exposure = _grouped(history.at_risk, first, day)
    some = exposure.any(axis=1)
    means, variances = np.full((2, len(day)), np.nan)
    if not some.all():
        if some.any():
            means[some], variances[some] = run_offs(history, first[some], day[some], shares, won[some])
        return means, variances
    win, end = (_hazard(_grouped(sums, first, day), exposure) for sums in (history.won, history.closed))
    deals, value, squares = (history.arrivals[day] - history.arrivals[first]).T
    chance, later = _chances(win, end, shares)
    later /= day - first
    # Large deals may win less often, and some wins lack their opening: revenue against what the hazards say of it.
    known = _DEALS * value / np.maximum(deals, 1)
    said = _dots(win, history.at_risk_value[day] - history.at_risk_value[first])
    scale = np.divide(won + known, said + known, out=np.ones(len(day)), where=said + known > 0)
    means = _dots(history.open_value[day], chance) + value * later
    variances = _dots(history.open_squares[day], chance * (1 - chance)) + squares * later
    return scale * means, scale**2 * variances


def _chances(win: Floats, end: Floats, shares: Floats) -> tuple[Floats, Floats]:
    """By hazards of each age (rows): the chance that an open deal of an age wins in the shares of the coming days, and
    how many of one new deal a day do."""
    # From the oldest age on the hazard stays.
    longer = ((0, 0), (0, shares.size))
    survival = np.cumprod(1 - np.pad(end, longer, "edge"), axis=1)
    before = np.concatenate([np.ones((len(end), 1)), survival[:, :-1]], axis=1)
    density = np.pad(win, longer, "edge") * before
    backwards = shares[::-1]
    coming = np.array([np.convolve(row, backwards, "valid")[: OLDEST + 1] for row in density])
    return coming / before[:, : OLDEST + 1], np.cumsum(density[:, : shares.size], axis=1) @ shares


def _grouped(sums: Floats, first: Ints, day: Ints) -> Floats:
    """What was added on days ``first`` to ``day`` (rows), by group of ages."""
    return np.add.reduceat(sums[day] - sums[first], _AGES, axis=1)


def _dots(left: Floats, right: Floats) -> Floats:
    return np.asarray(np.einsum("ij,ij->i", left, right))


def _hazard(events: Floats, exposure: Floats) -> Floats:
    """Probability of an event on a day at each age, the same within a group of ages; rows as given."""
    usual = events.sum(axis=1, keepdims=True) / exposure.sum(axis=1, keepdims=True)
    hazard = (events + _EXPOSURE * usual) / (exposure + _EXPOSURE)
    return np.repeat(hazard, np.diff(np.append(_AGES, OLDEST + 1)), axis=1)


def _matrices(days: int, start: Ints, ended: Ints, day: Ints, won: Bools, value: Floats) -> tuple[Floats, ...]:
    """The fields of a history from ``won`` to ``open_squares``, of deals opened on days ``start``; those at places
    ``ended`` were closed on ``day``, and ``won`` or not."""
    if day.min(initial=0) < 0:
        # What was closed before the first day has no part in the history.
        late, kept = day >= 0, np.ones(start.size, dtype=np.bool_)
        kept[ended[~late]] = False
        ended = np.cumsum(kept)[ended[late]] - 1
        start, day, won, value = start[kept], day[late], won[late], value[kept]
    cell = day - start[ended]
    np.clip(cell, 0, OLDEST, out=cell)
    cell += day * (OLDEST + 1)

    def by_age(cells: Ints, weights: Floats | None = None) -> Floats:
        return np.bincount(cells, weights, days * (OLDEST + 1)).reshape(days, -1).astype(np.float64)

    squares, worth = value**2, value[ended]
    closed = np.stack([by_age(cell), by_age(cell, worth), by_age(cell, worth**2)])
    opened = np.stack([np.bincount(start, part, days).astype(np.float64) for part in (None, value, squares)])
    there = _there(opened, closed)
    # Deals opened on a day are at risk on it, but nobody knew of them when it began.
    known_then = there[1:].copy()
    known_then[..., 0] = 0.0
    return (
        _summed(by_age(cell[won])), _summed(closed[0]), _summed(there[0, :-1]),
        _summed(there[1, :-1]), _summed(opened.T), known_then[0], known_then[1],
    )


def _there(opened: Floats, closed: Floats) -> Floats:
    """What is at risk on each day by age (3, days + 1, ages), from what is opened by day and closed by day and age."""
    kinds, days, ages = closed.shape
    # What was opened on a day moves down a diagonal of days and ages; what is closed at each age leaves it.
    ends = np.zeros((kinds, days + OLDEST, ages))
    ends[:, :days] = closed
    course = np.empty((kinds, days, ages))
    course[..., 0] = opened
    np.negative(_diagonals(ends, days)[..., :-1], out=course[..., 1:])
    np.cumsum(course, axis=-1, out=course)
    there = np.zeros((kinds, days + OLDEST, ages))
    _diagonals(there, days)[..., :-1] = course[..., :-1]
    # In the oldest group arrivals gather, and each day some are closed.
    moves = np.zeros((kinds, days, 2))
    moves[..., 0] = -closed[..., -1]
    moves[:, OLDEST - 1 :, 1] = course[:, : max(days - OLDEST + 1, 0), -1]
    there[:, 1 : days + 1, -1] = np.cumsum(moves.reshape(kinds, -1), axis=-1)[:, 1::2]
    # Differences of sums leave crumbs below zero.
    return np.maximum(there[:, : days + 1], 0.0)


def _diagonals(table: Floats, days: int) -> Floats:
    """The same cells by day of opening and age instead of day and age."""
    kind, row, cell = table.strides
    return np.lib.stride_tricks.as_strided(table, (len(table), days, table.shape[-1]), (kind, row, row + cell))


def _summed(values: Floats) -> Floats:
    """Sums over all rows before each, with one row more than there are values."""
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
