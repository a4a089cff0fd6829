"""What a series usually is at this time of this kind of day, and by how much it usually differs from that."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.detectors.pace import DAY, Reals, Tick
from sales_exporter.sidecar.detectors.slots import Slots

SLOTS = 96
"""Of a day: a quarter of an hour each."""
SMOOTHING = ((-2, 0.25), (-1, 0.5), (0, 1.0), (1, 0.5), (2, 0.25))
"""Neighbours that a slot is read with, within half an hour, and their weights."""
_OFFSETS = np.array([offset for offset, _ in SMOOTHING])
_WEIGHTS = np.array([[weight] for _, weight in SMOOTHING], np.float32)
ALL_DAYS, WEEKDAY, WEEKEND = 0, 1, 2
DAYS_KEPT = 20.0
"""A slot's value is a mean over that many of its last days: four weeks of weekdays."""
LEVEL_MEMORY, RECENT_MEMORY, ERROR_MEMORY, REACH_MEMORY = 2 * DAY, DAY / 4, 3 * DAY, 28 * DAY
LEAST_OF_REACH = 0.02
CLIP = 4.0
"""In usual deviations: what lies beyond moves what is usual only that far."""
NEVER, NOW, BEFORE = 0, 1, 2
"""Whether a series has had a weekend."""
SETTLING = 30
"""Samples before anything is clipped."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What one moment should bring."""

    value: Reals
    scale: Reals
    """Usual deviation at this time of day, never below the least change that matters."""
    spread: Reals
    """The same over all times of day."""
    recent: Reals
    """The level of the last hours alone."""
    middle: Reals
    """The mean of weeks."""
    reach: Reals
    """The mean distance from it: it hardly moves, so that a spike of today compares to one of last week."""
    least: Reals
    """The least change that matters."""
    guesses: Reals
    """By recent level, by time of day, by time of this kind of day (3, n)."""
    unknown: NDArray[np.bool_]
    """It is the first weekend of the series, its first weekday, or a time of this kind of day that it never had."""
    place: tuple[Any, Any, Any]
    """Kind of day, slot of the day and series: where in the profile this moment is."""


