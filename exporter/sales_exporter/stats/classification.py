"""How good a binary classifier's scores are: confusion figures, AUC, calibration error and score drift.

Undefined is NaN (no positives to recall, no labels at all), so that the caller leaves it out. Scores arrive as
counts per bin of ascending score, never as rows: two scores in one bin are a tie.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sales_exporter.stats.intervals import LEVEL, wilson
from sales_exporter.stats.special import expit, kolmogorov, logit, ndtri

Floats = NDArray[np.float64]
"""Counts, sums or shares by bin."""
_HALVINGS = 60


class Estimate(NamedTuple):
    """A value with its bounds; all NaN where the data cannot define it."""

    value: float
    lower: float
    upper: float


UNDEFINED = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Confusion:
    """Decisions of a classifier against what came true, as counts."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(
            self.true_positive + other.true_positive, self.false_positive + other.false_positive,
            self.false_negative + other.false_negative, self.true_negative + other.true_negative,
        )

    @property
    def total(self) -> int:
        """All decisions."""
        return self.true_positive + self.false_positive + self.false_negative + self.true_negative

    @property
    def positives(self) -> int:
        """All that came true."""
        return self.true_positive + self.false_negative

    @property
    def accuracy(self) -> Estimate:
        """Share of right decisions, with its Wilson interval."""
        return proportion(self.true_positive + self.true_negative, self.total)

    @property
    def baseline(self) -> Estimate:
        """Accuracy of always deciding for the larger class of these same labels."""
        return proportion(max(self.positives, self.total - self.positives), self.total)

    @property
    def base_rate(self) -> Estimate:
        """Share that came true."""
        return proportion(self.positives, self.total)

    @property
    def precision(self) -> Estimate:
        """Share of positive decisions that came true; undefined when none was positive."""
        return proportion(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> Estimate:
        """Share found of what came true; undefined when nothing came true."""
        return proportion(self.true_positive, self.positives)

    @property
    def f1(self) -> Estimate:
        """Harmonic mean of precision and recall; 0 when nothing was found of something, undefined of nothing.

        F1 rises with J = TP / (TP + FP + FN), which is a proportion, as 2 J / (1 + J); its bounds are those of
        J carried over. Source: K. F. Y. Lam, V. Gopal, J. Qian, "Confidence intervals for the F1 score: a
        comparison of four methods" (arXiv:2309.14621), the indirect Wilson method.
        """
        share = proportion(self.true_positive, self.total - self.true_negative)
        return Estimate(*(2 * part / (1 + part) for part in share))


def proportion(successes: int, trials: int) -> Estimate:
    """A share with its Wilson interval; undefined without trials.

    Raises:
        ValueError: successes exceed trials, or a count is negative.
    """
    bounds = wilson(successes, trials)
    if trials == 0:
        return UNDEFINED
    return Estimate(successes / trials, float(bounds.lower), float(bounds.upper))


def auc(positives: ArrayLike, negatives: ArrayLike, level: float = LEVEL) -> Estimate:
    """Probability that a positive scores above a negative, ties counted half, with its interval.

    ``positives`` and ``negatives`` are counts per bin of ascending score, of equal length. The interval is
    DeLong's on the logit scale. Where that has no width (perfect order, or a class of one), the score
    interval of the Hanley-McNeil variance takes its place: 5 of 5 in order is no certainty. Undefined when
    either class is empty.

    Sources: E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, Biometrics 44 (1988) 837-845; logit scale:
    M. S. Pepe, "The Statistical Evaluation of Medical Tests" (2003) 5.2; score interval: R. G. Newcombe,
    Statistics in Medicine 25 (2006) 559-573, method 5.

    Raises:
        ValueError: the lengths differ.
    """
    above, below = _counts(positives), _counts(negatives)
    if above.shape != below.shape:
        raise ValueError("positives and negatives must have the same bins")
    m, n = float(above.sum()), float(below.sum())
    if m == 0 or n == 0:
        return UNDEFINED
    # Placement of a positive: the share of negatives under it. Of a negative: the share of positives over it.
    under = (np.cumsum(below) - below / 2) / n
    over = 1 - (np.cumsum(above) - above / 2) / m
    area = float(above @ under / m)
    error = math.sqrt(_variance(above, under, area) / m + _variance(below, over, area) / n)
    if not 0 < area < 1 or error == 0 or min(m, n) < 2:
        return Estimate(area, *_newcombe(area, m, n, level))
    reach = float(ndtri((1 + level) / 2)) * error / (area * (1 - area))
    middle = float(logit(area))
    return Estimate(area, float(expit(middle - reach)), float(expit(middle + reach)))


def calibration_error(
    positives: ArrayLike, negatives: ArrayLike, score_sums: ArrayLike, bins: int = 10
) -> float:
    """Expected calibration error: |mean score - share that came true| per bin, weighted by the bin's size.

    The arguments are counts and sums of scores per bin of equal width over 0..1; their number must be a
    multiple of ``bins``, into which they are joined. NaN without labels. It is never negative, so noise makes
    it larger: about 0.4 / sqrt(n / bins) for a perfect model with a base rate of one half.

    Source: M. Pakdaman Naeini, G. F. Cooper, M. Hauskrecht, AAAI (2015) 2901-2907.

    Raises:
        ValueError: the number of fine bins is no multiple of ``bins``.
    """
    came_true, failed, scores = (
        _joined(_counts(part), bins) for part in (positives, negatives, score_sums)
    )
    total = float(came_true.sum() + failed.sum())
    if total == 0:
        return math.nan
    return float(np.abs(scores - came_true).sum() / total)


def population_stability_index(reference: ArrayLike, current: ArrayLike, groups: int = 10) -> float:
    """How far a score histogram has moved: sum of (q - p) ln(q / p) over quantile groups of the reference.

    Both are counts per bin of ascending score. The groups hold about equal shares of the reference (deciles by
    default; fewer when single bins hold more), and half a count is added to each group so that an empty one
    does not make the index infinite. NaN when either is empty. Common reading: below 0.1 stable, above 0.25
    moved; without any change its mean is about (groups - 1)(1 / n + 1 / m).

    Sources: N. Siddiqi, "Credit Risk Scorecards" (2006) ch. 8; mean: B. Yurdakul, "Statistical properties of
    population stability index" (Western Michigan University, 2018).

    Raises:
        ValueError: the lengths differ.
    """
    before, after = _counts(reference), _counts(current)
    if before.shape != after.shape:
        raise ValueError("reference and current must have the same bins")
    if before.sum() == 0 or after.sum() == 0:
        return math.nan
    group = _quantile_groups(before, groups)
    p = _shares(np.bincount(group, before).astype(np.float64))
    q = _shares(np.bincount(group, after).astype(np.float64))
    return float(np.sum((q - p) * np.log(q / p)))


def _quantile_groups(counts: Floats, groups: int) -> NDArray[np.intp]:
    """The group of each bin, from 0 without gaps; a bin that is empty goes with the last one that is not."""
    preceding = np.cumsum(counts) - counts
    rough = np.minimum(np.floor(preceding * groups / counts.sum()), groups - 1)
    filled = np.maximum.accumulate(np.where(counts > 0, rough, -1))
    filled[filled < 0] = filled[filled >= 0].min()
    return np.unique(filled, return_inverse=True)[1]


def _shares(counts: Floats) -> Floats:
    padded = counts + 0.5
    return np.asarray(padded / padded.sum())


def _variance(counts: Floats, placements: Floats, mean: float) -> float:
    """Sample variance of placements that occur ``counts`` times; 0 for fewer than two."""
    size = float(counts.sum())
    return float(counts @ (placements - mean) ** 2) / (size - 1) if size > 1 else 0.0


def _newcombe(area: float, m: float, n: float, level: float) -> tuple[float, float]:
    """Both roots of |theta - area| = z sqrt(V(theta)), by bisection on either side of the estimate."""
    z = float(ndtri((1 + level) / 2))
    middle = (m + n) / 2 - 1

    def outside(theta: float) -> bool:
        spread = 1 + middle * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (theta - area) ** 2 > z * z * theta * (1 - theta) * spread / (m * n)

    def root(end: float) -> float:
        inner, outer = area, end
        for _ in range(_HALVINGS):
            half = (inner + outer) / 2
            inner, outer = (inner, half) if outside(half) else (half, outer)
        return inner

    return (root(0.0) if area > 0 else 0.0), (root(1.0) if area < 1 else 1.0)


def _joined(fine: Floats, bins: int) -> Floats:
    if fine.size % bins:
        raise ValueError(f"{fine.size} fine bins cannot be joined into {bins}")
    return np.asarray(fine.reshape(bins, -1).sum(axis=1))


def _counts(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.all(np.isfinite(array)) or np.any(array < 0):
        raise ValueError("expected one dimension of finite counts that are not negative")
    return array


class KolmogorovSmirnov(NamedTuple):
    """The largest distance of two distribution functions, and how probable one so large is without a difference."""

    statistic: float
    p_value: float


def kolmogorov_smirnov(first: ArrayLike, second: ArrayLike) -> KolmogorovSmirnov:
    """Two-sample Kolmogorov-Smirnov test of two score histograms, two-sided; NaN when either is empty.

    Both are counts per bin of ascending score. Scores of one bin count as tied, so the statistic is never larger and
    the p-value never smaller than those of the scores themselves: by up to 0.06 with 1,000 bins and 100,000 scores
    against 20,000. The p-value is the limit distribution at the effective size m n / (m + n), with a correction for
    finite size.

    Sources: N. V. Smirnov, Bulletin of Moscow University 2 (1939) 3-14; correction: J. Vrbik, "Small-sample corrections
    to Kolmogorov-Smirnov test statistic", Pioneer Journal of Theoretical and Applied Statistics 15 (2018) 15-23.

    Raises:
        ValueError: the lengths differ, or the counts are negative or not finite.
    """
    one, other = _counts(first), _counts(second)
    if one.shape != other.shape:
        raise ValueError("first and second must have the same bins")
    m, n = float(one.sum()), float(other.sum())
    if m == 0 or n == 0:
        return KolmogorovSmirnov(math.nan, math.nan)
    distance = float(np.max(np.abs(np.cumsum(one) / m - np.cumsum(other) / n)))
    size = m * n / (m + n)
    scaled = distance * math.sqrt(size)
    corrected = scaled + 1 / (6 * math.sqrt(size)) + (scaled - 1) / (4 * size)
    return KolmogorovSmirnov(distance, float(kolmogorov(max(corrected, 0.0))))
