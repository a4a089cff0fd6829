"""Confidence intervals for proportions, counts and sums of amounts; closed forms, vectorised.

An interval that the data cannot define (no trials, no exposure) is NaN, so that its caller leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sales_exporter.stats.special import betaincinv, gammainccinv, gammaincinv, ndtr, ndtri

Floats = NDArray[np.float64]
LEVEL = 0.95
"""Coverage of every bound that is published."""
_BATCH = 1_000_000
"""Values that resampling holds in memory at once."""


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


def difference(
    successes: ArrayLike, trials: ArrayLike, other_successes: ArrayLike, other_trials: ArrayLike, level: float = LEVEL
) -> Interval:
    """Hybrid score interval of one proportion minus another, of independent samples; NaN where either has no trials.

    Source: R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of
    eleven methods", Statistics in Medicine 17 (1998) 873-890, method 10.

    Raises:
        ValueError: as :func:`wilson`.
    """
    k, n = _proportion(successes, trials)
    j, m = _proportion(other_successes, other_trials)
    one, other = wilson(k, n, level), wilson(j, m, level)
    p, q = k / np.where(n > 0, n, np.nan), j / np.where(m > 0, m, np.nan)
    return Interval(
        p - q - np.hypot(p - one.lower, other.upper - q), p - q + np.hypot(one.upper - p, q - other.lower),
    )


def proportion_ratio(
    successes: ArrayLike, trials: ArrayLike, other_successes: ArrayLike, other_trials: ArrayLike, level: float = LEVEL
) -> Interval:
    """Interval of one proportion divided by another, of independent samples, by the delta method on the log scale.

    NaN where either has no successes: the logarithm of nothing has no variance.

    Source: D. Katz, J. Baptista, S. P. Azen, M. C. Pike, "Obtaining confidence intervals for the risk ratio in cohort
    studies", Biometrics 34 (1978) 469-474.

    Raises:
        ValueError: as :func:`wilson`.
    """
    k, n = _proportion(successes, trials)
    j, m = _proportion(other_successes, other_trials)
    p, q = k / np.where(n > 0, n, np.nan), j / np.where(m > 0, m, np.nan)
    return _log_ratio(p, p * (1 - p) / n, q, q * (1 - q) / m, level)


def sum_ratio(
    total: ArrayLike, squares: ArrayLike, other_total: ArrayLike, other_squares: ArrayLike, level: float = LEVEL
) -> Interval:
    """Interval of the ratio of two independent sums of amounts, by the delta method on the log scale.

    ``squares`` are the sums of the squared amounts, which estimate the variance of a sum whose number of amounts is
    Poisson; 0 for a sum that is known exactly, such as spend. NaN where either sum is 0.

    Source: D. R. Cox, "Some simple approximate tests for Poisson variates", Biometrika 40 (1953) 354-360, for counts;
    amounts enter by their second moment as in :func:`compound_poisson`.

    Raises:
        ValueError: a value is negative or not finite, or the level is not in (0, 1).
    """
    return _log_ratio(_amounts(total), _amounts(squares), _amounts(other_total), _amounts(other_squares), level)


def bootstrap(
    values: ArrayLike, statistic: Callable[..., Floats], seed: int, draws: int = 2_000, level: float = LEVEL
) -> Interval:
    """Bias-corrected and accelerated bootstrap interval of a statistic of one sample; NaN below two values.

    ``statistic(samples, axis=-1)`` reduces the last axis, as ``numpy.median`` does. The same seed gives the same
    bounds. Costs ``draws`` + n statistics of n values, so it is meant for thousands of values, not for millions.

    Source: B. Efron, "Better bootstrap confidence intervals", Journal of the American Statistical Association 82
    (1987) 171-185.

    Raises:
        ValueError: values are not finite or not one-dimensional, draws are fewer than 1, or the level is not in (0, 1).
    """
    sample, tail = np.asarray(values, dtype=np.float64), _tail(level)
    if sample.ndim != 1 or not np.all(np.isfinite(sample)):
        raise ValueError("expected one dimension of finite values")
    if draws < 1:
        raise ValueError(f"draws must be at least 1, not {draws}")
    if sample.size < 2:
        return Interval(np.asarray(np.nan), np.asarray(np.nan))
    found, whole = _resampled(sample, statistic, seed, draws), float(statistic(sample, axis=-1))
    below = float(np.mean(found < whole) + np.mean(found <= whole)) / 2
    shift, skew = float(ndtri(np.clip(below, 0.5 / draws, 1 - 0.5 / draws))), _acceleration(sample, statistic)
    reach = shift + ndtri(np.array([tail, 1 - tail]))
    lower, upper = np.quantile(found, ndtr(shift + reach / (1 - skew * reach)))
    return Interval(np.asarray(lower), np.asarray(upper))


def _resampled(sample: Floats, statistic: Callable[..., Floats], seed: int, draws: int) -> Floats:
    generator, rows = np.random.default_rng(seed), max(1, _BATCH // sample.size)
    return np.concatenate([
        statistic(sample[generator.integers(0, sample.size, (min(rows, draws - start), sample.size))], axis=-1)
        for start in range(0, draws, rows)
    ])


def _acceleration(sample: Floats, statistic: Callable[..., Floats]) -> float:
    """How the statistic's standard error changes with it, from leaving out each value once."""
    size, places = sample.size, np.arange(sample.size)
    rows, kept = max(1, _BATCH // size), np.arange(size - 1)
    left = np.concatenate([
        statistic(sample[kept + (kept >= some[:, None])], axis=-1)
        for some in np.split(places, range(rows, size, rows))
    ])
    apart = left.mean() - left
    spread = float(apart @ apart) ** 1.5
    return float(np.sum(apart**3)) / (6 * spread) if spread > 0 else 0.0


def _log_ratio(first: Floats, variance: Floats, second: Floats, other_variance: Floats, level: float) -> Interval:
    some = (first > 0) & (second > 0)
    above, below = np.where(some, first, np.nan), np.where(some, second, np.nan)
    z = float(ndtri(1 - _tail(level)))
    reach = np.exp(z * np.sqrt(variance / above**2 + other_variance / below**2))
    return Interval(above / below / reach, above / below * reach)
