"""Series of one kind have tails alike: strengths of all kinds are brought to one measure, so that none pays for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.verdicts import Floats

Slots = NDArray[np.int64]

FEWEST = 50
"""Maxima below which nothing is compared."""
CENSORED = 0.25
"""Of these, the strongest share counts as being there and not by its strength: incidents are among them."""
TRUST = 20.0
"""Maxima that the fleet's own figures are worth when one kind is held against it."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Maps strengths to what they would be in a kind like the whole fleet. By kind, sorted by number."""

    level: float
    numbers: Slots
    stretch: Floats
    shift: Floats

    def of(self, strengths: Floats, kinds: Slots) -> Floats:
        """Strengths in the common measure; those of unknown kinds as they are."""
        stretch, shift = self._of(kinds)
        over = strengths - self.level
        return np.asarray(self.level + np.where(over > 0, over * stretch, over) - shift)

    def strength(self, measured: float, kinds: Slots) -> Floats:
        """The strength that a slot of each kind must have for a value in the common measure."""
        stretch, shift = self._of(kinds)
        over = measured - self.level + shift
        return np.asarray(self.level + np.where(over > 0, over / stretch, over))

    def _of(self, kinds: Slots) -> tuple[Floats, Floats]:
        if not self.numbers.size:
            return np.ones(kinds.size), np.zeros(kinds.size)
        place = np.minimum(np.searchsorted(self.numbers, kinds), self.numbers.size - 1)
        known = self.numbers[place] == kinds
        return np.where(known, self.stretch[place], 1.0), np.where(known, self.shift[place], 0.0)


PLAIN = Measure(0.0, np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
"""Every kind is like the fleet."""


def compare(maxima: Floats, kinds: Slots, slots: Slots, count: int) -> Measure:
    """The measure from the ``count`` strongest pooled maxima, their kinds, and the kind of each slot that is watched.

    Beyond a level, a kind has a rate and a mean excess, both shrunk to the fleet's, the strongest quarter censored; its
    strengths are shifted by the one and stretched by the other.
    """
    count = min(count, maxima.size // 4)
    if count < FEWEST:
        return PLAIN
    ordered = np.sort(maxima)
    level, cap = float(ordered[-count - 1]), float(ordered[-int(np.ceil(CENSORED * count))])
    beyond = maxima > level
    excess, owner = np.minimum(maxima[beyond], cap) - level, kinds[beyond]
    uncensored = maxima[beyond] < cap
    scale = float(excess.sum() / max(np.count_nonzero(uncensored), 1))
    numbers, watched = np.unique(slots, return_counts=True)
    place = np.minimum(np.searchsorted(numbers, owner), numbers.size - 1)
    known = numbers[place] == owner
    seen, sure, total = (np.bincount(place[known], weights[known].astype(float), numbers.size)
                         for weights in (np.ones(owner.size), uncensored, excess))
    rate = (seen + TRUST) / (count * watched / slots.size + TRUST)
    own = (total + TRUST * scale) / (sure + TRUST)
    return Measure(level, numbers.astype(np.int64), scale / own, scale * np.log(rate))
