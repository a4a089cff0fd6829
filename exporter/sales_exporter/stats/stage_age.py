"""Win probability of open deals, learned by stage and by how long they have been in it, and the pipeline it weighs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sales_exporter.stats.classification import Estimate
from sales_exporter.stats.intervals import LEVEL
from sales_exporter.stats.special import betaincinv

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SHRINKAGE = 20.0
"""Visits at the stage's overall rate that are put beside those seen at an age."""
_MOST = 0.999
"""Share of the largest possible variance above which a sum of deals is taken for one that comes or does not."""


@dataclass(frozen=True, slots=True)
class WinCurves:
    """P(the deal is won | in the stage, there for at least an age); made by :func:`learn`.

    ``probability`` and ``visits``, the visits it rests on, are stages x ages, the ages ``edges`` in ascending order.
    NaN for a stage that no finished deal has visited.
    """

    edges: Floats
    probability: Floats
    visits: Floats

    def at(self, stage: ArrayLike, age: ArrayLike) -> Floats:
        """Win probability of deals by stage code and age in it, linear between the edges; NaN for an unknown age.

        Raises:
            ValueError: there is no such stage.
        """
        code, place = _codes(stage, len(self.probability)), np.asarray(age, dtype=np.float64)
        found = np.full(place.shape, np.nan)
        for number in np.unique(code):
            mine = (code == number) & np.isfinite(place)
            found[mine] = np.interp(place[mine], self.edges, self.probability[number])
        return found


def learn(at_risk: ArrayLike, won: ArrayLike, lost: ArrayLike, edges: ArrayLike) -> WinCurves:
    """Win curves from the stage visits of finished deals, counted by stage (rows) and age group (columns).

    ``edges`` are the ages at which the groups begin, the first 0 and the last group open. ``at_risk`` are visits that
    still lasted when the group began, ``won`` and ``lost`` those that ended in it, by the outcome that their deal came
    to in the end. A win and a loss compete: the probability at an age is the cumulative incidence of wins from there
    on, given that the visit lasted so long (Aalen-Johansen), so that visits may also be censored. It is drawn to the
    stage's overall rate with the weight of SHRINKAGE visits. Take the deals that closed in a window of time: taken by
    opening, the slow ones would be missing.

    Source: O. O. Aalen, S. Johansen, "An empirical transition matrix for non-homogeneous Markov chains based on
    censored observations", Scandinavian Journal of Statistics 5 (1978) 141-150.

    Raises:
        ValueError: shapes differ, edges do not ascend from 0, a count is negative, or more ended than were at risk.
    """
    there, wins, losses = (np.asarray(part, dtype=np.float64) for part in (at_risk, won, lost))
    starts = np.asarray(edges, dtype=np.float64)
    if there.ndim != 2 or wins.shape != there.shape or losses.shape != there.shape or starts.shape != there.shape[1:]:
        raise ValueError("at_risk, won and lost must be stages x ages, with one edge for each age")
    if starts.size == 0 or starts[0] != 0 or np.any(np.diff(starts) <= 0):
        raise ValueError("edges must ascend from 0")
    if not np.all(np.isfinite(there)) or np.any(wins < 0) or np.any(losses < 0) or np.any(wins + losses > there):
        raise ValueError("counts must be finite and not negative, and no more may end than were at risk")
    ended = (wins + losses).sum(axis=1, keepdims=True)
    overall = np.divide(wins.sum(axis=1, keepdims=True), ended, out=np.full_like(ended, np.nan), where=ended > 0)
    raw = np.where(there > 0, _incidence(there, wins, losses, overall), overall)
    return WinCurves(starts, (there * raw + SHRINKAGE * overall) / (there + SHRINKAGE), there)


def weighted_pipeline(
    curves: WinCurves, stage: ArrayLike, age: ArrayLike, amount: ArrayLike, level: float = LEVEL
) -> Estimate:
    """Expected revenue of open deals, the sum of amount x win probability, with bounds of what they will bring.

    The bounds hold two uncertainties: which deals are won (Poisson-binomial, each with its amount) and how well the
    probabilities are known (binomial in the visits behind them; errors of one stage's ages are taken to go together).
    The sum is approximated by a beta distribution from 0 to all amounts with this mean and variance, which stays
    within what is possible and is exact for one deal. Deals are taken as independent: a common shock is not in it.
    Deals without amount, age or curve are left out; undefined without any.

    Raises:
        ValueError: lengths differ, an amount is negative, there is no such stage, or the level is not in (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    code, value = _codes(stage, len(curves.probability)), np.asarray(amount, dtype=np.float64)
    place = np.asarray(age, dtype=np.float64)
    if value.ndim != 1 or code.shape != value.shape or place.shape != value.shape or np.any(value < 0):
        raise ValueError("stage, age and amount must be of one length, and no amount negative")
    chance = curves.at(code, place)
    known = np.isfinite(chance) & np.isfinite(value)
    if not known.any():
        return Estimate(math.nan, math.nan, math.nan)
    code, place, value, chance = code[known], place[known], value[known], chance[known]
    group = np.searchsorted(curves.edges, place, side="right").clip(min=1) - 1
    spread = chance * (1 - chance)
    doubt = value * np.sqrt(spread / (curves.visits[code, group] + SHRINKAGE + 1))
    variance = float(value**2 @ spread + (np.bincount(code, doubt) ** 2).sum())
    return _bounded(float(value @ chance), variance, float(value.sum()), level)


def _incidence(there: Floats, wins: Floats, losses: Floats, overall: Floats) -> Floats:
    """P(won in the end | still there at the beginning of the age group), backwards from the last group."""
    found = np.empty_like(there)
    after = overall[:, 0]
    for age in reversed(range(there.shape[1])):
        risk = np.maximum(there[:, age], 1)
        ended = wins[:, age] + losses[:, age]
        if age == there.shape[1] - 1:
            after = np.where(ended > 0, wins[:, age] / np.maximum(ended, 1), after)
        else:
            after = wins[:, age] / risk + (1 - ended / risk) * after
        found[:, age] = after
    return found


def _bounded(mean: float, variance: float, most: float, level: float) -> Estimate:
    share = mean / most if most > 0 else 0.0
    if not 0 < share < 1 or variance <= 0:
        return Estimate(mean, mean, mean)
    relative = min(variance / (most**2 * share * (1 - share)), _MOST)
    size = 1 / relative - 1
    lower, upper = betaincinv(share * size, (1 - share) * size, np.array([(1 - level) / 2, (1 + level) / 2]))
    return Estimate(mean, float(most * lower), float(most * upper))


def _codes(stage: ArrayLike, stages: int) -> Ints:
    code = np.asarray(stage, dtype=np.int64)
    if np.any((code < 0) | (code >= stages)):
        raise ValueError(f"stage codes must lie between 0 and {stages - 1}")
    return code
