"""Joins what the cases behind ratios prove to what a detector says of their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.judging.cases import NO_NEWS, chance
from sales_exporter.sidecar.judging.shares import Shares
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.verdicts import NONE, Floats, Verdicts
from sales_exporter.sidecar.watches.watch import Watch

FIELDS = ("p", "expected", "lower", "upper", "effect", "channel")
_STATE = "shares_"


class Ratios:
    """The slots whose watch says over which time their cases are counted. Slots come at the end, and go in order."""

    def __init__(self, watches: Mapping[str, Watch], channels: int, shares: Shares) -> None:
        """``channels``: how many the detector has; those of cases come after them."""
        self._windows = {name: watch.window_seconds for name, watch in watches.items() if watch.window_seconds}
        self._channels, self._shares = channels, shares
        self._rows = np.zeros(0, np.intp)
        self._spans = np.zeros(0)

    def follow(self, kept: NDArray[np.bool_], ids: Sequence[SeriesId]) -> None:
        """Of the slots before, some stay; ``ids`` are the slots now."""
        self._shares.keep(kept[self._rows])
        self._set(ids)
        self._shares.admit(self._rows.size - self._shares.size)

    def joined(self, at: float, values: Floats, verdicts: Verdicts, cases: Floats | None) -> Verdicts:
        """Verdicts with the share of cases in them: the rarer of two views, counted twice because there are two."""
        if cases is None:
            return verdicts
        verdicts = _with_enough(values, verdicts, cases)
        rows = self._rows
        if not rows.size:
            return verdicts
        proof = self._shares.update(at, values[rows], cases[rows], self._spans)
        told = ~np.isnan(proof.expected) & (verdicts.channel[rows] != NONE)
        found = {name: getattr(verdicts, name).copy() for name in FIELDS}
        own = proof.p <= found["p"][rows]
        found["p"][rows] = np.where(told, np.minimum(2 * np.minimum(proof.p, found["p"][rows]), 1.0), found["p"][rows])
        found["channel"][rows] = np.where(told & own, self._channels + proof.channel, found["channel"][rows])
        for name in ("expected", "lower", "upper", "effect"):
            found[name][rows] = np.where(told, getattr(proof, name), found[name][rows])
        return replace(verdicts, **found)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to go on."""
        return {_STATE + name: array for name, array in self._shares.state().items()}

    def restore(self, state: Mapping[str, NDArray[np.generic]], ids: Sequence[SeriesId]) -> None:
        """Go on from such a state with these slots.

        Raises:
            ValueError: it is of others.
        """
        shares = self._shares.restored({name.removeprefix(_STATE): array for name, array in state.items()
                                        if name.startswith(_STATE)})
        if shares.size != sum(one.watch in self._windows for one in ids):
            raise ValueError("the state of shares is of other series")
        self._shares = shares
        self._set(ids)

    def _set(self, ids: Sequence[SeriesId]) -> None:
        spans = np.array([self._windows.get(one.watch, 0.0) for one in ids])
        self._rows = np.flatnonzero(spans)
        self._spans = spans[self._rows]


def _with_enough(values: Floats, verdicts: Verdicts, cases: Floats) -> Verdicts:
    """Verdicts without what is within the chance of few cases."""
    counted = np.flatnonzero(~np.isnan(cases))
    if not counted.size:
        return verdicts
    few = counted[chance(values[counted], verdicts.expected[counted], cases[counted]) > NO_NEWS]
    p = verdicts.p.copy()
    p[few] = 1.0
    return replace(verdicts, p=p)
