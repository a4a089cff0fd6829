"""How often the strongest of many looks goes beyond a level: one tail for many series, wide when data are few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TRIMMED = 0.15
"""Share of the exceedances, the strongest, of which only the number counts."""
SWAY = 1.5
"""Factor by which the count beyond a level may move what the fit says of it: incidents are counted there, too."""
STEADY = 4.0
"""Exceedances that the fit is worth when it is held against that count."""
_SHAPES = np.linspace(-0.3, 0.5, 17) + 1e-6
"""None is 0, near which the formula is as good as exponential."""
_SCALES = np.exp(np.linspace(np.log(0.15), np.log(6.0), 41))
FOREIGN = 0.02
"""Share of incidents, the strongest, among the exceedances that one expects: the mean of an exponential prior."""
_FOREIGN = np.array([0, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2])
_SHAPE_SPREAD, _SCALE_SPREAD = 0.1, 0.5
"""Of the prior: shapes near 0 and scales near 1, which is what strengths -log p of right p have."""
_STEPS = 40


@dataclass(frozen=True, slots=True)
class Tail:
    """Expected share of blocks whose maximum is beyond a level, over everything that the data leave open.

    ``level`` is where the tail begins, ``share`` of the blocks are beyond it; the weights (shapes, scales) sum to 1.
    ``counted`` are the maxima beyond the level, ascending, of ``blocks`` blocks.
    """

    level: float
    share: float
    weights: Floats
    counted: Floats
    blocks: float

    def beyond(self, level: float) -> float:
        """Expected share of blocks beyond a level; below the tail's own level, that of the level."""
        fitted = self.share * float((self.weights * _survival(max(level - self.level, 0.0))).sum())
        seen = self.counted.size - int(np.searchsorted(self.counted, level, "right"))
        sway = (seen + STEADY) / (fitted * self.blocks + STEADY)
        return fitted * min(max(sway, 1 / SWAY), SWAY)

    def level_of(self, share: float) -> float:
        """The level that this share of the blocks goes beyond; never below the tail's own, infinite for none."""
        if share <= 0:
            return np.inf
        low, high = self.level, self.level + 1.0
        while self.beyond(high) > share and high < 1e6:
            low, high = high, self.level + 2 * (high - self.level)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.beyond(middle) > share else (low, middle)
        return high


def fit(maxima: Floats, blocks: float, level: float, usual: float, pace: float = 1.0) -> Tail:
    """The tail of block maxima beyond ``level``.

    ``maxima`` holds at least all that are beyond it, of ``blocks`` blocks; ``usual`` is the share beyond it that one
    expects without any, and ``pace`` how many times as many are expected from now on. Generalised Pareto, averaged over
    shape, scale and a share of incidents by their posterior weights, so that the share beyond a level is an expectation
    over all that is left open. Of the strongest part only the number counts, and incidents are taken to be in it. A
    count of what lies beyond a level corrects the fit there, within bounds.

    Sources: S. Coles, An Introduction to Statistical Modeling of Extreme Values (2001), 4.3 and 9.1.

    Raises:
        ValueError: there are fewer blocks than maxima beyond the level, or the usual share is not in (0, 1].
    """
    beyond = np.sort(maxima[maxima > level])
    if blocks < beyond.size or not 0 < usual <= 1:
        raise ValueError("every block has one maximum, and the usual share lies in (0, 1]")
    share = min(pace * (beyond.size + 1.0) / (blocks + 1.0 / usual), 1.0)
    trimmed = int(np.ceil(TRIMMED * beyond.size)) if beyond.size > 1 else 0
    kept = beyond[: beyond.size - trimmed] - level
    log = -0.5 * (_SHAPES[:, None] / _SHAPE_SPREAD) ** 2 - 0.5 * (np.log(_SCALES) / _SCALE_SPREAD) ** 2
    log = log[:, :, None] - _FOREIGN / FOREIGN
    if kept.size:
        quiet = _survival(float(kept[-1]))[:, :, None]
        log = log + _log_density(kept)[:, :, None] + kept.size * np.log(1 - _FOREIGN)
        log = log + trimmed * np.log((1 - _FOREIGN) * quiet + _FOREIGN + 1e-300)
    weights = np.exp(log - log.max())
    return Tail(level, share, (weights * (1 - _FOREIGN)).sum(axis=2) / weights.sum(), beyond, blocks)


def _log_survival(excess: Floats) -> Floats:
    """Of each shape and scale (shapes, scales, n)."""
    # Beyond the end of a bounded tail nothing is expected; a number next to 0 keeps its logarithm finite.
    left = np.maximum(1 + _SHAPES[:, None, None] * (excess / _SCALES[:, None]), 1e-300)
    return np.asarray(-np.log(left) / _SHAPES[:, None, None])


def _log_density(excess: Floats) -> Floats:
    """Summed over the excesses (shapes, scales)."""
    survival = _log_survival(excess).sum(axis=2)
    return np.asarray((1 + _SHAPES[:, None]) * survival - excess.size * np.log(_SCALES))


def _survival(excess: float) -> Floats:
    return np.asarray(np.exp(_log_survival(np.array([excess]))[:, :, 0]))
