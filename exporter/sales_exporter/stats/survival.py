"""How long until it ends, when many have not ended yet: Kaplan-Meier and Aalen-Johansen, from counts by time.

Everything takes ascending distinct times with counts at each; those censored at a time were still at risk of the
events at it. Exact durations are counted by :func:`grouped`; log buckets come with their representative times.
Undefined is NaN: a quantile that is not reached, anything after the last time at which someone was at risk, and
bounds where no event has happened yet or nobody is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sales_exporter.stats.classification import UNDEFINED, Estimate
from sales_exporter.stats.intervals import LEVEL
from sales_exporter.stats.special import ndtri

Floats = NDArray[np.float64]
"""Along the last axis, one value for each time."""
_ROUNDING = 1e-9


class Grouped(NamedTuple):
    """Counts at ascending distinct times, all of one length."""

    times: Floats
    events: Floats
    censored: Floats


@dataclass(frozen=True, slots=True)
class Survival:
    """Probability of lasting beyond each of some times, with Greenwood's variance and log-log bounds."""

    times: Floats
    events: Floats
    at_risk: Floats
    survival: Floats
    variance: Floats
    lower: Floats
    upper: Floats
    level: float = LEVEL

    def at(self, time: float) -> Estimate:
        """Probability of lasting beyond ``time``."""
        place = _place(self.times, self.at_risk, self.survival, time)
        if place is None:
            return UNDEFINED
        if place < 0:
            return Estimate(1.0, math.nan, math.nan)
        return Estimate(float(self.survival[place]), float(self.lower[place]), float(self.upper[place]))

    def quantile(self, q: float) -> Estimate:
        """The first time by which at least the share ``q`` has ended, each part NaN when it is not reached.

        The bounds are the first times at which the bounds of the curve get there.
        Source: R. Brookmeyer, J. Crowley, Biometrics 38 (1982) 29-41, on the log-log scale.

        Raises:
            ValueError: q is not in (0, 1).
        """
        if not 0 < q < 1:
            raise ValueError(f"q must lie between 0 and 1, not {q}")
        # Where nobody is left the lower bound of the curve is NaN, but it cannot be above the curve.
        lower = np.where(self.survival <= _ROUNDING, 0.0, self.lower)
        return Estimate(*(self._first_below(curve, 1 - q) for curve in (self.survival, lower, self.upper)))

    def restricted_mean(self, horizon: float) -> Estimate:
        """Mean of min(duration, horizon) with normal bounds; undefined when the curve ends before the horizon.

        Source: J. P. Klein, M. L. Moeschberger, "Survival Analysis" (2003) 4.5.

        Raises:
            ValueError: the horizon is not positive and finite.
        """
        if not 0 < horizon < math.inf:
            raise ValueError(f"the horizon must be positive and finite, not {horizon}")
        if _place(self.times, self.at_risk, self.survival, horizon) is None:
            return UNDEFINED
        size = int(np.searchsorted(self.times, horizon, "right"))
        before = np.concatenate(([1.0], self.survival[:size]))
        areas = before * np.diff(np.concatenate(([0.0], self.times[:size], [horizon])))
        after = np.cumsum(areas[::-1])[::-1][1:]
        variance = float(after**2 @ _greenwood(self.events, self.at_risk)[:size])
        if variance == 0:
            return Estimate(float(areas.sum()), math.nan, math.nan)
        value, reach = float(areas.sum()), _z(self.level) * math.sqrt(variance)
        return Estimate(value, max(value - reach, 0.0), min(value + reach, horizon))

    def _first_below(self, curve: Floats, share: float) -> float:
        # 1 - q and products of shares meet only up to rounding.
        reached = np.flatnonzero(curve <= share + _ROUNDING)
        return float(self.times[reached[0]]) if reached.size else math.nan


@dataclass(frozen=True, slots=True)
class CumulativeIncidence:
    """Probability of having ended by each of some times (T) for each of some causes (K x T), with its bounds."""

    times: Floats
    at_risk: Floats
    remaining: Floats
    """Probability of having ended for none of the causes (T)."""
    incidence: Floats
    variance: Floats
    lower: Floats
    upper: Floats

    def at(self, horizon: float) -> tuple[Estimate, ...]:
        """Probability of having ended by the horizon, one for each cause."""
        place = _place(self.times, self.at_risk, self.remaining, horizon)
        if place is None:
            return (UNDEFINED,) * len(self.incidence)
        if place < 0:
            return (Estimate(0.0, math.nan, math.nan),) * len(self.incidence)
        parts = (self.incidence[:, place], self.lower[:, place], self.upper[:, place])
        return tuple(Estimate(*(float(part) for part in cause)) for cause in zip(*parts, strict=True))