class Rhythm(Slots):
    """A profile by kind of day and time of day on a level that moves, against the level of the last hours alone.

    The guesses are mixed by how well each did of late, so a series without rhythm has none imputed.
    """

    def __init__(self, least_change: float, holidays: Collection[date], size: int = 0) -> None:
        number = ((), 0.0, np.float32)
        super().__init__({
            "profile": ((3, SLOTS), 0.0, np.float32), "days": ((3, SLOTS), 0.0, np.float32),
            "deviation": ((SLOTS,), 0.0, np.float32), "deviation_days": ((SLOTS,), 0.0, np.float32),
            "level": number, "recent": number, "spread": number, "size": number, "middle": number, "reach": number,
            "errors": ((3,), 1.0, np.float32), "weekdays": number, "weekend": ((), NEVER, np.uint8),
        }, size)
        self._least_change = least_change
        self._holidays = np.array(sorted(one.toordinal() - date(1970, 1, 1).toordinal() for one in holidays), np.int64)

    def expect(self, tick: Tick, values: Reals) -> Expected:
        """Of this moment; a series that begins expects its first value."""
        for name in ("level", "recent", "middle"):
            np.copyto(self[name], values, where=tick.fresh)
        kind, slot, series = place = self._place(tick.at)
        guesses = np.empty((3, self.size), np.float32)
        guesses[0] = self["recent"]
        daily, known_daily = self._read(ALL_DAYS, slot, series)
        own, known = self._read(kind, slot, series)
        daily = np.where(known_daily > 0, daily, 0)
        guesses[1] = self["level"] + daily
        guesses[2] = self["level"] + np.where(known > 0, own, daily)
        errors = self["errors"]
        weights = np.square(np.square((errors.min(axis=0) + 1e-30) / (errors + 1e-30)))
        value = (weights * guesses).sum(axis=0) / weights.sum(axis=0)
        least = self._least_change * np.maximum(np.abs(value), self["size"]) + 1e-9
        days = self["deviation_days"][slot, series]
        spread = 1.25 * self["spread"]
        scale = (1.25 * days * self["deviation"][slot, series] + spread) / (days + 1)
        rough = LEAST_OF_REACH * self["reach"] + least
        scale = np.hypot(np.maximum(scale, 0.3 * spread), rough)
        rhythmic = errors[1:].min(axis=0) < 0.8 * errors[0]
        return Expected(value, scale, spread + rough, self["recent"].copy(), self["middle"].copy(),
                        self["reach"] + least, least, guesses, self._unknown(kind) | (rhythmic & (known <= 0)), place)

    def _unknown(self, kind: Any) -> NDArray[np.bool_]:
        return np.where(np.equal(kind, WEEKEND), self["weekend"] < BEFORE, self["weekdays"] < 1)

    def learn(self, tick: Tick, values: Reals, expected: Expected) -> None:
        """Take a sample in; ``values`` are as expected where none was seen."""
        settled = tick.number > SETTLING
        off = values - expected.value
        off = np.where(settled, np.clip(off, -CLIP * expected.scale, CLIP * expected.scale), off)
        young = np.where(tick.number < 20, 1 / (tick.number + 1), 0) * tick.seen
        self["level"][:] += np.maximum(tick.steady_gain(LEVEL_MEMORY), young) * off
        since = values - self["recent"]
        limit = 6 * expected.spread
        self["recent"][:] += tick.gain(RECENT_MEMORY) * np.where(settled, np.clip(since, -limit, limit), since)
        self["size"][:] += np.maximum(1 / (tick.number + 1), 0.001) * tick.seen * (np.abs(values) - self["size"])
        since, slow = values - self["middle"], tick.gain(REACH_MEMORY)
        self["middle"][:] += slow * since
        self["reach"][:] += slow * (np.abs(since) - self["reach"])
        self._learn_profile(tick, values, expected, settled)
        gain, spread = tick.gain(ERROR_MEMORY), self["spread"]
        spread += gain * (np.abs(off) - spread)
        wrong = np.abs(values - expected.guesses)
        wrong = np.where(settled, np.minimum(wrong, 32 * np.maximum(spread, 1e-12)), wrong)
        self["errors"][:] += gain * (wrong - self["errors"])

    def _learn_profile(self, tick: Tick, values: Reals, expected: Expected, settled: NDArray[np.bool_]) -> None:
        kind, slot, series = expected.place
        weight = np.minimum(tick.cadence / (DAY / SLOTS), 1) * tick.seen
        free = np.equal(kind, WEEKEND)
        self["weekdays"][:] += ~free * tick.elapsed / DAY
        weekend = self["weekend"]
        np.copyto(weekend, np.where(free, np.maximum(weekend, NOW), np.where(weekend == NOW, BEFORE, weekend)),
                  where=tick.seen, casting="unsafe")
        reach = CLIP * expected.scale
        for which in (ALL_DAYS, kind):
            days, profile = self["days"][which, slot, series], self["profile"][which, slot, series]
            off = values - self["level"] - profile
            off = np.where((days > 1.5) & settled, np.clip(off, -reach, reach), off)
            self["profile"][which, slot, series] = profile + off * weight / np.maximum(days + weight, 1e-9)
            self["days"][which, slot, series] = np.minimum(days + weight, DAYS_KEPT)
        # Deviations from a profile of less than half a day are those of a guess.
        weight = weight * (self["days"][ALL_DAYS, slot, series] - weight > 0.5)
        days, deviation = self["deviation_days"][slot, series], self["deviation"][slot, series]
        off = np.minimum(np.abs(values - expected.value), reach)
        self["deviation"][slot, series] = deviation + (off - deviation) * weight / np.maximum(days + weight, 1e-9)
        self["deviation_days"][slot, series] = np.minimum(days + weight, DAYS_KEPT)

    def _place(self, at: NDArray[np.float64]) -> tuple[Any, Any, Any]:
        day = np.floor(at / DAY).astype(np.int64)
        slot = np.floor(at / (DAY / SLOTS)).astype(np.int64) % SLOTS
        # The epoch began on a Thursday.
        free = ((day + 3) % 7 >= 5) | np.isin(day, self._holidays)
        kind = np.where(free, WEEKEND, WEEKDAY)
        return (kind, slot, np.arange(self.size)) if at.ndim else (int(kind), int(slot), slice(None))

    def _read(self, kind: Any, slot: Any, series: Any) -> tuple[Reals, Reals]:
        """The profile with its neighbours, and the days behind it."""
        beside = np.add.outer(_OFFSETS, slot) % SLOTS
        days = self["days"][kind, beside, series] * _WEIGHTS
        total = np.einsum("on,on->n", days, self["profile"][kind, beside, series])
        known = days.sum(axis=0)
        return total / np.maximum(known, 1e-9), known
