"""Revenue of a period that has not ended, with bands, and how such forecasts did in the past.

What is still to come is the mean of two estimates. The level: revenue goes on as in the last 91 days. The run-off: each
open deal wins on each coming day with the hazard of its age, and deals not yet opened arrive at the recent rate and
follow the same hazards. The level lags behind growth, the run-off is misled when deals slow down; in the backtests of
``benchmarks/forecast.py`` their mean is about as good as the better of them. Source of combining: J. M. Bates, C. W. J.
Granger, "The combination of forecasts", Operational Research Quarterly 20 (1969) 451-468.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sales_exporter.stats.runoff import DAY, Floats, History, Ints, Sum, run_offs
from sales_exporter.stats.special import gammaincinv

QUANTILES = (0.025, 0.10, 0.25, 0.50, 0.75, 0.90, 0.975)
LEVELS = (0.50, 0.80, 0.95)
"""Coverage of the bands between the third and fifth, second and sixth, first and last quantile."""
LEAST_ORIGINS = 8
"""With fewer past forecasts than this there is none: nobody could say how good it is."""
STEP = 7
"""Days between past origins: a week, so that all have the weekday of the moment of evaluation."""
WARM_UP, WINDOW, BACKTEST = 42, 91, 364
"""Days: history before the first origin, behind each estimate, and over which origins lie."""
_ERRORS = 4.0
"""Weight of what is assumed beforehand: this many errors as large as expected."""


@dataclass(frozen=True, slots=True)
class Backtest:
    """How forecasts from ``origins`` in the past, at the same place in a period of the same length, turned out.

    Each used only what had happened by then, but with the present values of the deals. Periods longer than a week
    overlap; ``periods`` is how many fit side by side. ``coverage`` is the share of outcomes inside the bands of LEVELS,
    ``wape`` the sum of absolute errors of the expected revenue over the sum of outcomes, and ``bias`` the same with
    signed errors (positive: too high). The last two are NaN when nothing was won.
    """

    origins: int
    periods: float
    coverage: tuple[float, ...]
    wape: float
    bias: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Revenue of one period: ``won`` so far, ``expected`` in all, its ``quantiles`` at QUANTILES, and its past."""

    won: float
    expected: float
    quantiles: tuple[float, ...]
    backtest: Backtest


class _Ahead(NamedTuple):
    """The rest of a period, as days after an origin."""

    start: float
    end: float

    @property
    def shares(self) -> Floats:
        """How much of each coming day belongs to it."""
        day = np.arange(int(np.ceil(self.end)))
        return np.asarray(np.clip(np.minimum(day + 1, self.end) - np.maximum(day, self.start), 0, 1))


def forecast(history: History, start: float, end: float) -> Forecast | None:
    """Revenue of [start, end), epoch seconds, with its past hit rate; None below LEAST_ORIGINS past forecasts.

    The period may be running or still to come. Bands are quantiles of a gamma distribution. Its variance is that of
    a compound Poisson sum (open deals: binomial) and of the level, times how much larger past squared errors were than
    that: an average over errors known at the origin, in which overlapping periods weigh their share and four errors as
    large as expected are put beforehand. The backtest's bands are scaled in the same way, each by the errors before it.

    Raises:
        ValueError: the period is empty or has ended.
    """
    if not max(start, history.as_of) < end:
        raise ValueError("the period must end after it starts and after the moment of evaluation")
    begun = (start - history.as_of) / DAY
    ahead = _Ahead(max(begun, 0.0), (end - history.as_of) / DAY)
    back = np.arange(np.ceil(ahead.end / STEP), (ahead.end + BACKTEST) // STEP + 1).astype(np.int64) * STEP
    origins = (history.days - back[history.days - back >= max(WARM_UP, -begun)])[::-1]
    if origins.size < LEAST_ORIGINS:
        return None
    every, spreads = _expected(history, np.append(origins, history.days), ahead)
    means, variances = every[:-1], spreads[:-1]
    moment = history.began(origins)
    came = history.between(history.revenue, moment + ahead.start * DAY, moment + ahead.end * DAY)
    had = history.between(history.revenue, moment + min(begun, 0.0) * DAY, moment)
    squares = np.divide((came - means) ** 2, variances, out=np.ones_like(came), where=variances > 0)
    weight = min(1.0, STEP / (ahead.end - ahead.start))
    factors = [_inflation(squares[origins + ahead.end <= day], weight) for day in origins]
    bands = np.array([
        _quantiles(mean, variance * factor)
        for mean, variance, factor in zip(means.tolist(), variances.tolist(), factors, strict=True)
    ])
    now = Sum(float(every[-1]), float(spreads[-1]))
    so_far = float(history.between(history.revenue, min(start, history.as_of), history.as_of))
    spread = _quantiles(now.mean, now.variance * _inflation(squares, weight))
    length = max(ahead.end - begun, STEP)
    return Forecast(
        so_far, so_far + now.mean, tuple((so_far + spread).tolist()),
        _judged(came, came + had, means, bands, origins.size * STEP / length),
    )


def _judged(came: Floats, total: Floats, means: Floats, bands: Floats, periods: float) -> Backtest:
    inside = [
        float(np.mean((bands[:, place] <= came) & (came <= bands[:, -1 - place]))) for place in (2, 1, 0)
    ]
    whole = float(total.sum()) or np.nan
    errors = means - came
    return Backtest(
        came.size, periods, tuple(inside), float(np.abs(errors).sum()) / whole, float(errors.sum()) / whole,
    )


def _expected(history: History, days: Ints, ahead: _Ahead) -> tuple[Floats, Floats]:
    """Mean and variance of the rest of a period, from what was known when each of the days began."""
    first, now = np.maximum(days - WINDOW, 0), history.began(days)
    since = now - (days - first) * DAY
    won, squares = (history.between(sums, since, now) for sums in (history.revenue, history.squares))
    length = (ahead.end - ahead.start) / (days - first)
    # Without any deal at risk, as when no opening is known, the level is all there is.
    runoff = np.stack(run_offs(history, first, days, ahead.shares, won))
    mean, chance = np.nanmean([np.stack([won * length, squares * length]), runoff], axis=0)
    doubt = np.divide(mean**2 * squares, won**2, out=np.zeros_like(mean), where=won > 0)
    return mean, chance + doubt


def _inflation(squares: Floats, weight: float) -> float:
    """How many times larger than expected squared errors were."""
    return float((_ERRORS + weight * squares.sum()) / (_ERRORS + weight * squares.size))


def _quantiles(mean: float, variance: float) -> Floats:
    if mean <= 0 or variance <= 0:
        return np.full(len(QUANTILES), max(mean, 0.0))
    return np.asarray(variance / mean * gammaincinv(mean**2 / variance, np.array(QUANTILES)))
