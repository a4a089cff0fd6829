"""How busy an invented installation is: the generator's week, holidays, and noise that lasts for a while. Invented."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from sales_exporter.demo.generator.season import CALL_HOURS, CALL_WEEKDAYS, profile
from sales_exporter.demo.history.faults import Floats

DAY, HOUR = 86_400.0, 3_600.0
NOISE = 0.10
"""Standard deviation of the logarithm of what the season does not explain."""
MEMORY = HOUR
"""Seconds after which a tenth of that noise is left, about two fifths of it after twenty minutes."""
HOLIDAY = 0.25
"""Rate on a holiday, of that of the weekday."""


def busy(when: Floats, rng: np.random.Generator, holidays: Collection[int] = ()) -> Floats:
    """The relative rate at evenly spaced moments; over an ordinary week its mean is about 1.

    A straight line between the rates of the hours, so that nothing jumps at a full hour, times log-normal noise of
    the first order. ``holidays`` are epoch days.
    """
    hours = np.arange(when[0] // HOUR - 1, when[-1] // HOUR + 2) * HOUR
    rates = profile(hours, CALL_WEEKDAYS, CALL_HOURS)
    rates = np.where(np.isin(hours // DAY, list(holidays)), HOLIDAY, 1.0) * rates
    return np.asarray(np.interp(when, hours + HOUR / 2, rates) * np.exp(lasting(when, rng, NOISE, MEMORY)))


def lasting(when: Floats, rng: np.random.Generator, sigma: float, memory: float) -> Floats:
    """Gaussian noise whose autocorrelation falls to a tenth within ``memory`` seconds."""
    step = float(when[1] - when[0]) if len(when) > 1 else memory
    kept = 0.1 ** (step / memory)
    found = np.empty(len(when))
    level = rng.normal(0, sigma)
    for place, shock in enumerate(rng.normal(0, sigma * np.sqrt(1 - kept**2), len(when)).tolist()):
        level = kept * level + shock
        found[place] = level
    return found
