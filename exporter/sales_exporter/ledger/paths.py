"""Paths: the sequences of touches that led to deals, each distinct one kept once, under a number.

A touch is its channel's number and its age, the time from it to the last touch of the path. Ages are counted in half
half-lives of the time decay (3.5 days): at a million leads that makes sixteen thousand paths, where whole days make
fifty-seven thousand and no ages six hundred.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from sales_exporter.ledger.calendar import DAY, Ints

AGE_STEP = 7 * DAY // 2
"""Microseconds of one step of age."""
AGE_BITS = 5
OLDEST = 16
"""Steps from which on touches count as equally old: eight half-lives, what is worth 0.4 % of a fresh touch."""
LONGEST = 12
"""Touches of a path. Of a longer one the first and the newest are kept."""
MOST_PATHS = 100_000
_CODE = np.dtype("<u4")
_WIDTH = _CODE.itemsize
_UNSIGNED = "I"
"""Of the array module: as wide as a touch."""

Touches = NDArray[np.uint32]
"""One path: channel and age of each touch, packed."""


def packed(channel: Ints, age: Ints) -> Touches:
    """Touches of channels (numbers of names) with ages in microseconds."""
    steps = np.clip(age // AGE_STEP, 0, OLDEST)
    return ((channel << AGE_BITS) | steps).astype(_CODE)


def channels(touches: Touches) -> Ints:
    """The channels (numbers of names) of touches."""
    return (touches >> AGE_BITS).astype(np.int64)


def days(touches: Touches, lengths: Ints) -> NDArray[np.float64]:
    """Days from each touch to the last one of its path: the middle of the step; 0 of the last one itself."""
    found = ((touches & ((1 << AGE_BITS) - 1)) + 0.5) * (AGE_STEP / DAY)
    found[np.cumsum(lengths)[lengths > 0] - 1] = 0.0
    return np.asarray(found, dtype=np.float64)


@dataclass(slots=True)
class Paths:
    """Numbers of paths, from 1, in order of appearance; 0 is the path without a touch.

    ``fresh`` are those not stored yet. All touches lie in one row: a dictionary of bytes took five times as much.
    """

    fresh: list[tuple[int, bytes]] = field(default_factory=list)
    _touches: bytearray = field(default_factory=bytearray, init=False, repr=False)
    _ends: array[int] = field(default_factory=lambda: array(_UNSIGNED, [0]), init=False, repr=False)
    """Where each path ends in the row, in touches; it begins where the one before ends."""
    _slots: array[int] = field(default_factory=lambda: array(_UNSIGNED, bytes(256)), init=False, repr=False,
                               compare=False)
    """A hash table with open addressing: numbers of paths, 0 where it is free. Always at most two thirds full."""
    _busy: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        """How many there are, the one without a touch included."""
        return len(self._ends)

    @property
    def texts(self) -> list[bytes]:
        """All paths by number, as they are stored."""
        with self._busy:
            return [self._text(number) for number in range(len(self))]

    def numbered(self, touches: Touches, lengths: Ints) -> Ints:
        """Numbers of paths whose touches come one path after the other."""
        raw = touches.astype(_CODE).tobytes()
        ends = (np.cumsum(lengths) * _WIDTH).tolist()
        # Most deals share their path with others of the same reading.
        met, found, start = {b"": 0}, [], 0
        with self._busy:
            for end in ends:
                path, start = raw[start:end], end
                number = met.get(path)
                if number is None:
                    number = met[path] = self._number(path)
                found.append(number)
        return np.array(found, dtype=np.int64)

    def adopt(self, number: int, path: bytes) -> None:
        """Take over a path that was stored; they come in order of their numbers."""
        if number != len(self):
            raise ValueError("paths are not numbered in order")
        with self._busy:
            self._add(path)

    def touches(self, numbers: Ints) -> tuple[Touches, Ints]:
        """The touches of paths, one path after the other, and how many each has."""
        with self._busy:
            return self._chosen(numbers.astype(np.int64))

    def _chosen(self, numbers: Ints) -> tuple[Touches, Ints]:
        # These views must be gone when the next path is added: the row cannot grow under them.
        row, ends = np.frombuffer(self._touches, dtype=_CODE), np.frombuffer(self._ends, dtype=np.uint32)
        last = ends[numbers].astype(np.int64)
        lengths = last - np.where(numbers > 0, ends[numbers - 1], 0)
        return row[np.repeat(last - np.cumsum(lengths), lengths) + np.arange(lengths.sum())], lengths

    def _number(self, path: bytes) -> int:
        if len(path) > LONGEST * _WIDTH:
            path = path[:_WIDTH] + path[-(LONGEST - 1) * _WIDTH :]
        known = self._slots[self._slot(path)]
        if not known and len(self) > MOST_PATHS:
            # The first and the last touch without their ages: there are few of those, and no revenue loses its path.
            bare = np.frombuffer(path, dtype=_CODE) >> AGE_BITS << AGE_BITS
            path = bare[[0, -1]].astype(_CODE).tobytes()
            known = self._slots[self._slot(path)]
        if not known:
            known = self._add(path)
            self.fresh.append((known, path))
        return known

    def _text(self, number: int) -> bytes:
        start = self._ends[number - 1] if number else 0
        return bytes(self._touches[start * _WIDTH : self._ends[number] * _WIDTH])

    def _slot(self, path: bytes) -> int:
        """Where the number of a path is, or belongs."""
        slots, most = self._slots, len(self._slots) - 1
        slot = hash(path) & most
        while slots[slot] and self._text(slots[slot]) != path:
            slot = (slot + 1) & most
        return slot

    def _add(self, path: bytes) -> int:
        number = len(self)
        if 3 * number > 2 * len(self._slots):
            self._slots = array(_UNSIGNED, bytes(2 * len(self._slots) * self._slots.itemsize))
            for known in range(1, number):
                self._slots[self._slot(self._text(known))] = known
        self._touches += path
        self._ends.append(len(self._touches) // _WIDTH)
        self._slots[self._slot(path)] = number
        return number
