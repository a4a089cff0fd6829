"""When a series will first reach its limit: days left, with an interval, or no crossing within the horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.forecasts.bands import QUANTILES
from sales_exporter.sidecar.forecasts.lines import Line, best_line
from sales_exporter.sidecar.forecasts.past import Floats, daily_means, ratio, whole_days
from sales_exporter.stats.special import ndtri

WEEK = 7
LEAST_DAYS = 7
"""Whole days of history below which nothing is said."""
DRAWS = 99
"""Paths behind the quantiles."""
_SIDES: Floats = ndtri((np.arange(DRAWS) + 0.5) / DRAWS)
"""Standard normal, evenly over its probabilities."""
_GAIN = 0.7
"""A weekly rhythm is believed when it takes day to day variance down to this share: fitting it takes a quarter."""
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Capacity:
    """``days`` left until the limit is first reached (series, QUANTILES), from now; ``slope`` of the level per day.

    Infinite where no crossing is foreseen within the horizon, 0 when the latest value is there already, NaN where the
    past is too short or there is no limit.
    """

    days: Floats
    slope: Floats


def capacity(history: Floats, day: int, limits: Floats, horizon: int) -> Capacity:
    """First passage of ``limits`` (series) from below by histories (series, steps), ``day`` steps to the day.

    The level is a line through the daily means, freed of a weekly rhythm where there is one: see :func:`best_line`.
    Its errors in the past tell how unsure the coming days are. On the level ride days as they were in the past: a limit
    is reached by peaks, not by means. Where the mean of all days foresaw best, as of memory that is freed now and then,
    levels are those of past days too, and what never was is foreseen hardly ever. For a limit that is reached from
    above, negate both. ``horizon`` is in days; history is a gap-free grid up to now, NaN where missing. Equal input
    gives equal output.

    Raises:
        ValueError: there is not one limit a series, or the horizon or day is not positive.
    """
    if limits.shape != history.shape[:1] or min(day, horizon) < 1:
        raise ValueError("capacity takes a limit for each series, and a positive day and horizon")
    values = whole_days(history, day)
    mean = daily_means(values)
    left, slope = np.full((len(history), len(QUANTILES)), np.nan), np.full(len(history), np.nan)
    usable = np.flatnonzero(((~np.isnan(mean)).sum(axis=1) >= LEAST_DAYS) & ~np.isnan(limits))
    for at in range(0, usable.size, _BATCH):
        rows = usable[at : at + _BATCH]
        left[rows], slope[rows] = _ahead(values[rows], mean[rows], limits[rows], horizon)
    return Capacity(left, slope)


def _ahead(values: Floats, mean: Floats, limits: Floats, horizon: int) -> tuple[Floats, Floats]:
    weekly, rhythm = _rhythm(mean)
    base = mean / rhythm[:, np.arange(mean.shape[1]) % WEEK]
    line = best_line(base)
    straight = line.level[:, None] + line.slope[:, None] * np.arange(1, horizon + 1)
    shapes = values - mean[:, :, None]
    growing = _elasticity(mean, shapes)
    wander, doubt = _wanderings(line, horizon), _doubt(base)
    reached = np.full((len(values), DRAWS), np.inf)
    for ahead, source in enumerate(_sources(values.shape[1], horizon, weekly)):
        past = np.take_along_axis(mean, source, axis=1)
        moving = straight[:, ahead, None] + wander[:, :, ahead]
        level = np.where(line.settled[:, None], np.take_along_axis(base, source, axis=1) + doubt, moving)
        level = level * rhythm[:, (mean.shape[1] + ahead) % WEEK, None]
        factor = np.maximum(ratio(level, past), 0.0) ** growing[:, None]
        shape = np.take_along_axis(shapes, source[:, :, None], axis=1) * np.nan_to_num(factor, nan=1.0)[:, :, None]
        over = level[:, :, None] + shape >= limits[:, None, None]
        first = ahead + (over.argmax(axis=2) + 1) / values.shape[2]
        reached = np.minimum(reached, np.where(over.any(axis=2), first, np.inf))
    reached[_latest(values) >= limits] = 0.0
    return _quantiles(reached), line.slope


def _wanderings(line: Line, horizon: int) -> Floats:
    """How paths leave the line (series, DRAWS, horizon), as far as its errors went in the past.

    Errors that grow as days are those of the slope: a path keeps its side. Those that grow as the root of days are a
    random walk, which reaches a limit sooner than its quantiles do. Powers between are a mixture.
    """
    days = np.arange(1, horizon + 1)
    walk = np.random.default_rng(1).standard_normal((DRAWS, horizon)).cumsum(axis=1) / np.sqrt(days)
    share = np.clip(2 * line.power - 1, 0.0, 1.0)[:, None, None]
    size = line.size[:, None] * days ** line.power[:, None]
    return np.asarray(size[:, None] * (np.sqrt(share) * _SIDES[:, None] + np.sqrt(1 - share) * walk))


def _doubt(level: Floats) -> Floats:
    """How unsure the mean of a level that goes nowhere is (series, DRAWS), as if each week were one observation."""
    known = ~np.isnan(level)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, level, 0.0).sum(axis=1) / count
    variance = np.where(known, (level - mean[:, None]) ** 2, 0.0).sum(axis=1) / count
    return np.asarray(np.sqrt(variance * WEEK / count)[:, None] * _SIDES)


def _quantiles(reached: Floats) -> Floats:
    """Of the draws; no mean of a date and never."""
    places = np.rint(np.array(QUANTILES) * (DRAWS - 1)).astype(np.int64)
    return np.asarray(np.sort(reached, axis=1)[:, places])


def _latest(values: Floats) -> Floats:
    flat = values.reshape(len(values), -1)
    last = flat.shape[1] - 1 - (~np.isnan(flat))[:, ::-1].argmax(axis=1)
    return np.asarray(flat[np.arange(len(flat)), last])


def _rhythm(mean: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Whether series have a weekly rhythm, and how many times the level each place in the week is (series, WEEK)."""
    series, days = mean.shape
    times = np.ones((series, WEEK))
    if days < 2 * WEEK:
        return np.zeros(series, bool), times
    # Only the mean of whole weeks is a level that no place in the week has a part in.
    centre = np.lib.stride_tricks.sliding_window_view(mean, WEEK, axis=1).mean(axis=2)
    share = np.full_like(mean, np.nan)
    inner = slice(WEEK // 2, days - WEEK // 2)
    share[:, inner] = ratio(mean[:, inner], centre)
    for place in range(WEEK):
        some = share[:, place::WEEK]
        count = (~np.isnan(some)).sum(axis=1)
        total = np.where(np.isnan(some), 0.0, some).sum(axis=1)
        times[:, place] = np.where(count > 0, total / np.maximum(count, 1), 1.0)
    positive = ~np.any(mean <= 0, axis=1) & np.all(times > 0, axis=1)
    times = np.where(positive[:, None], times, 1.0)
    weekly = _roughness(mean / times[:, np.arange(days) % WEEK]) < _GAIN * _roughness(mean)
    return weekly, np.where(weekly[:, None], times, 1.0)


def _roughness(level: Floats) -> Floats:
    """Variance from day to day about the mean change."""
    change = np.diff(level, axis=1)
    known = ~np.isnan(change)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, change, 0.0).sum(axis=1) / count
    return np.asarray(np.where(known, (change - mean[:, None]) ** 2, 0.0).sum(axis=1) / count)


