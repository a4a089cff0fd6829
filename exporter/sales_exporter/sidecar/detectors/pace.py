"""When samples come: the cadence of each series, learned, and what a moment means for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.detectors.slots import Slots

Reals = NDArray[np.floating]
DAY, WEEK = 86_400.0, 604_800.0
UNKNOWN = 60.0
"""Cadence of a series of which one sample was seen."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One moment, for every slot."""

    at: NDArray[np.float64]
    """Seconds of the epoch, in local time: one number, or one for each slot."""
    seen: NDArray[np.bool_]
    """A sample came, later than the last."""
    fresh: NDArray[np.bool_]
    """It is the first of its series."""
    gap: NDArray[np.bool_]
    """It comes after a gap."""
    early: NDArray[np.bool_]
    """It comes in less than half the cadence: bunched, or the cadence is changing."""
    elapsed: Reals
    """Seconds that it stands for: since the last sample, or twice the cadence after a gap; 0 where none was seen."""
    cadence: Reals
    span: Reals
    """Seconds that a sample stands for, never less than the cadence."""
    alike: bool
    """All were seen, for the same span, and as often before: what hangs on these is computed once."""
    number: Reals
    """Samples before this one."""
    age: Reals
    """Seconds since the first sample."""

    def gain(self, memory: float | Reals) -> Reals:
        """What a sample weighs in an average over ``memory`` seconds; a plain mean at first; 0 where none was seen.

        Several memories (m, 1) give a row each. Of series that are alike it is one number for all.
        """
        number = self.number[:1] if self.alike else self.number
        return np.asarray(np.maximum(self._weight(memory), 1 / (number + 1)) * self._counted)

    def steady_gain(self, memory: float | Reals) -> Reals:
        """The same, but from the first sample on as later."""
        return np.asarray(self._weight(memory) * self._counted)

    @property
    def _counted(self) -> NDArray[np.bool_]:
        return self.seen[:1] if self.alike else self.seen

    def _weight(self, memory: float | Reals) -> Reals:
        span = self.span[:1] if self.alike else self.span
        return np.asarray(1 - np.exp(span / -np.asarray(memory, np.float32)))


class Pace(Slots):
    """Turns moments into ticks."""

    def __init__(self, size: int = 0) -> None:
        super().__init__({"last": ((), -np.inf, np.float64), "first": ((), np.nan, np.float64),
                          "cadence": ((), np.nan, np.float32), "number": ((), 0, np.float32)}, size)

    def tick(self, at: NDArray[np.float64], values: Reals) -> Tick:
        """What the moment means; the sample is taken in as seen."""
        last, first, cadence = self["last"], self["first"], self["cadence"]
        seen = np.isfinite(values) & (at > last)
        fresh = seen & np.isinf(last)
        step = np.where(seen & ~fresh, at - np.where(fresh | ~seen, 0, last), 0).astype(np.float32)
        known = np.isfinite(cadence)
        # A tenth of the way in the logarithm: gaps and bunched samples move it little, a new cadence wins in an hour.
        ratio = np.clip(np.log(np.where(step > 0, step, 1) / np.where(known, cadence, 1)), -1, 1)
        moved = np.where(known, cadence * np.exp(0.1 * ratio), step)
        np.copyto(cadence, moved, where=step > 0, casting="same_kind")
        np.copyto(first, at, where=fresh)
        np.copyto(last, at, where=seen)
        number = self["number"].copy()
        self["number"][:] += seen
        pace = np.where(np.isnan(cadence), np.float32(UNKNOWN), cadence)
        age = np.where(np.isnan(first), 0, at - first)
        elapsed = np.minimum(step, 2 * pace)
        span = np.maximum(elapsed, pace)
        alike = bool(seen.all()) and all(bool((one == one[:1]).all()) for one in (span, number))
        gap, early = step > np.maximum(4 * pace, 1800), (step > 0) & (step < pace / 2)
        return Tick(at, seen, fresh, gap, early, elapsed, pace, span, alike, number, age)
