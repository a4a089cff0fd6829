"""Verdicts as a detector might give them, with p that are not worth what they say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.fleet.budget import Alarms, Budget
from sales_exporter.sidecar.verdicts import NONE, Floats, Verdicts
from sales_exporter.stats.special import ndtr

STEP = 3_600.0
DAY = 86_400.0
WEEK = 7 * DAY


def verdicts(p: Floats | list[float]) -> Verdicts:
    """Verdicts with these p; nothing can be said where it is NaN."""
    given = np.asarray(p, float)
    nothing = np.full(given.size, np.nan)
    channel = np.where(np.isnan(given), NONE, 0).astype(np.int8)
    return Verdicts(np.zeros(given.size), np.nan_to_num(given, nan=1.0), nothing, nothing, nothing, nothing, channel)


def quiet(size: int, seed: int, factor: float = 1.0) -> NDArray[np.float64]:
    """16 weeks of p, hour by hour (hours, size): autocorrelated, tails of different weight, off by a factor."""
    rng = np.random.default_rng(seed)
    rho, scale = rng.uniform(0.3, 0.9, size), np.exp(rng.normal(0, 0.12, size))
    off, state = np.log(factor) + rng.normal(0, 0.3, size), rng.standard_normal(size)
    found = np.empty((int(16 * WEEK / STEP), size))
    for row in found:
        state = rho * state + np.sqrt(1 - rho**2) * rng.standard_normal(size)
        row[:] = off - np.log(2 * ndtr(-np.abs(state))) * scale
    return np.exp(-np.clip(found, 0, 700))


def pages(budget: Budget, p: NDArray[np.float64], skip: float = 4 * WEEK) -> int:
    """Pages after the first ``skip`` seconds of a stream that begins at 0."""
    before, weights = 0, np.ones(p.shape[1])
    for hour, row in enumerate(p):
        budget.update(hour * STEP, verdicts(row), weights)
        if (hour + 1) * STEP == skip:
            before = budget.total
    return budget.total - before


def steady(size: int, per_week: float = 1.0, groups: list[int] | None = None, step: float = 60.0) -> Budget:
    """A budget with so many slots and no past."""
    budget = Budget(per_week, step)
    budget.admit(np.arange(size) if groups is None else np.array(groups))
    return budget


def tick(budget: Budget, at: float, *p: float) -> Alarms:
    """One update with weights of 1."""
    return budget.update(at, verdicts(list(p)), np.ones(len(p)))
