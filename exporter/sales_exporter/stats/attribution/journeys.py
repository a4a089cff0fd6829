"""Journeys of leads through channels, and credit that adds up to their revenue."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Credit(NamedTuple):
    """Credit by channel code in integer cents; ``cents`` and ``unassigned`` sum exactly to the revenue.

    ``unassigned`` is the revenue of deals without a touch, and all revenue if the model finds that no channel adds
    to it. ``error`` is the standard error of each channel's cents from the model's own sampling; 0 where it computes
    exactly. It says nothing about how few the journeys are.
    """

    cents: Ints
    unassigned: int
    error: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Journeys:
    """Distinct paths of leads, parallel tuples. A path may occur in several rows.

    ``paths``: codes below ``channels`` of the touches before the outcome in their order; () is a lead without one.
    ``won`` and ``lost``: leads that took the path, by whether they are won by now; ``cents``: revenue of the won ones.
    ``days``: for :func:`time_decay`, the days from each touch to the outcome, in parallel to ``paths``.

    Raises:
        ValueError: lengths differ, a code is none, an amount is negative, or revenue comes without a win.
    """

    channels: int
    paths: tuple[tuple[int, ...], ...]
    won: tuple[int, ...]
    lost: tuple[int, ...]
    cents: tuple[int, ...]
    days: tuple[tuple[float, ...], ...] | None = None
    owner: Ints = field(init=False, repr=False)
    """Position of the path of each touch, over all touches in a row."""
    channel: Ints = field(init=False, repr=False)
    """Channel of each touch."""
    ages: Floats | None = field(init=False, repr=False)
    """Days of each touch, where they are given."""
    untouched: tuple[int, ...] = field(init=False, repr=False)
    """Positions of the paths without a touch."""

    def __post_init__(self) -> None:
        self._check()
        lengths = [len(path) for path in self.paths]
        if self.days is not None and [len(days) for days in self.days] != lengths:
            raise ValueError("days must be given for each touch")
        channel = np.fromiter(chain.from_iterable(self.paths), np.int64)
        if channel.size and not 0 <= channel.min() <= channel.max() < self.channels:
            raise ValueError(f"channel codes must lie in 0..{self.channels - 1}")
        object.__setattr__(self, "channel", channel)
        object.__setattr__(self, "owner", np.repeat(np.arange(len(lengths)), lengths))
        ages = None if self.days is None else np.fromiter(chain.from_iterable(self.days), np.float64)
        object.__setattr__(self, "ages", ages)
        object.__setattr__(self, "untouched", tuple(place for place, length in enumerate(lengths) if not length))

    def counting(self, won: tuple[int, ...], lost: tuple[int, ...], cents: tuple[int, ...]) -> Journeys:
        """The same paths with other counts; nothing that comes of the paths alone is made again.

        Raises:
            ValueError: as for a new one.
        """
        made = copy(self)
        for name, counts in (("won", won), ("lost", lost), ("cents", cents)):
            object.__setattr__(made, name, counts)
        made._check()
        return made

    def _check(self) -> None:
        if not len(self.paths) == len(self.won) == len(self.lost) == len(self.cents):
            raise ValueError("paths, won, lost and cents must have one length")
        if min(chain(self.won, self.lost, self.cents), default=0) < 0:
            raise ValueError("counts and revenue must not be negative")
        if any(cents and not won for won, cents in zip(self.won, self.cents, strict=True)):
            raise ValueError("revenue without a won deal")

    @property
    def unassigned(self) -> int:
        """Revenue of deals without a touch, cents."""
        return sum(self.cents[place] for place in self.untouched)


def share_out(journeys: Journeys, weights: Floats, error: Floats | None = None) -> Credit:
    """All touched revenue by channel ``weights``: to the cent, the largest remainders rounded up, ties to low codes.

    If no weight is positive, the revenue stays unassigned. ``error`` is that of the weights.
    """
    touched = sum(journeys.cents) - journeys.unassigned
    # Exact fractions: floats would lose cents beyond 2^53, and their sum would miss the total by some.
    parts = [Fraction(float(weight)) for weight in weights]
    total = sum(parts, Fraction(0))
    errors = np.zeros(journeys.channels) if error is None else error
    if total <= 0 or touched == 0:
        return Credit(np.zeros(journeys.channels, np.int64), sum(journeys.cents), 0 * errors)
    quotas = [part * touched / total for part in parts]
    cents = [int(quota) for quota in quotas]
    nearest = sorted(range(len(quotas)), key=lambda code: cents[code] - quotas[code])
    for code in nearest[: touched - sum(cents)]:
        cents[code] += 1
    return Credit(np.array(cents, np.int64), journeys.unassigned, errors * float(touched / total))
