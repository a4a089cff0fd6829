"""What is said of the drift of each model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.verdicts import Floats
from sales_exporter.stats.special import ndtri

FLOOR, BASELINE = KINDS = ("floor", "baseline")
"""Accuracy below what is asked of the model; accuracy below what it used to be."""
LEVEL = 0.95
REACH = float(ndtri((1 + LEVEL) / 2))


class Loss(NamedTuple):
    """A drop of accuracy, (streams,) each: from ``before`` to ``now``; NaN where nothing can be said.

    ``deviation`` is that of their difference, ``since`` the moment (epoch seconds) at which it began. All are means
    over the moments at which it may have begun.
    """

    before: Floats
    now: Floats
    deviation: Floats
    since: Floats

    @property
    def size(self) -> Floats:
        """Accuracy that was lost."""
        return self.before - self.now

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """Lower and upper 95 % bound of what was lost."""
        return self.size - REACH * self.deviation, self.size + REACH * self.deviation


class DriftReport(NamedTuple):
    """One row per stream; ``e``, ``active`` and ``began`` have a column for each of ``KINDS``, ``losses`` one entry.

    ``began`` is when drift was first said to be (epoch seconds), NaN where there is none.
    ``right`` and ``total`` are all settled decisions so far; ``volume`` decisions that settle in a month.
    """

    at: float
    e: Floats
    limit: float
    active: NDArray[np.bool_]
    began: Floats
    losses: tuple[Loss, Loss]
    volume: Floats
    right: Floats
    total: Floats

    @property
    def loss(self) -> Loss:
        """By stream: against the floor where that alone is missed, else against the baseline."""
        asked = self._asked
        return Loss(*(np.where(asked, floor, past) for floor, past in zip(*self.losses, strict=True)))

    def kind(self, row: int) -> str:
        """Which of ``KINDS`` the loss of a stream is told by."""
        return FLOOR if self._asked[row] else BASELINE

    @property
    def _asked(self) -> NDArray[np.bool_]:
        return np.asarray(self.active[:, 0] & ~self.active[:, 1])
