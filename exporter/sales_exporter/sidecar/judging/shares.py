"""What the cases behind a share prove: so many of so many, against what is usual at this hour of such a day.

A share of two cases is worth nothing and one of two hundred a lot; a detector that sees shares alone takes both for the
same, and the night's one of two hides the day's sixty of two hundred. Here each case counts once.

Two questions are asked, each both ways. Does this window alone prove a change: the binomial tail. And has the share
changed at any moment before: sums over time (CUSUM) of the log-likelihood ratio of shares whose odds are some times the
usual ones, the largest of which finds a change about as soon as any rule of the same rate of false alarms can. Windows
overlap, so that a moment adds the part of its window that has passed since the last one.

Both are in nats, of which a series whose shares sway more than chance makes them gets fewer. How often a week a quiet
series goes so far is at most the number of its cases, as starting points of a change, times exp(-nats); where its own
largest peaks say more often, those count.

Sources: E. S. Page, Biometrika 41 (1954) 100-115; G. Lorden, Annals of Mathematical Statistics 42 (1971) 1897-1908.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.detectors.pace import DAY, WEEK, Pace, Reals, Tick
from sales_exporter.sidecar.detectors.slots import Slots
from sales_exporter.sidecar.detectors.tails import FEWEST as FEWEST_PEAKS
from sales_exporter.sidecar.detectors.tails import Tails
from sales_exporter.sidecar.fleet.calendar import Calendar
from sales_exporter.sidecar.verdicts import Floats
from sales_exporter.stats.extremes import PRIOR_SHAPE
from sales_exporter.stats.special import betainc

CHANNELS = ("cases of the window high", "cases of the window low", "cases added up high", "cases added up low")
_TILTS = np.array([0.4, 0.7, 1.1, 1.6, 2.3, 3.0])
"""Logarithms of the factors on the odds that are looked for: from one and a half to twenty times."""
TILTS = np.concatenate([_TILTS, -_TILTS])[:, None]
_UP = TILTS[:, 0] > 0
CEILING = 40.0
"""Nats that are kept at most."""
RETURNED, DOUBTED = 4.6, 5.0
"""Nats for the usual share and against the one found, that end a change (a hundred to one); nats that begin one."""
MEMORY = 28 * DAY
HOURS = 24
BORROWED = 50.0
"""Cases at other hours that an hour's own are mixed with: few cases say little of an hour."""
FEWEST = 100.0
"""Cases below which nothing is said."""
CLIP = 3.0
"""In usual deviations of a window: what lies beyond teaches only that far."""
FARTHEST_SWAY, USUAL_SWAY = 4.0, 1.3
"""The same for the mean square of such deviations, and what it is for cases that come one by one."""
REACH, FAR, POISON = 1_000.0, 1e9, 0.03
"""How many times rarer than once in the time seen a thing may be called that has no peaks to be held against; the same
where there are peaks, so that only their tail bounds it; false alarms a week beyond which a peak enters no higher."""
NAT, FARTHEST, STRETCH = 1.0, 100.0, PRIOR_SHAPE / 2
"""Least scale of a tail, that of a likelihood ratio of independent cases; nats that are told apart; see
``_stretched``."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What the cases of each series say; NaN, and p 1, where nothing can be said."""

    p: Floats
    expected: Floats
    lower: Floats
    """Of the range that one window in twenty leaves, as is ``upper``."""
    upper: Floats
    effect: Floats
    """Distance in deviations of a window of so many cases."""
    channel: NDArray[np.int8]
    """Index into ``CHANNELS``."""


