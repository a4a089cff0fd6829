"""Figures of single reps, pulled towards their team as far as their few deals cannot speak for themselves.

Undefined is NaN: fewer than three reps with data say nothing about how far reps differ. The spread between the reps
is not fixed at its most likely value, which is often zero and would make every bound too short, but integrated over
its marginal likelihood. Posteriors are mixtures; a beta or normal of the same mean and variance stands for each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sales_exporter.stats.intervals import LEVEL, Interval
from sales_exporter.stats.special import betainc, betaincinv, betaln, ndtr, ndtri

Floats = NDArray[np.float64]
LEAST_REPS = 3
"""Reps with data below which the spread between reps cannot be told: its posterior would be improper."""
_SPREADS = 40
_HERMITE = np.polynomial.hermite.hermgauss(7)


@dataclass(frozen=True, eq=False)
class Rates:
    """Posterior of each rep's true rate, Beta(``alpha``, ``beta``); all NaN when undefined.

    ``team`` is the team's mean: of the reps, not of the deals. ``nodes`` are the priors of whose posteriors this one
    is a mixture, by weight, mean and size, and the reps' wins and other deals.
    """

    alpha: Floats
    beta: Floats
    team: float
    nodes: tuple[Floats, Floats, Floats, Floats, Floats] | None = None

    @cached_property
    def above(self) -> Floats:
        """The probability that each true rate exceeds the team's mean."""
        if self.nodes is None:
            return np.full(self.alpha.size, np.nan)
        weights, mean, size, won, lost = self.nodes
        # Nodes without weight cost as much as the others; what they add is below 1e-6.
        heavy = weights > 1e-6 / weights.size
        centre, size = mean[heavy, None], size[heavy, None]
        a, b = centre * size + won, (1 - centre) * size + lost
        return np.asarray(weights[heavy] @ (1 - betainc(a, b, centre)))

    @property
    def value(self) -> Floats:
        """Posterior means: the shrunk rates."""
        return np.asarray(self.alpha / (self.alpha + self.beta))

    def bounds(self, level: float = LEVEL) -> Interval:
        """Equal-tailed credible bounds.

        Raises:
            ValueError: the level is not in (0, 1).
        """
        tail = _tail(level)
        return Interval(betaincinv(self.alpha, self.beta, tail), betaincinv(self.alpha, self.beta, 1 - tail))

    def draw(self, rng: np.random.Generator, draws: int) -> Floats:
        """Random true rates, draws x reps, NaN where undefined."""
        known = ~np.isnan(self.alpha)
        rates = np.full((draws, known.size), np.nan)
        rates[:, known] = rng.beta(self.alpha[known], self.beta[known], (draws, int(known.sum())))
        return rates


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Posterior of each rep's true mean logarithm, normal with ``mean`` and ``error``; all NaN when undefined.

    ``above`` is the probability that it exceeds the team's, ``team`` the team's.
    """

    mean: Floats
    error: Floats
    above: Floats
    team: float

    @property
    def value(self) -> Floats:
        """Shrunk geometric means, in the unit of the amounts: for log-normal amounts, their medians."""
        return np.asarray(np.exp(self.mean))

    def bounds(self, level: float = LEVEL) -> Interval:
        """Equal-tailed credible bounds of the geometric means.

        Raises:
            ValueError: the level is not in (0, 1).
        """
        reach = float(ndtri(1 - _tail(level))) * self.error
        return Interval(np.exp(self.mean - reach), np.exp(self.mean + reach))

    def draw(self, rng: np.random.Generator, draws: int) -> Floats:
        """Random true geometric means, draws x reps, NaN where undefined."""
        return np.asarray(np.exp(self.mean + self.error * rng.standard_normal((draws, self.mean.size))))


def rates(wins: ArrayLike, decided: ArrayLike) -> Rates:
    """True win rates by the beta-binomial model: reps' rates ~ Beta with unknown mean and spread.

    ``wins`` of ``decided`` deals by rep. A rep without deals gets the team's distribution. The prior is flat on the
    mean and on sqrt(rho), rho = 1 / (alpha + beta + 1) the correlation of two deals of one rep; without differences
    it pools the reps as far as the number of deals allows.

    Sources: J. C. Kleinman, "Proportions with extraneous variance", Journal of the American Statistical Association
    68 (1973) 46-54; why integrate: C. L. Christiansen, C. N. Morris, the same 92 (1997) 618-632.

    Raises:
        ValueError: a count is negative or not finite, wins exceed decided, or the shapes are not one dimension.
    """
    k, n = _vector(wins), _vector(decided)
    if k.shape != n.shape or np.any(k < 0) or np.any(k > n):
        raise ValueError("expected wins and decided of one length, 0 <= wins <= decided")
    if np.count_nonzero(n) < LEAST_REPS:
        nothing = np.full(n.size, np.nan)
        return Rates(nothing, nothing, math.nan)
    weights, mean, size = _beta_nodes(k, n)
    a, b = (mean * size)[:, None] + k, ((1 - mean) * size)[:, None] + n - k
    value = a / (a + b)
    centre = weights @ value
    variance = weights @ (value * (1 - value) / (a + b + 1) + value**2) - centre**2
    total = centre * (1 - centre) / variance - 1
    return Rates(centre * total, (1 - centre) * total, float(weights @ mean), (weights, mean, size, k, n - k))


def _beta_nodes(k: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
    """Quadrature over the prior: weights that sum to 1, means, and sizes alpha + beta."""
    known = n > 0
    k, n = k[known], n[known]
    # Denser near no spread at all; sqrt(rho) = step^2, so that a step is 2 sqrt(rho)^(1/2) wide.
    step = (np.arange(_SPREADS) + 0.5) / _SPREADS
    rho = step[:, None] ** 4
    pooled = (k.sum() + 0.5) / (n.sum() + 1)
    precision = 1 / (pooled * (1 - pooled) * (rho + (1 - rho) / n))
    # Given the spread, the mean is about normal; Gauss-Hermite nodes there, corrected by the exact likelihood.
    centre, width = (precision @ (k / n)) / precision.sum(axis=1), np.sqrt(2 / precision.sum(axis=1))
    mean = np.clip(centre[:, None] + width[:, None] * _HERMITE[0], 1e-6, 1 - 1e-6).ravel()
    size = np.repeat(1 / rho[:, 0] - 1, _HERMITE[0].size)
    a, b = (mean * size)[:, None], ((1 - mean) * size)[:, None]
    likelihood = (betaln(a + k, b + n - k) - betaln(a, b)).sum(axis=1)
    correction = np.log(width * step)[:, None] + _HERMITE[0] ** 2 + np.log(_HERMITE[1])
    return _normalised(likelihood + correction.ravel()), mean, size


def levels(counts: ArrayLike, means: ArrayLike, variances: ArrayLike) -> Levels:
    """True geometric means of amounts or durations by the normal-normal model on the logarithms.

    ``means`` and sample ``variances`` (divisor n - 1) of the logarithms of ``counts`` values by rep; those of a rep
    without values, and the variance of one value, may be NaN. The variance within reps is pooled and taken as known
    (undefined if it is 0), so that two deals do not tell a rep's error by themselves. The team's mean is integrated
    with a flat prior; so is the standard deviation between reps, over the restricted likelihood.

    Source: A. Gelman et al., "Bayesian Data Analysis" (3rd ed., 2013) 5.4; the prior: A. Gelman, Bayesian Analysis 1
    (2006) 515-534.

    Raises:
        ValueError: lengths differ, a count is negative, or a needed mean or variance is not finite or negative.
    """
    n, y, spread = _vector(counts), np.asarray(means, np.float64), np.asarray(variances, np.float64)
    if not n.shape == y.shape == spread.shape or np.any(n < 0):
        raise ValueError("expected counts, means and variances of one length, no count negative")
    known, several = n > 0, n > 1
    if not np.all(np.isfinite(y[known])) or not np.all(np.isfinite(spread[several]) & (spread[several] >= 0)):
        raise ValueError("means and variances of reps with data must be finite, variances not negative")
    freedom = (n - 1)[several].sum()
    within = float((n - 1)[several] @ spread[several] / freedom) if freedom else 0.0
    if np.count_nonzero(known) < LEAST_REPS or within == 0:
        nothing = np.full(n.size, np.nan)
        return Levels(nothing, nothing, nothing, math.nan)
    return _normal_posterior(np.where(known, y, 0.0), np.where(known, n, 0.0) / within)


def _normal_posterior(y: Floats, precision: Floats) -> Levels:
    """Posterior of each mean; ``precision`` is that of ``y`` around it, 0 for a rep without data."""
    known = precision > 0
    step = (np.arange(_SPREADS) + 0.5) / _SPREADS
    scale = math.sqrt(float(np.var(y[known])) + float(np.mean(1 / precision[known])))
    between = ((scale * step / (1 - step)) ** 2)[:, None]
    marginal = np.where(known, precision / (1 + between * precision), 0.0)
    total = marginal.sum(axis=1)
    team = marginal @ y / total
    misfit = (marginal * (y - team[:, None]) ** 2).sum(axis=1)
    log_terms = np.log(marginal[:, known]).sum(axis=1) - np.log(total) - misfit
    weights = _normalised(log_terms / 2 - 2 * np.log(1 - step))
    own = between * precision / (1 + between * precision)
    value = own * y + (1 - own) * team[:, None]
    conditional = between * (1 - own)
    # Var(theta) adds what the team's mean is uncertain by; theta - team is pulled the other way by the same error.
    spread = conditional + (1 - own) ** 2 / total[:, None]
    distance = np.sqrt(conditional + own**2 / total[:, None])
    centre = weights @ value
    error = np.sqrt(weights @ (spread + value**2) - centre**2)
    above = weights @ ndtr((value - team[:, None]) / distance)
    return Levels(centre, error, above, float(weights @ team))


def differences_p_value(wins: ArrayLike, decided: ArrayLike, seed: int = 0, draws: int = 1999) -> float:
    """Probability of win rates at least as uneven as these if all reps were equally good; NaN when undefined.

    The statistic is Tarone's, sum of squared (wins - expected wins), the locally most powerful one against
    beta-binomial rates. Its distribution is drawn given the total of the wins, where under equal rates every way of
    dealing the wins out to the deals is equally likely: no approximation, so at most 5 % of the values are <= 0.05
    however few the deals. Undefined with deals of fewer than two reps, and when all or none are won. Deterministic by
    ``seed``.

    Sources: R. E. Tarone, "Testing the goodness of fit of the binomial distribution", Biometrika 66 (1979) 585-590;
    level of Monte Carlo tests: A. C. A. Hope, Journal of the Royal Statistical Society B 30 (1968) 582-598.

    Raises:
        ValueError: as :func:`rates`, a count is no whole number, or ``draws`` is below 1.
    """
    k, n = _vector(wins), _vector(decided)
    if k.shape != n.shape or np.any(k < 0) or np.any(k > n) or np.any(k % 1) or np.any(n % 1):
        raise ValueError("expected whole numbers of one length, 0 <= wins <= decided")
    if draws < 1:
        raise ValueError(f"expected at least one draw, not {draws}")
    won, total = int(k.sum()), int(n.sum())
    if np.count_nonzero(n) < 2 or won in (0, total):
        return math.nan
    rng = np.random.default_rng(seed)
    dealt = rng.multivariate_hypergeometric(n.astype(np.int64), won, draws, method="marginals")
    expected = n * (won / total)
    found, drawn = float(((k - expected) ** 2).sum()), ((dealt - expected) ** 2).sum(axis=1)
    # Equal statistics may differ in their last bits; a tie counts as at least as uneven.
    return float((1 + np.count_nonzero(drawn >= found * (1 - 1e-9))) / (1 + draws))


def _normalised(logarithms: Floats) -> Floats:
    weights = np.exp(logarithms - logarithms.max())
    return np.asarray(weights / weights.sum())


def _vector(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.all(np.isfinite(array)):
        raise ValueError("expected one dimension of finite counts")
    return array


def _tail(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    return (1 - level) / 2