def grouped(durations: ArrayLike, observed: ArrayLike) -> Grouped:
    """Counts of single durations (n) by whether their end was observed (n); the rest is censored.

    Raises:
        ValueError: the lengths differ, or a duration is negative or not finite.
    """
    lengths, ended = np.asarray(durations, np.float64), np.asarray(observed, np.bool_)
    if lengths.ndim != 1 or lengths.shape != ended.shape:
        raise ValueError("durations and observed must be of one dimension and equal length")
    if not np.all(np.isfinite(lengths)) or np.any(lengths < 0):
        raise ValueError("durations must be finite and not negative")
    times, place = np.unique(lengths, return_inverse=True)
    events, censored = (np.bincount(place, weights, minlength=times.size) for weights in (ended, ~ended))
    return Grouped(times, events.astype(np.float64), censored.astype(np.float64))


def survival(
    times: ArrayLike, events: ArrayLike, censored: ArrayLike, entered: ArrayLike | None = None, level: float = LEVEL
) -> Survival:
    """The Kaplan-Meier curve of counts at ``times`` (T).

    ``entered`` counts those who came under observation only at a time, and so are at risk after it; the others
    were there from the start. Early times with nobody or few at risk then make the whole curve unsure.

    Sources: E. L. Kaplan, P. Meier, Journal of the American Statistical Association 53 (1958) 457-481; bounds:
    J. D. Kalbfleisch, R. L. Prentice, "The Statistical Analysis of Failure Time Data" (2002) 1.4.

    Raises:
        ValueError: times do not ascend or are negative, counts are negative or not one for each time, or more
            end than are at risk.
    """
    spans, counts = _times(times), _counts(events, 1)
    return kaplan_meier(spans, counts, _at_risk(spans, counts, censored, entered), level)


def kaplan_meier(times: ArrayLike, events: ArrayLike, at_risk: ArrayLike, level: float = LEVEL) -> Survival:
    """As :func:`survival`, from the number at risk at each time (T).

    Raises:
        ValueError: as :func:`survival`.
    """
    spans, counts, risk = _checked(times, _counts(events, 1), at_risk)
    curve: Floats = np.multiply.accumulate(1 - counts / _divisor(risk))
    variance = np.where(curve > _ROUNDING, curve**2 * np.cumsum(_greenwood(counts, risk)), np.nan)
    return Survival(spans, counts, risk, curve, variance, *_log_log(curve, variance, level), level)


def cumulative_incidence(
    times: ArrayLike, events: ArrayLike, censored: ArrayLike, entered: ArrayLike | None = None, level: float = LEVEL
) -> CumulativeIncidence:
    """The Aalen-Johansen estimate for competing causes: ``events`` is causes x times (K x T), the rest as above.

    With one cause it is one minus the Kaplan-Meier curve, bounds included.

    Sources: O. O. Aalen, S. Johansen, Scandinavian Journal of Statistics 5 (1978) 141-150; variance: E. Marubini,
    M. G. Valsecchi, "Analysing Survival Data from Clinical Trials and Observational Studies" (1995) 10.2.

    Raises:
        ValueError: as :func:`survival`.
    """
    spans, counts = _times(times), _counts(events, 2)
    return aalen_johansen(spans, counts, _at_risk(spans, counts.sum(axis=0), censored, entered), level)