class Shares:
    """Shares of events, each with its window. Time never goes back."""

    def __init__(self, calendar: Calendar) -> None:
        """The days are those of the calendar, whose holidays run like a weekend."""
        self._calendar = calendar
        self._pace = Pace()
        self._tails = Tails(np.zeros(len(CHANNELS), bool), np.zeros(len(CHANNELS), bool), FAR, NAT, POISON)
        self._own = Slots({
            "hits": ((2, HOURS), 0.0, np.float64), "cases": ((2, HOURS), 0.0, np.float64),
            "seconds": ((), 0.0, np.float64), "sums": ((TILTS.size,), 0.0, np.float64), "back": ((), 0.0, np.float64),
            "width": ((2,), 2.0, np.float64), "sway": ((), 1.0, np.float64),
        })

    @property
    def size(self) -> int:
        """Series."""
        return self._own.size

    @property
    def _parts(self) -> dict[str, Slots]:
        return {"pace": self._pace, "tails": self._tails, "own": self._own}

    def admit(self, count: int) -> None:
        """Add series at the end."""
        for part in self._parts.values():
            part.admit(count)

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Drop the series that are not marked."""
        for part in self._parts.values():
            part.keep(which)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to go on."""
        return {f"{name}.{column}": array for name, part in self._parts.items()
                for column, array in part.saved().items()}

    def restored(self, state: Mapping[str, NDArray[np.generic]]) -> Shares:
        """Others of the same calendar that go on from such a state.

        Raises:
            ValueError: it is none.
        """
        made = Shares(self._calendar)
        for name, part in made._parts.items():
            part.load({key.split(".", 1)[1]: array for key, array in state.items() if key.startswith(f"{name}.")})
        return made

    def update(self, at: float, shares: Floats, cases: Floats, windows: Floats) -> Proof:
        """Judge a moment, then take it in. ``windows``: the seconds over which ``cases`` were counted."""
        known = np.isfinite(shares) & np.isfinite(cases) & (cases > 0)
        tick = self._pace.tick(np.asarray(at, np.float64), np.where(known, shares, np.nan))
        cases = np.where(tick.seen, cases, 0.0)
        hits = np.where(tick.seen, np.clip(shares, 0, 1), 0.0) * cases
        part = np.minimum(tick.elapsed.astype(np.float64) / windows, 1.0)
        place = self._place(at)
        usual, error = self._usual(place)
        # Cases that do not come one by one are worth fewer.
        worth = 1 / np.maximum(self._own["sway"] / USUAL_SWAY, 1)
        told = tick.seen & (self._own["seconds"] >= DAY) & (self._own["cases"].sum(axis=(0, 1)) >= FEWEST)
        sums = self._add_up(told * worth * part * hits, told * worth * part * cases, usual, error)
        # What is not said is not remembered either: what is usual is only a guess then.
        found = np.where(told, np.concatenate([worth * _window(hits, cases, usual, error), sums]), 0)
        stretched = _stretched(found)
        proof = self._proof(tick, told, found, stretched, hits, cases, usual)
        self._tails.learn(tick, stretched, np.ones(self.size, np.float32))
        self._learn(tick, place, hits, cases, part, usual, proof.effect)
        return proof

    def _place(self, at: float) -> tuple[int, int]:
        """Kind of day and hour."""
        local = self._calendar.local(at)
        return int(local.weekday() >= 5 or local.date() in self._calendar.holidays), local.hour

    def _usual(self, place: tuple[int, int]) -> tuple[Floats, Floats]:
        """The usual share of this hour, and its standard error."""
        hits, cases = self._own["hits"], self._own["cases"]
        overall = (hits.sum(axis=(0, 1)) + 0.5) / (cases.sum(axis=(0, 1)) + 1)
        weight = cases[place] + BORROWED
        usual = (hits[place] + BORROWED * overall) / weight
        return usual, np.sqrt(usual * (1 - usual) / weight)

    def _add_up(self, hits: Floats, cases: Floats, usual: Floats, error: Floats) -> Floats:
        """The sums after these cases: the largest upwards and downwards."""
        sums, back = self._own["sums"], self._own["back"]
        against = np.clip(usual + np.where(TILTS > 0, error, -error), 1e-6, 1 - 1e-6)
        ratio = TILTS * hits - cases * np.log1p(against * np.expm1(TILTS))
        best, series = sums.argmax(axis=0), np.arange(self.size)
        doubted = sums[best, series] >= DOUBTED
        back[:] = np.where(doubted, np.maximum(back - ratio[best, series], 0), 0)
        grown = sums + ratio
        # All alike, so that the share that fits best stays the largest.
        sums[:] = np.maximum(grown - np.maximum(grown.max(axis=0) - CEILING, 0), 0)
        sums[:, back > RETURNED] = 0
        return np.stack([sums[_UP].max(axis=0), sums[~_UP].max(axis=0)])

    def _proof(self, tick: Tick, told: NDArray[np.bool_], found: Floats, stretched: Reals, hits: Floats, cases: Floats,
               usual: Floats) -> Proof:
        own = self._own
        seconds, total = own["seconds"], own["cases"].sum(axis=(0, 1))
        weeks = np.maximum(seconds, 1.0) / WEEK
        peaks = self._tails.rates(stretched).astype(np.float64)
        by_cases = total / weeks * np.exp(-found)
        rates = np.maximum(by_cases, np.where(self._tails["count"] >= FEWEST_PEAKS, peaks, 1 / (weeks * REACH)))
        channel = rates.argmin(axis=0)
        p = -np.expm1(-len(CHANNELS) * rates.min(axis=0) * tick.cadence.astype(np.float64) / WEEK)
        middle, root = np.arcsin(np.sqrt(usual)), 2 * np.sqrt(np.maximum(cases, 1e-9))
        share = hits / np.maximum(cases, 1e-9)
        effect = root * (np.arcsin(np.sqrt(np.clip(share, 0, 1))) - middle)
        lower, upper = (np.sin(np.clip(middle + side, 0, np.pi / 2)) ** 2
                        for side in (-own["width"][0] / root, own["width"][1] / root))
        # Each end moves so that as many windows as stated lie beyond it.
        beyond = np.stack([-effect > own["width"][0], effect > own["width"][1]]) - 0.025
        own["width"][:] = np.maximum(own["width"] + 2 * tick.gain(2 * DAY) * beyond, 0.5)
        nan = np.where(told, 0.0, np.nan)
        return Proof(np.where(told, p, 1.0), usual + nan, lower + nan, upper + nan, effect + nan,
                     channel.astype(np.int8))

    def _learn(self, tick: Tick, place: tuple[int, int], hits: Floats, cases: Floats, part: Floats,
               usual: Floats, effect: Floats) -> None:
        own = self._own
        fade = np.exp(-tick.elapsed.astype(np.float64) / MEMORY)
        for name in ("hits", "cases", "seconds"):
            own[name][:] *= fade
        own["seconds"][:] += tick.elapsed
        reach = CLIP * np.sqrt(cases * usual * (1 - usual)) + 1
        young = own["cases"].sum(axis=(0, 1)) < FEWEST
        taken = np.where(young, hits, np.clip(hits, cases * usual - reach, cases * usual + reach))
        own["hits"][place] += np.maximum(taken, 0) * part
        own["cases"][place] += cases * part
        square = np.clip(np.nan_to_num(effect), -FARTHEST_SWAY, FARTHEST_SWAY) ** 2
        own["sway"][:] += np.where(np.isnan(effect), 0, tick.steady_gain(MEMORY / 2)) * (square - own["sway"])


def _stretched(nats: Floats) -> Reals:
    """So that what the past of a series allows for, at the shape that tails are first taken to have, is twice the nats
    of independent cases: these have exponential tails, and cases that are not independent have longer ones."""
    return np.asarray(np.expm1(STRETCH * np.minimum(nats, FARTHEST)) / STRETCH, np.float32)


def _window(hits: Floats, cases: Floats, usual: Floats, error: Floats) -> Floats:
    """How little the binomial law has for this window, upwards and downwards, in nats."""
    missed = cases - hits
    high = betainc(np.maximum(hits, 1e-9), missed + 1, np.minimum(usual + error, 1))
    low = betainc(np.maximum(missed, 1e-9), hits + 1, np.minimum(1 - usual + error, 1))
    return np.asarray(-np.log(np.maximum(np.stack([high, low]), 1e-300)))
