"""Where reps stand once chance is taken off: win ratios, ranks, deal sizes and cycles, pulled towards the team."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sales_exporter.collectors.ratios import Ratio, ratio
from sales_exporter.model import Definition, Metric, Sample, gauge
from sales_exporter.stats.intervals import LEVEL, Interval
from sales_exporter.stats.ranking import Ranks, ranks
from sales_exporter.stats.shrinkage import Levels, Rates, differences_p_value, levels, rates
from sales_exporter.stats.special import stdtrit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keep = Callable[[str], bool]
"""Whether a rep has series of its own."""
RAW, SHRUNK = "raw", "shrunk"
DRAWS, SEED = 2_000, 1
SHORTEST = 3600.0
"""Seconds that a cycle counts as at least: on the scale of logarithms a moment would outweigh months."""


def metrics(counted: Definition, recent: Definition) -> Standing:
    """The metrics by their definitions: of windows, and of the last 90 days."""
    return Standing(
        ratio("sales_rep_rank", "Place of the rep by the true win ratio, 1 is best: the median of the places that the "
              "deals of the window allow, with the 95 % of them between the bounds. Reps whose bounds overlap cannot "
              "be told apart. Absent for reps without a decided deal, and with fewer than three of the others.",
              "rep", "window", definition=counted),
        gauge("sales_rep_differences_p_value", "Probability of win ratios at least as uneven as those of the window if "
              "all reps were equally good (Tarone's test by permutation). Above 0.05 the ranks mean nothing.",
              "window", definition=counted),
        gauge("sales_rep_above_team_probability", "Probability that the rep's true win ratio is above the mean of the "
              "reps, by the deals decided in the last 90 days.", "rep", definition=recent),
        ratio("sales_rep_deal_value", "Geometric mean of the value of the deals won in the last 90 days, those without "
              "a positive value left out. Raw: with the rep's own spread, without bounds for a single deal; shrunk: "
              "pulled towards the team as far as the deals are few.", "rep", "currency", "estimator",
              definition=recent),
        ratio("sales_rep_cycle_seconds", "Geometric mean of the time from opening to winning of the deals won in the "
              "last 90 days, an hour at least. Raw and shrunk as sales_rep_deal_value.", "rep", "estimator",
              definition=recent),
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """The metrics of this module."""

    rank: Ratio
    differences: Metric
    above: Metric
    value: Ratio
    cycle: Ratio

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All of them, for a collector's list."""
        return (*self.rank.metrics, self.differences, self.above, *self.value.metrics, *self.cycle.metrics)


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """Reps with their won and decided deals; each has decided one at least."""

    reps: Sequence[str]
    won: Ints
    decided: Ints

    def rates(self) -> Rates:
        """The true win ratios."""
        return _rates(*self._key)

    def ranks(self) -> Ranks:
        """Ranks by the true win ratios."""
        return _ranks(*self._key)

    def differences(self) -> float:
        """The probability of differences like these among equals."""
        return _differences(*self._key)

    @property
    def _key(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return tuple(self.won.tolist()), tuple(self.decided.tolist())


# Between two passes few windows change, and their figures depend on nothing else.
@lru_cache(maxsize=16)
def _rates(won: tuple[int, ...], decided: tuple[int, ...]) -> Rates:
    return rates(won, decided)


@lru_cache(maxsize=16)
def _ranks(won: tuple[int, ...], decided: tuple[int, ...]) -> Ranks:
    return ranks(_rates(won, decided).draw(np.random.default_rng(SEED), DRAWS))


@lru_cache(maxsize=16)
def _differences(won: tuple[int, ...], decided: tuple[int, ...]) -> float:
    return differences_p_value(won, decided, SEED)


def ratios(found: Decided, win: Ratio, window: str, keep: Keep) -> Iterator[Sample]:
    """Shrunk win ratios."""
    rated = found.rates()
    bounds = rated.bounds()
    for rep, *estimate in _listed(found.reps, rated.value, bounds.lower, bounds.upper):
        if keep(rep):
            yield from win(*estimate, rep=rep, estimator=SHRUNK, window=window)


def places(found: Decided, standing: Standing, window: str, keep: Keep) -> Iterator[Sample]:
    """Ranks with their bounds, and whether there is anything to rank."""
    if found.reps:
        placed = found.ranks()
        for rep, *estimate in _listed(found.reps, placed.median, placed.lower, placed.upper):
            if keep(rep):
                yield from standing.rank(*estimate, rep=rep, window=window)
    chance = found.differences()
    if chance == chance:  # noqa: PLR0124  (NaN is the one value that differs from itself)
        yield standing.differences(chance, window=window)


def above(found: Decided, standing: Standing, keep: Keep) -> Iterator[Sample]:
    """Who is better than the team."""
    for rep, chance in zip(found.reps, found.rates().above.tolist(), strict=True):
        if keep(rep) and chance == chance:  # noqa: PLR0124  (as above)
            yield standing.above(chance, rep=rep)


@dataclass(frozen=True, slots=True, eq=False)
class Logs:
    """Number, mean and sample variance (divisor n - 1, NaN below two) of logarithms, by rep."""

    counts: Floats
    means: Floats
    variances: Floats

    @classmethod
    def of(cls, rep: Ints, values: Floats, size: int) -> Logs:
        """Of positive values with the code of their rep, below ``size``; other values are left out."""
        known = values > 0
        rep, logs = rep[known], np.log(values[known])
        counts = np.bincount(rep, minlength=size).astype(np.float64)
        means = _quotient(np.bincount(rep, logs, size), counts)
        squares = np.bincount(rep, (logs - means[rep]) ** 2, size)
        return cls(counts, means, _quotient(squares, counts - 1))

    def raw(self) -> Interval:
        """Student's bounds of each geometric mean by the rep's own spread; NaN below two values."""
        reach = np.full(len(self.counts), np.nan)
        several = self.counts > 1
        reach[several] = stdtrit(self.counts[several] - 1, (1 + LEVEL) / 2) * np.sqrt(
            self.variances[several] / self.counts[several])
        return Interval(np.exp(self.means - reach), np.exp(self.means + reach))

    def shrunk(self) -> Levels:
        """The true geometric means."""
        return levels(self.counts, self.means, self.variances)


def typical(reps: Sequence[str], logs: Logs, metric: Ratio, keep: Keep, **labels: str) -> Iterator[Sample]:
    """Raw and shrunk geometric means of reps with a value."""
    pulled = logs.shrunk()
    for estimator, value, bounds in (
        (RAW, np.exp(logs.means), logs.raw()), (SHRUNK, pulled.value, pulled.bounds())
    ):
        for rep, n, middle, lower, upper in _listed(reps, logs.counts, value, bounds.lower, bounds.upper):
            if n and keep(rep) and middle == middle:  # noqa: PLR0124  (as above)
                where = {"rep": rep, **labels, "estimator": estimator}
                if lower == lower:  # noqa: PLR0124  (as above)
                    yield from metric(middle, lower, upper, **where)
                else:
                    yield metric.value(middle, **where)


def _listed(reps: Sequence[str], *columns: Floats) -> Iterator[tuple[Any, ...]]:
    """Each rep with its value of each column."""
    return zip(reps, *(column.tolist() for column in columns), strict=True)


def _quotient(part: ArrayLike, whole: Floats) -> Floats:
    found: Floats = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return found
