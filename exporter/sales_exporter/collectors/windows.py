"""Windows of the business gauges: half-open, nested, all ending at the moment of evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sales_exporter.ledger.calendar import Calendar

DAY, HOUR = 86_400.0, 3_600.0
ALL = "all"
STARTS = "ARRAY(SELECT to_timestamp(start) FROM unnest(%(starts)s::float8[]) AS start)"
"""The parameter ``starts`` as moments, in SQL: the thresholds of ``width_bucket``; evaluated once a statement."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows from the longest to the shortest: names, and starts in epoch seconds (-inf for ``all``).

    A statement gives each row one bucket, ``width_bucket(moment, starts)``: how many windows it lies in.
    Because windows are nested, row k of the bucket lies in the k longest, and one pass over the rows serves
    all of them.

    >>> Windows.ending(864_000.0, ("7d", "all")).containing(1)
    ('all',)
    """

    names: tuple[str, ...]
    starts: tuple[float, ...]

    @classmethod
    def ending(cls, now: float, names: Iterable[str]) -> Windows:
        """The windows of these names (``7d``, ``all``) that end just before ``now``."""
        return cls.beginning({name: -math.inf if name == ALL else now - int(name[:-1]) * DAY for name in names})

    @classmethod
    def hourly(cls, now: float, names: Iterable[str]) -> Windows:
        """The same, each from the full hour (UTC) that holds its start, as windows of cells begin."""
        exact = cls.ending(now, names)
        return cls(exact.names, tuple(start if start == -math.inf else start // HOUR * HOUR for start in exact.starts))

    @classmethod
    def beginning(cls, starts: Mapping[str, float]) -> Windows:
        """Windows with these starts by name; all of them end at the same moment."""
        ranked = sorted(starts, key=lambda name: (starts[name], name))
        return cls(tuple(ranked), tuple(starts[name] for name in ranked))

    def hours(self) -> dict[str, int | None]:
        """The hour (UTC, since 1970) with which each window begins when it is read from cells; None for ``all``."""
        return {name: None if start == -math.inf else math.floor(start / HOUR)
                for name, start in zip(self.names, self.starts, strict=True)}

    def days(self, calendar: Calendar) -> dict[str, int | None]:
        """The reporting day with which each window begins when it is read from cells of days; None for ``all``."""
        return {name: None if start == -math.inf else calendar.day(start)
                for name, start in zip(self.names, self.starts, strict=True)}

    def holding(self, moments: NDArray[Any]) -> NDArray[np.int64]:
        """How many windows hold each of the moments (epoch seconds), counted from the longest."""
        # A comparison for each window: they are few, and a search for each of half a million moments is slower.
        found, whole = np.zeros(len(moments), dtype=np.uint8), moments.dtype.kind in "iu"
        least, most = (np.iinfo(moments.dtype).min, np.iinfo(moments.dtype).max) if whole else (-math.inf, math.inf)
        for start in self.starts:
            if whole and start <= least:
                found += 1
            elif start <= most:
                # Whole moments are compared as they are: as wide floats they cost four times as much.
                found += moments >= (moments.dtype.type(math.ceil(start)) if whole else start)
        return found.astype(np.int64)

    def containing(self, bucket: int) -> tuple[str, ...]:
        """Names of the windows that a row of this bucket lies in."""
        return self.names[:bucket]


def length(name: str) -> int:
    """Days of a window or horizon that has a start."""
    return int(name.removesuffix("d"))
