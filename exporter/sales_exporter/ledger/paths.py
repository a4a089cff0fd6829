"""Paths: the sequences of touches that led to deals, each distinct one kept once, under a number.

A touch is its channel's number and its age, the time from it to the last touch of the path. Ages are counted in half
half-lives of the time decay (3.5 days): at a million leads that makes sixteen thousand paths, where whole days make
fifty-seven thousand and no ages six hundred.
"""

from __future__ import annotations

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

    ``fresh`` are those not stored yet.
    """

    numbers: dict[bytes, int] = field(default_factory=dict)
    texts: list[bytes] = field(default_factory=lambda: [b""])
    fresh: list[tuple[int, bytes]] = field(default_factory=list)
    _busy: Lock = field(default_factory=Lock, repr=False, compare=False)

    def numbered(self, touches: Touches, lengths: Ints) -> Ints:
        """Numbers of paths whose touches come one path after the other."""
        raw, width = touches.astype(_CODE).tobytes(), _CODE.itemsize
        ends = (np.cumsum(lengths) * width).tolist()
        starts = [0, *ends[:-1]] if ends else []
        found = (self._number(raw[start:end]) for start, end in zip(starts, ends, strict=True))
        with self._busy:
            return np.fromiter(found, dtype=np.int64, count=len(ends))

    def adopt(self, number: int, path: bytes) -> None:
        """Take over a path that was stored; they come in order of their numbers."""
        if number != len(self.texts):
            raise ValueError("paths are not numbered in order")
        self.numbers[path] = number
        self.texts.append(path)

    def touches(self, numbers: Ints) -> tuple[Touches, Ints]:
        """The touches of paths, one path after the other, and how many each has."""
        chosen = [self.texts[number] for number in numbers.tolist()]
        lengths = np.fromiter((len(path) for path in chosen), dtype=np.int64, count=len(chosen)) // _CODE.itemsize
        return np.frombuffer(b"".join(chosen), dtype=_CODE), lengths

    def _number(self, path: bytes) -> int:
        if not path:
            return 0
        width = _CODE.itemsize
        if len(path) > LONGEST * width:
            path = path[:width] + path[-(LONGEST - 1) * width :]
        known = self.numbers.get(path)
        if known is not None:
            return known
        if len(self.texts) > MOST_PATHS:
            # The first and the last touch without their ages: there are few of those, and no revenue loses its path.
            bare = np.frombuffer(path, dtype=_CODE) >> AGE_BITS << AGE_BITS
            path = bare[[0, -1]].astype(_CODE).tobytes()
            known = self.numbers.get(path)
            if known is not None:
                return known
        known = len(self.texts)
        self.numbers[path] = known
        self.texts.append(path)
        self.fresh.append((known, path))
        return known
