"""One alert for one event: what follows an onset counts only when it is clearly odder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.detectors.pace import DAY, Reals, Tick
from sales_exporter.sidecar.detectors.slots import Slots


class Onset(Slots):
    """A level that rises above each onset and sinks with time; only what beats it is an onset."""

    def __init__(self, margin: float, half_life: float, alarm: float, size: int = 0, *, samples: float = 0.0) -> None:
        """``margin`` above an onset, in powers of ten of rarity; it halves in ``half_life`` days.

        ``samples``: nor does it halve before so many samples, however rare they are.

        ``alarm``: the rarity that is told of. Nothing below it holds such a one back: nobody heard of that yet.
        """
        super().__init__({"level": ((), -np.inf, np.float32), "at": ((), 0.0, np.float64)}, size)
        self._margin, self._half_life, self._samples = margin, half_life * DAY, samples
        self._below = np.nextafter(np.float32(alarm), np.float32(-np.inf))

    def passes(self, tick: Tick, rarity: Reals) -> NDArray[np.bool_]:
        """Which slots have an onset now. What is not rare at all is none."""
        level, at = self["level"], self["at"]
        passed = np.where(tick.seen, tick.at - at, 0)
        level *= np.where(level > 0, np.exp2(-passed / np.maximum(self._half_life, self._samples * tick.cadence)), 1)
        np.copyto(at, tick.at, where=tick.seen)
        on = tick.seen & (rarity > level)
        # In the precision of the level: a rarity that rounds to the alarm is one.
        rarity = np.asarray(rarity, np.float32)
        raised = rarity + np.float32(self._margin)
        np.copyto(level, np.where(rarity > self._below, raised, np.minimum(raised, self._below)), where=on)
        return np.asarray(on)
