"""The definitions that cells depend on: stages, days and duration buckets. A change of one makes other cells."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sales_exporter.ledger.calendar import SECOND, Calendar, Ints
from sales_exporter.ledger.cube import BLOCK_DAYS

VERSION = 1
"""Raised whenever cells mean something else, so that states of an older release are rebuilt."""
MARGIN_DAYS = 30
"""Days that cells stay fine beyond the longest window."""
SHORTEST, RATIO, LONGEST = 60.0, 1.05, 63_072_000.0


def _edges() -> NDArray[np.float64]:
    steps = np.arange(np.ceil(np.log(LONGEST / SHORTEST) / np.log(RATIO)) + 1)
    return np.minimum(SHORTEST * RATIO**steps, LONGEST)


EDGES = _edges()
"""Edges of the duration buckets in seconds, 1 min to 2 years, each 5 % above the last: bucket 0 is below the first
edge, bucket k from edge k - 1 to below edge k, the last bucket open."""


@dataclass(frozen=True)
class Scheme:
    """Stages in order with their kinds (open, won, lost), and the reporting time zone."""

    stages: tuple[str, ...]
    kinds: tuple[str, ...]
    zone: str = "UTC"
    longest: int = 90
    """Days of the longest window that is looked into."""

    @cached_property
    def calendar(self) -> Calendar:
        """Days of the zone."""
        return Calendar(self.zone)

    @cached_property
    def path(self) -> tuple[int, ...]:
        """Codes of the stages that lead to won, in order."""
        return tuple(code for code, kind in enumerate(self.kinds) if kind != "lost")

    @cached_property
    def places(self) -> Ints:
        """Place on the path by stage code, -1 for a stage off it."""
        places = np.full(len(self.stages), -1, dtype=np.int64)
        places[list(self.path)] = np.arange(len(self.path))
        return places

    def grain(self, now: float) -> int:
        """The day before which cells are coarse at a moment: it moves on in blocks, so that few days rewrite cells."""
        return (self.calendar.day(now) - self.longest - MARGIN_DAYS) // BLOCK_DAYS * BLOCK_DAYS

    def of_kind(self, kind: str) -> tuple[int, ...]:
        """Codes of the stages of one kind."""
        return tuple(code for code, one in enumerate(self.kinds) if one == kind)

    @property
    def digest(self) -> str:
        """Hash of everything that decides what a cell means."""
        facts = {**asdict(self), "version": VERSION, "edges": EDGES.tolist()}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def buckets(durations: Ints) -> Ints:
    """Duration buckets of lengths of time in microseconds; a negative one counts as 0."""
    return np.searchsorted(_MICROSECONDS, np.maximum(durations, 0), side="right").astype(np.int64)


def middle(bucket: Ints) -> NDArray[np.float64]:
    """A representative duration of buckets in seconds: the geometric middle; half the first edge, and the last edge."""
    lower = np.concatenate([[EDGES[0] / 4], EDGES])
    upper = np.concatenate([EDGES, [EDGES[-1]]])
    found: NDArray[np.float64] = np.sqrt(lower * upper)[bucket]
    return found


_MICROSECONDS = np.round(EDGES * SECOND).astype(np.int64)
