"""The many ways to look at a series: how odd each channel finds this moment, in a unit of its own."""

from __future__ import annotations

import numpy as np

from sales_exporter.sidecar.detectors.pace import DAY, Reals, Tick
from sales_exporter.sidecar.detectors.rhythm import Expected
from sales_exporter.sidecar.detectors.slots import Slots

MEANS = {"15 min mean": 450.0, "1 h mean": 1_800.0, "4 h mean": 7_200.0, "1 day mean": 43_200.0}
"""Memory of the moving averages: half the window that a plain mean of the same variance has."""
NEAR = {"30 min": 900.0, "4 h": 7_200.0}
"""Memory of the means in the unit of the series itself."""
SHAKES = {"1 h": 3_600.0, "4 h": 14_400.0}
CHANNELS = (
    "record high", "record low", "record rise", "record fall",
    *(f"record {name} mean {side}" for name in NEAR for side in ("high", "low")), "sample high", "sample low",
    *(f"{name} {side}" for name in MEANS for side in ("high", "low")),
    *(f"{way} over {name}" for name in SHAKES for way in ("restless", "calm")),
    "frozen", "creeping up", "creeping down",
)
_WEIGHT = {"record": 0.8, "frozen": 0.5, "creeping": 0.1}
WEIGHTS = np.array([_WEIGHT.get(name.split()[0], 1.0) for name in CHANNELS], np.float32)[:, None]
"""What each channel counts for: less where others see the same."""
RECORDS = np.array([name.startswith("record") for name in CHANNELS])
FLEETING = np.array([name.startswith(("record high", "record low", "record rise", "record fall", "sample", "restless",
                                      "calm", "frozen")) for name in CHANNELS])
"""What single samples show: of means of a quarter of an hour it is another thing than of samples of a minute."""
STILLNESS = np.array([name.startswith(("calm", "frozen")) for name in CHANNELS])
"""Channels for which the lack of a change is news."""
BEND = 4.0
"""Deviations up to here count as they are, beyond by their logarithm: whole orders of magnitude stay comparable."""
FIRST_LOW = 3.0
"""A low sample counts in full from its second on, when samples are frequent: a restart leaves one without meaning."""
FREQUENT = 900.0
YOUNG = DAY / 2
_MEANS, _NEAR, _SHAKES = (np.array([*one.values()], np.float32)[:, None] for one in (MEANS, NEAR, SHAKES))
MEAN_ROWS = [CHANNELS.index(f"{name} high") for name in MEANS]
AFTER_A_GAP = [row for row, name in enumerate(CHANNELS) if name.endswith((" rise", " fall"))]


def bent(deviations: Reals) -> Reals:
    """Deviations, bent so that channels of spiky series keep telling a large spike from a huge one."""
    # So far that its square is still a number.
    size = np.minimum(np.abs(deviations) / BEND, np.float32(1e18))
    # The inverse hyperbolic sine, by functions that numpy has in vector form.
    return np.asarray(np.copysign(BEND * np.log(size + np.sqrt(size * size + 1)), deviations))


