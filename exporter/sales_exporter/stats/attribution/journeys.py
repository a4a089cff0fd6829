"""Journeys of leads through channels, and credit that adds up to their revenue."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Counts = tuple[int, ...] | Ints
T = TypeVar("T")


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
    won: Counts
    lost: Counts
    cents: Counts
    days: tuple[tuple[float, ...], ...] | None = None
    owner: Ints = field(init=False, repr=False)
    """Position of the path of each touch, over all touches in a row."""
    channel: Ints = field(init=False, repr=False)
    """Channel of each touch."""
    ages: Floats | None = field(init=False, repr=False)
    """Days of each touch, where they are given."""
    untouched: tuple[int, ...] = field(init=False, repr=False)
    """Positions of the paths without a touch."""
    wins: Ints = field(init=False, repr=False)
    losses: Ints = field(init=False, repr=False)
    revenue: Ints = field(init=False, repr=False)
    """``won``, ``lost`` and ``cents`` as arrays."""
    _made: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

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

    def counting(self, won: Counts, lost: Counts, cents: Counts) -> Journeys:
        """The same paths with other counts; nothing that comes of the paths alone is made again.

        Raises:
            ValueError: as for a new one.
        """
        made = copy(self)
        for name, counts in (("won", won), ("lost", lost), ("cents", cents)):
            object.__setattr__(made, name, counts)
        made._check()
        return made

    def once(self, make: Callable[[Journeys], T]) -> T:
        """What a function makes of the paths alone, made once for all journeys of the same paths."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast("T", self._made[make])

    def _check(self) -> None:
        if not len(self.paths) == len(self.won) == len(self.lost) == len(self.cents):
            raise ValueError("paths, won, lost and cents must have one length")
        for name, counts in (("wins", self.won), ("losses", self.lost), ("revenue", self.cents)):
            object.__setattr__(self, name, np.asarray(counts, dtype=np.int64))
        if min(int(counts.min(initial=0)) for counts in (self.wins, self.losses, self.revenue)) < 0:
            raise ValueError("counts and revenue must not be negative")
        if np.any((self.revenue > 0) & (self.wins == 0)):
            raise ValueError("revenue without a won deal")

    @property
    def unassigned(self) -> int:
        """Revenue of deals without a touch, cents."""
        return int(self.revenue[list(self.untouched)].sum())

    @property
    def total(self) -> int:
        """All revenue, cents."""
        return int(self.revenue.sum())


def share_out(journeys: Journeys, weights: Floats, error: Floats | None = None) -> Credit:
    """All touched revenue by channel ``weights``: to the cent, the largest remainders rounded up, ties to low codes.

    If no weight is positive, the revenue stays unassigned. ``error`` is that of the weights.
    """
    unassigned = journeys.unassigned
    touched = journeys.total - unassigned
    # Whole numbers: floats would lose cents beyond 2^53, and their sum would miss the total by some.
    ratios = [weight.as_integer_ratio() for weight in np.asarray(weights, np.float64).tolist()]
    scale = max((below for _, below in ratios), default=1)
    parts = [above * (scale // below) for above, below in ratios]
    total = sum(parts)
    errors = np.zeros(journeys.channels) if error is None else error
    if total <= 0 or touched == 0:
        return Credit(np.zeros(journeys.channels, np.int64), touched + unassigned, 0 * errors)
    quotas = [divmod(part * touched, total) for part in parts]
    cents = [whole for whole, _ in quotas]
    nearest = sorted(range(len(quotas)), key=lambda code: -quotas[code][1])
    for code in nearest[: touched - sum(cents)]:
        cents[code] += 1
    return Credit(np.array(cents, np.int64), unassigned, errors * (touched * scale / total))
