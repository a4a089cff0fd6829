"""Finds what a series has never done before, on many views of it at once, at a stated rate of false alarms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.detectors import Arrays
from sales_exporter.sidecar.detectors.contexts import Contexts
from sales_exporter.sidecar.detectors.onset import Onset
from sales_exporter.sidecar.detectors.pace import DAY, WEEK, Pace, Reals, Tick
from sales_exporter.sidecar.detectors.rhythm import Expected, Rhythm
from sales_exporter.sidecar.detectors.slots import Slots
from sales_exporter.sidecar.detectors.tails import Tails
from sales_exporter.sidecar.detectors.views import BEND, CHANNELS, FLEETING, RECORDS, STILLNESS, WEIGHTS, Views, bent
from sales_exporter.sidecar.verdicts import NONE, Floats, Verdicts

VERSION = 3
PART = 16_384
"""Series that are learned together: one column of them fits the processor's cache."""
TURNED = 64
"""Moments whose samples are brought together at a time, for the same reason."""
WARM_UP = DAY
LEAST_OF_REACH, LEAST_STEPS = 0.3, 0.5
"""Smallest scale of the tail of a record: of the usual distance from the mean, and of the steps of a count."""
NEWS = 4.0
"""Powers of ten that it counts for when a level follows another for the first time."""
STOOD = 2.0
"""What a power of ten counts for of the time that a record stood which a channel beats."""
NEAR = 12.0
"""Sum of what the channels say, of news and of old records beaten, that is as odd as an alarm."""
NEAR_MISS = 0.95
"""Of an alarm: news and records bring no nearer. Noise has both now and then, so they only rank what is below."""
NEAR_MARGIN, NEAR_HALF_LIFE, NEAR_SAMPLES = 4.0, 0.7, 50.0
"""By how much such a sum must beat the last that counted, and the days and samples in which that halves."""
LARGEST = 1e30
COVERAGE = 0.95
"""Of the interval of a single sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What steers the detector."""

    alarms_per_week: float = 0.05
    """False alarms of one series a week at score 0.5."""
    least_change: float = 0.01
    """Changes below this share of the usual size are not news, however steady the series."""
    holidays: tuple[date, ...] = ()
    """Days that run like those of a weekend."""
    utc_offset: float = 0.0
    """Seconds by which local time, of which the days are, is ahead of UTC."""
    reach: float = 1_000.0
    """How many times rarer than once in the time watched a channel may call a thing."""
    least_scale: float = 0.2
    """Smallest scale of a tail, in usual deviations."""
    poison: float = 0.03
    """Alarms a week: past values enter no rarer than this, so that past incidents hide no next one."""
    slope: float = 0.28
    """Powers of ten by which a thing is rarer for each that the channels add up to: they see much the same."""
    bend: float = 5.0
    """Sum up to which that holds: what is odder still is odd to all of them at once."""
    slope_beyond: float = 0.16
    """The same for what is above that sum."""
    margin: float = 0.7
    """Powers of ten by which a second alert must be rarer than one just before."""
    half_life: float = 2.0
    """Days in which what it must beat halves."""