def _elasticity(mean: Floats, shapes: Floats) -> Floats:
    """The power of the level with which the swings of a day grow, 0 to 1; 0 unless all levels are positive."""
    known = ~np.isnan(shapes)
    swing = np.abs(np.where(known, shapes, 0.0)).sum(axis=2) / np.maximum(known.sum(axis=2), 1)
    usable = (swing > 0) & (mean > 0)
    count = np.maximum(usable.sum(axis=1), 1)[:, None]
    x, y = (np.where(usable, np.log(np.where(usable, one, 1.0)), 0.0) for one in (mean, swing))
    x, y = (np.where(usable, one - one.sum(axis=1, keepdims=True) / count, 0.0) for one in (x, y))
    spread = (x**2).sum(axis=1) / count[:, 0]
    # Levels that hardly differ tell nothing: 5 % of belief that swings stay as they are.
    power = np.clip((x * y).sum(axis=1) / count[:, 0] / (spread + 0.05**2), 0.0, 1.0)
    return np.where(np.all(usable | np.isnan(mean), axis=1), power, 0.0)


def _sources(days: int, horizon: int, weekly: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """For each day ahead, the past day whose course each draw takes (series, DRAWS); the same place of the week."""
    rng = np.random.default_rng(0)
    recent = np.arange(max(days - 4 * WEEK, 0), days)
    found = []
    for ahead in range(horizon):
        same = recent[(recent - days - ahead) % WEEK == 0]
        some, others = rng.choice(same if same.size else recent, DRAWS), rng.choice(recent[-2 * WEEK :], DRAWS)
        found.append(np.where(weekly[:, None], some, others))
    return found
