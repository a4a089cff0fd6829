"""The last hours of every series, moment by moment, and what is kept of them around the beginning of alerts."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.backtest.course import Course, Single
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.verdicts import Floats, Verdicts

CLOSE = 6 * 3_600.0
"""Seconds before and after the beginning of an alert."""
_PARTS = 4


class Recent:
    """A ring of moments ``step`` seconds apart, over series by place. Not for concurrent use."""

    def __init__(self, step: float) -> None:
        self._step, self._length = step, round(CLOSE / step)
        self._ring = np.full((self._length + 1, _PARTS, 0), np.nan, np.float32)
        self._turn = -1
        self._at = 0.0
        self._followed: dict[Hashable, tuple[int, float, list[Single]]] = {}
        self._open: set[Hashable] = set()

    def take(self, at: float, places: NDArray[np.intp], count: int, values: Floats, verdicts: Verdicts) -> None:
        """One moment of the series at these places, of ``count`` in all."""
        missing = count - self._ring.shape[2]
        if missing > 0:
            room = np.full((self._length + 1, _PARTS, max(missing, self._ring.shape[2])), np.nan, np.float32)
            self._ring = np.concatenate((self._ring, room), axis=2)
        self._turn, self._at = (self._turn + 1) % (self._length + 1), at
        now = self._ring[self._turn]
        now[:] = np.nan
        now[:, places] = values, verdicts.expected, verdicts.lower, verdicts.upper
        for key in list(self._open):
            place, _, moments = self._followed[key]
            moments.append(now[:, place].copy())
            if len(moments) > 2 * self._length:
                self._open.remove(key)

    def follow(self, key: Hashable, place: int) -> None:
        """Keep the hours before the moment that was taken last, and those to come, of the series at a place."""
        order = np.arange(self._turn - self._length, self._turn + 1) % (self._length + 1)
        before = [self._ring[turn, :, place].copy() for turn in order.tolist()]
        self._followed[key] = place, self._at - self._length * self._step, before
        self._open.add(key)

    def close(self, key: Hashable, series: SeriesId) -> Course | None:
        """What was kept under a key, if anything was."""
        if key not in self._followed:
            return None
        _, start, moments = self._followed[key]
        value, expected, lower, upper = np.array(moments).T
        return Course(series, start, self._step, value, value, expected, lower, upper)