class Novelty:
    """A ``Detector``. A moment may also be given for each slot on its own, (n,), for series that run out of step.

    Each channel tells a rate: how often a week this series is to be this odd, by its own largest peaks and a fitted
    tail. Rarities (powers of ten below once a week) add up over channels; how rare the sum is was measured on quiet
    series (``slope``). Nothing is judged before a day of samples, on the first weekend or the first weekday.

    Where the sum is no alarm, the score adds what has no rate: sequences that are new, and records beaten by how long
    they stood. Such a score has a gate of its own and holds no alarm back.
    """

    channels = CHANNELS

    def __init__(self, tuning: Tuning | None = None, size: int = 0) -> None:
        self.tuning = tuned = tuning or Tuning()
        self._pace, self._views = Pace(size), Views(size)
        self._rhythm = Rhythm(tuned.least_change, tuned.holidays, size)
        self._tails = Tails(RECORDS, FLEETING, tuned.reach, tuned.least_scale, tuned.poison, size)
        self._onset = Onset(tuned.margin, tuned.half_life, -np.log10(tuned.alarms_per_week), size)
        self._near = Onset(NEAR_MARGIN, NEAR_HALF_LIFE, np.inf, size, samples=NEAR_SAMPLES)
        self._contexts = Contexts(size)
        self._band = Slots({"width": ((2,), 2.0, np.float32)}, size)
        self._last: tuple[float, Verdicts] | None = None

    @property
    def _parts(self) -> dict[str, Slots]:
        return {"pace": self._pace, "rhythm": self._rhythm, "views": self._views, "tails": self._tails,
                "onset": self._onset, "near": self._near, "band": self._band, "contexts": self._contexts}

    @property
    def size(self) -> int:
        """Slots in use."""
        return self._pace.size

    def admit(self, count: int) -> None:
        """Add empty slots at the end."""
        for part in self._parts.values():
            part.admit(count)
        self._last = None

    def keep(self, which: np.typing.NDArray[np.bool_]) -> None:
        """Drop the slots that are not marked."""
        for part in self._parts.values():
            part.keep(which)
        self._last = None

    def learn(self, times: Floats, values: Floats) -> None:
        """Take in a past, (n, len(times)); nobody was told of it, so no onset in it keeps later ones back."""
        for start in range(0, self.size, PART):
            stop = min(start + PART, self.size)
            some = object.__new__(Novelty)
            some.tuning = self.tuning
            for name, part in self._parts.items():
                setattr(some, f"_{name}", part.part(start, stop))
            for first in range(0, len(times), TURNED):
                moments = slice(first, first + TURNED)
                columns = _clean(np.ascontiguousarray(values[start:stop, moments].T))
                for at, column in zip(times[moments], columns, strict=True):
                    some._take(np.asarray(at + self.tuning.utc_offset), column)
        self._last = None

    def update(self, at: float | Floats, values: Floats) -> Verdicts:
        """Judge one sample of each slot, then take it in."""
        moment = np.asarray(at, np.float64)
        if self._last is not None and not moment.ndim and float(moment) <= self._last[0]:
            return self._last[1]
        tick, seen, expected, views, new = self._look(moment + self.tuning.utc_offset, _clean(values))
        verdicts = self._judge(tick, seen, expected, views, new)
        self._learn(tick, seen, expected, views)
        self._last = None if moment.ndim else (float(moment), verdicts)
        return verdicts

    def state(self) -> Arrays:
        """Everything needed to go on."""
        saved = {f"{name}.{column}": array for name, part in self._parts.items()
                 for column, array in part.saved().items()}
        return {**saved, "version": np.array(VERSION), "tuning": np.array(repr(self.tuning))}

    def restore(self, state: Arrays) -> Self:
        """Go on from such a state.

        Raises:
            ValueError: it was written by another kind or version, or with other parameters.
        """
        if "version" not in state or int(state["version"]) != VERSION:
            raise ValueError("the state was written by another detector or version")
        if str(state["tuning"]) != repr(self.tuning):
            raise ValueError("the state was written with other parameters")
        for name, part in self._parts.items():
            part.load({key.split(".", 1)[1]: state[key] for key in state if key.startswith(f"{name}.")})
        self._last = None
        return self

    def _take(self, at: Floats, values: Reals) -> None:
        self._learn(*self._look(at, values)[:-1])

    def _look(self, at: Floats, values: Reals) -> tuple[Tick, Reals, Expected, Reals, NDArray[np.bool_]]:
        tick = self._pace.tick(at, values)
        expected = self._rhythm.expect(tick, values)
        seen = np.where(tick.seen, values, expected.value)
        views = self._views.look(tick, seen, expected)
        return tick, seen, expected, views, self._contexts.new(tick, bent((seen - expected.value) / expected.scale))

    def _learn(self, tick: Tick, values: Reals, expected: Expected, views: Reals) -> None:
        self._tails.learn(tick, views, np.maximum(LEAST_OF_REACH * expected.reach, LEAST_STEPS * self._views.step))
        off = bent((values - expected.value) / expected.scale)
        width = self._band["width"]
        # Each end moves so that as many samples as stated lie beyond it.
        beyond = np.stack((off > width[0], -off > width[1])) - (1 - COVERAGE) / 2
        width += 0.5 * tick.gain(2 * DAY) * BEND * beyond
        np.maximum(width, 0.1, out=width)
        self._rhythm.learn(tick, values, expected)

    def _judge(self, tick: Tick, values: Reals, expected: Expected, views: Reals, new: NDArray[np.bool_]) -> Verdicts:
        tuned = self.tuning
        rarity = np.maximum(-np.log10(self._tails.rates(views)), 0) * WEIGHTS
        stood = self._tails.stood(tick, views)
        small = np.abs(values - expected.value) < expected.least
        if small.any():
            rarity[np.ix_(~STILLNESS, small)], stood[np.ix_(~STILLNESS, small)] = 0, 0
        told = tick.seen & ~tick.early & (tick.age >= WARM_UP) & ~expected.unknown
        total = rarity.sum(axis=0)
        joint = np.where(told & (total > 0), self._rarer(total), -6.0)
        alarm = -np.log10(tuned.alarms_per_week)
        # Only for the score: how often these come by chance hangs on the series, so no rarity may be said of them.
        odd = total + STOOD * stood.sum(axis=0) + np.where(new & ~small, NEWS, 0)
        odd = np.where(told, odd, 0)
        alarming = self._onset.passes(tick, joint) & (joint >= alarm)
        near = np.minimum(odd / NEAR, NEAR_MISS) / 2
        near = np.where(self._near.passes(tick, odd), near, near / 10)
        score = np.where(alarming, 1 / (1 + 10 ** (-(joint - alarm) / 2)), near)
        p = -np.expm1(-(10.0 ** -joint) * tick.cadence / WEEK)
        nan, middle = np.where(told, 0.0, np.nan), expected.value.astype(np.float64)
        upper, lower = BEND * np.sinh(self._band["width"] / BEND) * expected.scale
        return Verdicts(
            score=np.where(told, score, 0.0), p=np.where(told & (joint > -6), p, 1.0), expected=middle + nan,
            lower=middle - lower + nan, upper=middle + upper + nan, effect=(values - middle) / expected.scale + nan,
            channel=np.where(told, rarity.argmax(axis=0), NONE).astype(np.int8),
        )

    def _rarer(self, total: Reals) -> Reals:
        """How rare a sum over the channels is, in powers of ten below once a week."""
        beyond = np.maximum(total - self.tuning.bend, 0)
        return np.asarray(self.tuning.slope * (total - beyond) + self.tuning.slope_beyond * beyond)


def _clean(values: Floats) -> Reals:
    """Values in single precision; what is not finite is missing."""
    values = np.asarray(values, np.float64)
    return np.where(np.isfinite(values), np.clip(values, -LARGEST, LARGEST), np.nan).astype(np.float32)
