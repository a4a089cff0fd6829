"""Confidence intervals for proportions, counts and sums of amounts; closed forms, vectorised.

An interval that the data cannot define (no trials, no exposure) is NaN, so that its caller leaves it out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, gammainccinv, gammaincinv, ndtri

Floats = NDArray[np.float64]
LEVEL = 0.95
"""Coverage of every bound that is published."""


class Interval(NamedTuple):
    """Bounds of the same shape as the input; NaN where undefined."""

    lower: Floats
    upper: Floats


def wilson(successes: ArrayLike, trials: ArrayLike, level: float = LEVEL) -> Interval:
    """Score interval of a proportion, without continuity correction; NaN where there are no trials.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of
    the American Statistical Association 22 (1927) 209-212.

    Raises:
        ValueError: a count is negative or not finite, successes exceed trials, or the level is not in (0, 1).
    """
    k, n = _proportion(successes, trials)
    z = float(ndtri(1 - _tail(level)))
    n = np.where(n > 0, n, np.nan)
    rate, room = k / n, z * z / n
    middle = (rate + room / 2) / (1 + room)
    reach = z / (1 + room) * np.sqrt(rate * (1 - rate) / n + room / (4 * n))
    # At the ends the formula is exact only up to rounding; 0 of n never has a lower bound above 0.
    lower = np.where(k == 0, 0 * n, np.maximum(middle - reach, 0))
    upper = np.where(k == n, 0 * n + 1, np.minimum(middle + reach, 1))
    return Interval(lower, upper)


def clopper_pearson(successes: ArrayLike, trials: ArrayLike, level: float = LEVEL) -> Interval:
    """Exact interval of a proportion: covers at least ``level`` whatever the truth; NaN without trials.

    Source: C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of
    the binomial", Biometrika 26 (1934) 404-413, by quantiles of the beta distribution.

    Raises:
        ValueError: as :func:`wilson`.
    """
    k, n = _proportion(successes, trials)
    tail, failures = _tail(level), n - k
    lower = betaincinv(np.maximum(k, 1), failures + 1, tail)
    upper = betaincinv(k + 1, np.maximum(failures, 1), 1 - tail)
    lower, upper = np.where(k == 0, 0.0, lower), np.where(failures == 0, 1.0, upper)
    return Interval(np.where(n > 0, lower, np.nan), np.where(n > 0, upper, np.nan))


def poisson(events: ArrayLike, level: float = LEVEL) -> Interval:
    """Exact interval of the mean behind a count of independent events.

    Source: F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28 (1936) 437-442, by
    quantiles of the gamma distribution.

    Raises:
        ValueError: a count is negative or not finite, or the level is not in (0, 1).
    """
    k, tail = _amounts(events), _tail(level)
    lower = np.where(k == 0, 0.0, gammaincinv(np.maximum(k, 1), tail))
    return Interval(lower, np.asarray(gammainccinv(k + 1, tail)))


def compound_poisson(
    total: ArrayLike, squares: ArrayLike, one_more: ArrayLike, level: float = LEVEL
) -> Interval:
    """Approximate interval of the expected sum of amounts whose number is Poisson, such as won revenue.

    ``total`` is the sum of the amounts, ``squares`` the sum of their squares, which estimates the variance of
    the sum, and ``one_more`` the amount that one more event would bring. With equal amounts this is the exact
    Poisson interval times the amount. NaN where ``one_more`` is 0: nothing says how large an amount is.
    Amounts with long tails make it too short when they are few: with log-normal amounts (sigma 1) the 95 %
    bounds around 10 of them held the truth in 90 % of 4,000 simulations, around 50 of them in 93 %.

    Source: M. P. Fay, E. J. Feuer, "Confidence intervals for directly standardized rates: a method based on
    the gamma distribution", Statistics in Medicine 16 (1997) 791-801.

    Raises:
        ValueError: a value is negative or not finite, or the level is not in (0, 1).
    """
    sums, variances, amounts = np.broadcast_arrays(_amounts(total), _amounts(squares), _amounts(one_more))
    tail, some = _tail(level), sums > 0
    mean, variance = np.where(some, sums, 1.0), np.where(some & (variances > 0), variances, 1.0)
    lower = np.where(some, variance / mean * gammaincinv(mean**2 / variance, tail), 0.0)
    known = np.where(amounts > 0, amounts, np.nan)
    mean, variance = sums + known, variances + known**2
    upper = variance / mean * gammainccinv(mean**2 / variance, tail)
    return Interval(np.where(np.isnan(known), np.nan, lower), upper)


def _proportion(successes: ArrayLike, trials: ArrayLike) -> tuple[Floats, Floats]:
    k, n = np.broadcast_arrays(_amounts(successes), _amounts(trials))
    if np.any(k > n):
        raise ValueError("successes exceed trials")
    return k, n


def _amounts(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if not np.all(np.isfinite(array)) or np.any(array < 0):
        raise ValueError("counts and amounts must be finite and not negative")
    return array


def _tail(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    return (1 - level) / 2
