"""The strongest look of each series and day, pooled: what a quiet fleet shows, from which its threshold comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.fleet.kinds import compare
from sales_exporter.sidecar.verdicts import Floats
from sales_exporter.stats.pooled_tail import Tail, fit

Flags = NDArray[np.bool_]
Slots = NDArray[np.int64]

DAY, WEEK = 86_400.0, 7.0
"""Seconds of a day, days of a week."""
DAYS = 56
"""Days that are remembered."""
KEPT = 512
"""Of the maxima of one day, so many are kept, the strongest."""
ROOTS, TIMES = 2.0, 2.0
"""Of so many days of series, twice the root are taken for tail, the strongest: near what is asked for, and many enough
that incidents are few of them; more if the budget expects more than half as many."""
SHARE = 0.15
"""At most this share of all days is taken for tail."""
SPARSE = 100
"""Days of series below which the level where the tail begins comes from what p promises."""
GAIN, OFTEN, LARGEST_HANDICAP = 0.3, 0.05, 4.0
"""The handicap grows by the gain with each day beyond what the fleet goes beyond on this share of its days, and falls
so that a series which is there that often has none."""
RECENT, FEW = 14, 10.0
"""Days whose pace is that of the days to come, and the passes that the usual pace is worth beside theirs: detectors
grow bolder with their past."""
AIM = 0.7
"""Of the budget, what is aimed at: it is a promise of at most. Of few weeks even less, as weeks differ."""
_NOTHING = -np.inf
_FRESH = {"strongest": _NOTHING, "looks": 0.0, "handicap": 0.0, "ran": 0.0}
"""Of each slot: the strongest look of the day, how many there were, its handicap, and whether it was odd yesterday."""
_RING: dict[str, tuple[tuple[int, ...], float]] = {
    "day": ((DAYS,), -1.0), "blocks": ((DAYS,), 0.0), "maxima": ((DAYS, KEPT), _NOTHING),
    "owner": ((DAYS, KEPT), -1.0), "kind": ((DAYS, KEPT), -1.0),
}
"""Of each day: its number, how many groups it had, and of their strongest looks the strength, the slot and the kind."""


class Pool:
    """Maxima by day, the strongest kept, and what single slots are too often. ``step`` is that of the updates."""

    def __init__(self, step: float) -> None:
        self._per_day = max(DAY / step, 1.0)
        self._today, self._ticks, self._span = -1.0, 0.0, (np.inf, -np.inf)
        self._kinds = np.zeros(0, np.int64)
        self._slots = {name: np.zeros(0) for name in _FRESH}
        self._ring = {name: np.full(shape, value) for name, (shape, value) in _RING.items()}
        self._tail: Tail | None = None
        self._digest()

    @property
    def handicaps(self) -> Floats:
        """By slot."""
        return self._slots["handicap"]

    def admit(self, kinds: Slots) -> None:
        """Add slots at the end, of these kinds."""
        self._kinds = np.append(self._kinds, kinds)
        self._slots = {name: np.append(values, np.full(kinds.size, _FRESH[name]))
                       for name, values in self._slots.items()}

    def keep(self, which: Flags) -> None:
        """Drop the slots that are not marked. What they have shown stays in the pool."""
        place = np.append(np.where(which, np.cumsum(which) - 1.0, -1.0), -1.0)
        self._ring["owner"] = place[self._ring["owner"].astype(np.int64)]
        self._kinds = self._kinds[which]
        self._slots = {name: values[which] for name, values in self._slots.items()}

    def measured(self, raw: Floats) -> Floats:
        """Strengths of the slots in the common measure, less their handicaps."""
        return self._measure.of(raw - self.handicaps, self._kinds)

    def strengths(self, level: float) -> Floats:
        """The strength that each slot must have to reach a level."""
        return self._measure.strength(level, self._kinds) + self.handicaps

    def take(self, at: float, raw: Floats, known: Flags) -> None:
        """Take one look at each slot in; strengths before handicaps."""
        self._ticks += 1
        self._span = min(self._span[0], at), max(self._span[1], at)
        np.maximum(self._slots["strongest"], raw, out=self._slots["strongest"], where=known)
        self._slots["looks"] += known

    def roll(self, at: float, group_of: Slots) -> bool:
        """Close the day if this moment is of another one. True when the pool has changed.

        ``group_of`` numbers the group of each slot from 0: the strongest of a group is the group's.
        """
        today = at // DAY
        if today == self._today:
            return False
        closed = self._today >= 0 and self._close(group_of)
        self._today, self._ticks, self._span = today, 0.0, (np.inf, -np.inf)
        return closed

    def level_of(self, per_week: float, groups: int) -> float:
        """The strength that so many of this many groups go beyond in a week."""
        if groups == 0:
            return np.inf
        weeks = max(self._known, 1) / WEEK
        share = min(AIM * weeks / (weeks + 1) * per_week / (groups * WEEK), 1.0)
        self._tail = self._fitted(share)
        return self._tail.level_of(share)

    def chance(self, strength: float, groups: int) -> float:
        """That any of the groups goes beyond it in a day, after ``level_of``; not below what the days known support."""
        expected = groups * self._tail.beyond(strength) if self._tail is not None else np.inf
        return float(max(-np.expm1(-expected), 1.0 / (1.0 + self._known)))

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Everything needed to go on."""
        return {"pool_today": np.array([self._today, self._ticks, *self._span]), "pool_kinds": self._kinds.copy(),
                **{f"pool_{name}": values.copy() for name, values in (*self._slots.items(), *self._ring.items())}}

    def restore(self, state: Mapping[str, NDArray[Any]], size: int) -> None:
        """Go on from such a state of so many slots.

        Raises:
            ValueError: it is none.
        """
        try:
            today, ticks, first, last = state["pool_today"].tolist()
            kinds = np.array(state["pool_kinds"], np.int64)
            slots = {name: np.array(state[f"pool_{name}"], float) for name in _FRESH}
            ring = {name: np.array(state[f"pool_{name}"], float) for name in _RING}
        except (KeyError, ValueError):
            raise ValueError("no state of a pool") from None
        fits = all(ring[name].shape == shape for name, (shape, _) in _RING.items())
        if not fits or any(values.shape != (size,) for values in (kinds, *slots.values())):
            raise ValueError("a state of a pool with other sizes")
        self._today, self._ticks, self._span = today, ticks, (first, last)
        self._kinds, self._slots, self._ring = kinds, slots, ring
        self._digest()

    def _close(self, group_of: Slots) -> bool:
        """File the day's maxima. A day that was looked at for less than half of it is none, and likewise for a slot."""
        slots = self._slots
        there = (slots["looks"] >= self._ticks / 2) & (self._span[1] - self._span[0] >= DAY / 2)
        whole = np.flatnonzero(there)
        strongest, measured = slots["strongest"] - slots["handicap"], self.measured(slots["strongest"])
        # What goes on from the day before is the same event, not another one.
        odd = measured > self._odd
        fresh = whole[~(odd & (slots["ran"] > 0))[whole]]
        slots["ran"] = np.where(there, odd, 0.0)
        slots["strongest"], slots["looks"] = np.full(odd.size, _NOTHING), np.zeros(odd.size)
        if not fresh.size:
            return False
        handicaps = slots["handicap"][fresh] + GAIN * (odd[fresh] - OFTEN)
        slots["handicap"][fresh] = np.clip(handicaps, 0, LARGEST_HANDICAP)
        ordered = fresh[np.argsort(-measured[fresh], kind="stable")]
        _, first = np.unique(group_of[ordered], return_index=True)
        self._file(ordered[np.sort(first)], strongest)
        self._digest()
        return True

    def _file(self, chosen: Slots, strongest: Floats) -> None:
        row, ring = int(self._today) % DAYS, self._ring
        for name, (_, value) in _RING.items():
            ring[name][row] = value
        ring["day"][row], ring["blocks"][row] = self._today, chosen.size
        chosen = chosen[:KEPT]
        for name, values in (("maxima", strongest), ("owner", np.arange(strongest.size)), ("kind", self._kinds)):
            ring[name][row, : chosen.size] = values[chosen]

    def _digest(self) -> None:
        """What follows from the days."""
        ring = self._ring
        held, there = ring["day"] >= 0, np.isfinite(ring["maxima"])
        blocks = float(ring["blocks"].sum())
        kinds = ring["kind"].astype(np.int64)
        self._known = int(np.count_nonzero(held))
        self._measure = compare(ring["maxima"][there], kinds[there], self._kinds, int(2 * ROOTS * blocks**0.5))
        pooled = np.where(there, self._measure.of(ring["maxima"].ravel(), kinds.ravel()).reshape(there.shape), _NOTHING)
        self._pooled, self._blocks = -np.sort(-pooled[held], axis=1), ring["blocks"][held]
        self._recent = ring["day"][held] > ring["day"].max() - RECENT
        often = int(np.ceil(OFTEN * blocks))
        self._odd = float(np.sort(self._pooled, axis=None)[-often]) if 0 < often < self._pooled.size else np.inf
        self._tail = None

    def _fitted(self, share: float) -> Tail:
        blocks = float(self._blocks.sum())
        # What p promises: this many looks a day, of which the strongest is beyond the level on a share of days.
        level = float(np.log(self._per_day / SHARE))
        if blocks >= SPARSE:
            count = int(min(max(TIMES * share * blocks, ROOTS * blocks**0.5), SHARE * blocks))
            # Below the last that was kept of a day, the day's maxima are not all known.
            level = max(float(np.sort(self._pooled, axis=None)[-count - 1]), float(self._pooled[:, -1].max()))
        return fit(self._pooled[np.isfinite(self._pooled)], blocks, level, SHARE, self._pace(level))

    def _pace(self, level: float) -> float:
        """How much more often than on all days the level was passed on the last ones."""
        beyond, total = (self._pooled > level).sum(axis=1), float(self._blocks.sum())
        if total == 0:
            return 1.0
        usual = beyond.sum() * self._blocks[self._recent].sum() / total
        return float((beyond[self._recent].sum() + FEW) / (usual + FEW))

