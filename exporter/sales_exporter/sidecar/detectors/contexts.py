"""Whether a series ever did this just after what it did before: sequences, where channels see sizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.detectors.pace import Reals, Tick
from sales_exporter.sidecar.detectors.slots import Slots

STEP = 3.5
"""Width of a level, in usual deviations, bent: most samples differ only by the side that they lie on."""
LEVELS = 8


class Contexts(Slots):
    """Which coarse level ever came after which, a bit for each pair: the shortest of the contexts of CAD OSE.

    Longer ones, up to the last six levels, found no more. Source: M. Smirnov, Contextual Anomaly Detector OSE (2016).
    """

    def __init__(self, size: int = 0) -> None:
        super().__init__({"met": ((LEVELS,), 0, np.uint8), "level": ((), LEVELS // 2, np.uint8)}, size)

    def new(self, tick: Tick, deviations: Reals) -> NDArray[np.bool_]:
        """Whether this sample (n) came from its last as none did before; it is taken in. Not where none was seen."""
        last, met, series = self["level"], self["met"], np.arange(self.size)
        level = np.clip(np.floor(deviations / STEP) + LEVELS // 2, 0, LEVELS - 1).astype(np.uint8)
        row, bit = met[last, series], np.left_shift(np.uint8(1), level)
        new = tick.seen & ((row & bit) == 0)
        met[last, series] = np.where(tick.seen, row | bit, row)
        np.copyto(last, level, where=tick.seen)
        return np.asarray(new)