def aalen_johansen(
    times: ArrayLike, events: ArrayLike, at_risk: ArrayLike, level: float = LEVEL
) -> CumulativeIncidence:
    """As :func:`cumulative_incidence`, from the number at risk at each time (T).

    Raises:
        ValueError: as :func:`survival`.
    """
    counts = _counts(events, 2)
    spans, total, risk = _checked(times, counts.sum(axis=0), at_risk)
    safe = _divisor(risk)
    remaining: Floats = np.multiply.accumulate(1 - total / safe)
    before = np.concatenate(([1.0], remaining[:-1]))
    incidence: Floats = np.cumsum(before * counts / safe, axis=1)
    hazard = _greenwood(total, risk)
    own, mixed = before**2 * counts * (safe - counts) / safe**3, before * counts / safe**2
    # Sums over the past of (F(t) - F(s)) and its square, multiplied out, so that one pass serves all t.
    variance = (
        incidence**2 * np.cumsum(hazard) - 2 * incidence * np.cumsum(incidence * hazard, axis=1)
        + np.cumsum(incidence**2 * hazard, axis=1) + np.cumsum(own, axis=1)
        - 2 * (incidence * np.cumsum(mixed, axis=1) - np.cumsum(incidence * mixed, axis=1))
    )
    upper, lower = (1 - bound for bound in _log_log(1 - incidence, np.maximum(variance, 0), level))
    return CumulativeIncidence(spans, risk, remaining, incidence, variance, lower, upper)


def _log_log(curve: Floats, variance: Floats, level: float) -> tuple[Floats, Floats]:
    inside = (curve > _ROUNDING) & (curve < 1 - _ROUNDING) & (variance > 0)
    safe = np.where(inside, curve, 0.5)
    reach = _z(level) * np.sqrt(np.where(inside, variance, 1.0)) / (safe * -np.log(safe))
    # Where hardly anyone is left the reach has no limit; e to the 50th is as good as infinity.
    lower, upper = (np.where(inside, safe ** np.exp(np.clip(sign * reach, -50, 50)), np.nan) for sign in (1, -1))
    return lower, upper


def _greenwood(events: Floats, at_risk: Floats) -> Floats:
    """Variance that each time adds to the logarithm of the curve; 0 where all end, after which nothing is left."""
    left = at_risk - events
    some = left > _ROUNDING
    return np.where(some, events / np.where(some, at_risk * left, 1.0), 0.0)


def _at_risk(times: Floats, ended: Floats, censored: ArrayLike, entered: ArrayLike | None) -> Floats:
    lost = _counts(censored, 1)
    came = np.zeros_like(times) if entered is None else _counts(entered, 1)
    if not ended.shape == lost.shape == came.shape == times.shape:
        raise ValueError("there must be one count for each time")
    change = np.concatenate(([ended.sum() + lost.sum() - came.sum()], (came - ended - lost)[:-1]))
    return np.cumsum(change)


def _checked(times: ArrayLike, events: Floats, at_risk: ArrayLike) -> tuple[Floats, Floats, Floats]:
    spans, risk = _times(times), np.asarray(at_risk, np.float64)
    if not spans.shape == events.shape == risk.shape:
        raise ValueError("there must be one count for each time")
    if not np.all(np.isfinite(risk)) or np.any(risk < events - _ROUNDING):
        raise ValueError("more end at a time than are at risk")
    return spans, events, risk


def _place(times: Floats, at_risk: Floats, curve: Floats, time: float) -> int | None:
    """Index of the last time up to ``time``, -1 before the first; None when the curve does not reach so far."""
    if math.isnan(time):
        raise ValueError("a time must be a number")
    known = np.flatnonzero(at_risk > _ROUNDING)
    if known.size == 0 or (time > times[known[-1]] and curve[known[-1]] > _ROUNDING):
        return None
    return int(np.searchsorted(times, time, "right")) - 1


def _times(values: ArrayLike) -> Floats:
    times = np.asarray(values, np.float64)
    if times.ndim != 1 or not np.all(np.isfinite(times)) or np.any(times < 0) or np.any(np.diff(times) <= 0):
        raise ValueError("times must be of one dimension, finite, not negative and ascending")
    return times


def _counts(values: ArrayLike, dimensions: int) -> Floats:
    counts = np.asarray(values, np.float64)
    if counts.ndim != dimensions or not np.all(np.isfinite(counts)) or np.any(counts < 0):
        raise ValueError(f"expected {dimensions} dimension(s) of finite counts that are not negative")
    return counts


def _divisor(at_risk: Floats) -> Floats:
    # Where nobody is at risk nobody ends.
    return np.where(at_risk > _ROUNDING, at_risk, 1.0)


def _z(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    return float(ndtri((1 + level) / 2))