class Views(Slots):
    """Channels of each series, recursive: what is remembered does not grow with their windows."""

    def __init__(self, size: int = 0) -> None:
        number = ((), 0.0, np.float32)
        super().__init__({
            "mean": ((len(MEANS),), 0.0, np.float32), "mean_weight": ((len(MEANS),), 0.0, np.float32),
            "near": ((len(NEAR),), 0.0, np.float32),
            "shake": ((len(SHAKES),), 0.0, np.float32), "value": number, "frozen": number,
            "up": number, "down": number, "sample": number, "step": ((), np.inf, np.float32),
        }, size)

    @property
    def step(self) -> Reals:
        """Smallest change between two samples so far: 1 of a count, next to nothing of other series."""
        return np.where(np.isfinite(self["step"]), self["step"], 0)

    def look(self, tick: Tick, values: Reals, expected: Expected) -> Reals:
        """All channels (c, n); ``-inf`` where one cannot tell. ``values`` are as expected where no sample was seen."""
        for name in ("value", "near"):
            np.copyto(self[name], values, where=tick.fresh)
        found = np.empty((len(CHANNELS), self.size), np.float32)
        sample, values = self._steady(tick, values, bent((values - expected.value) / expected.scale))
        # In units of the series itself: a unit that moves would make old records and new ones incomparable.
        change = values - self["value"]
        found[0], found[1], found[2], found[3] = values, -values, change, -change
        near = self["near"]
        near += np.where(tick.gap, 1, tick.steady_gain(_NEAR)) * (values - near)
        rows = iter(range(4, len(CHANNELS)))
        # Both sides of each, in the order of the channels.
        pairs = (*near, sample, *self._means(tick, sample), *self._shakes(tick, change, expected))
        for side in pairs:
            found[next(rows)], found[next(rows)] = side, -side
        still = (values == self["value"]) & ~tick.gap
        np.copyto(self["frozen"], np.where(still, self["frozen"] + tick.elapsed, 0), where=tick.seen)
        found[next(rows)] = BEND * np.log(1 + self["frozen"])
        found[next(rows):] = self._creep(sample, tick)
        moved = (change != 0) & ~tick.gap & tick.seen
        np.copyto(self["step"], np.minimum(self["step"], np.abs(change)), where=moved)
        np.copyto(self["value"], values, where=tick.seen, casting="same_kind")
        self._hide(found, tick)
        return found

    def _hide(self, found: Reals, tick: Tick) -> None:
        """Channels that cannot tell yet, or not after a gap."""
        unseen = ~tick.seen | (tick.age <= YOUNG)
        if unseen.any():
            found[:, unseen] = -np.inf
        if tick.gap.any():
            for row in AFTER_A_GAP:
                found[row, tick.gap] = -np.inf
        if self["mean_weight"].min(initial=1) <= 0.5:
            for row, weight in zip(MEAN_ROWS, self["mean_weight"], strict=True):
                found[row:row + 2, weight <= 0.5] = -np.inf

    def _steady(self, tick: Tick, values: Reals, deviations: Reals) -> tuple[Reals, Reals]:
        """Deviations and values, those of a first low sample held back."""
        last = self["sample"]
        first = (tick.cadence < FREQUENT) & (deviations < -FIRST_LOW) & (last > -FIRST_LOW)
        held = np.where(first, -FIRST_LOW, deviations), np.where(first, self["value"], values)
        np.copyto(last, deviations, where=tick.seen, casting="same_kind")
        return held

    def _means(self, tick: Tick, sample: Reals) -> Reals:
        weight, mean = self["mean_weight"], self["mean"]
        if tick.gap.any():
            weight[:, tick.gap], mean[:, tick.gap] = 0, 0
        gain = tick.steady_gain(_MEANS)
        weight += gain * (1 - weight)
        mean += gain / np.maximum(weight, 1e-9) * (sample - mean)
        return mean

    def _shakes(self, tick: Tick, change: Reals, expected: Expected) -> Reals:
        shake = self["shake"]
        size = bent(np.where(tick.gap, 0, np.abs(change)) / expected.spread)
        shake += tick.gain(_SHAKES) * np.where(tick.gap, 0, size - shake)
        return np.asarray(BEND * np.log(shake + 0.02))

    def _creep(self, sample: Reals, tick: Tick) -> Reals:
        """Sums of small deviations (CUSUM), a step a quarter of an hour.

        Source: E. S. Page, Biometrika 41 (1954) 100-115.
        """
        step = np.sqrt(np.minimum(tick.cadence, FREQUENT) / FREQUENT) / 4 * tick.seen
        small = np.clip(sample, -3, 3)
        for name, way in (("up", small), ("down", -small)):
            np.copyto(self[name], np.clip(self[name] + (way - 0.25) * step, 0, 100), casting="same_kind")
        return np.stack((self["up"], self["down"]))
