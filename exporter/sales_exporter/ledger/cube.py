"""Cubes: sparse counts over packed integer keys, the form in which the ledger keeps business facts.

A key packs its fields into one 64-bit integer, the first field in the highest bits. Keys are sorted, so a range of the
first field is a slice, and an addition of n changed cells costs n searches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Columns = dict[str, Ints]

WIDTHS = {
    "hour": 21, "day": 16, "channel": 16, "campaign": 16, "stage": 5, "origin": 5, "bucket": 9, "result": 3,
    "direction": 2, "kind": 2, "outcome": 3, "flag": 1, "name": 16, "version": 16, "bin": 14, "other": 16,
}
"""Bits of each kind of field: hours reach the year 2209, days 2149, names 65,535 of them."""


BLOCK_DAYS = 28
"""Days by which the past becomes coarse: whole weeks."""


@dataclass(frozen=True)
class Layout:
    """Name and fields of a cube; a field is its kind, or ``label:kind`` where a kind occurs twice.

    ``coarse`` says in which steps fields count once a cell is old: what no window looks into any more needs no hour.
    ``keeps`` are days that cells of this layout stay fine for longer than others. The first field of a layout with
    coarse ones is an hour or a day.
    """

    name: str
    fields: tuple[str, ...]
    coarse: tuple[tuple[str, int], ...] = ()
    keeps: int = 0

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names of the fields."""
        return tuple(one.partition(":")[0] for one in self.fields)

    @cached_property
    def _shifts(self) -> tuple[tuple[str, int, int], ...]:
        widths = [WIDTHS[one.rpartition(":")[2]] for one in self.fields]
        if sum(widths) > 63:
            raise ValueError(f"cube {self.name}: {sum(widths)} bits do not fit into a key")
        return tuple((label, sum(widths[i + 1 :]), (1 << widths[i]) - 1) for i, label in enumerate(self.labels))

    def pack(self, **columns: ArrayLike) -> Ints:
        """Keys of columns of equal length; values beyond a field's width are cut to its greatest."""
        key: Ints = np.zeros(1, dtype=np.int64)
        for label, shift, most in self._shifts:
            # Of short columns, which are most, numpy's clip costs five times these two.
            key = key | (np.minimum(np.maximum(np.asarray(columns[label], dtype=np.int64), 0), most) << shift)
        return key

    def unpack(self, keys: Ints) -> Columns:
        """Columns of keys."""
        return {label: (keys >> shift) & most for label, shift, most in self._shifts}

    def edge(self, grain: int) -> int:
        """The smallest key that is not coarse; ``grain`` is the day since 1970 before which cells are old."""
        if not self.coarse:
            return 0
        day = max(0, grain - self.keeps) // BLOCK_DAYS * BLOCK_DAYS
        return self.least(day * 24 if self.fields[0] == "hour" else day)

    def coarsened(self, tally: Tally, grain: int) -> Tally:
        """The same counts with those before the edge in coarse steps. Linear: of a difference it is the difference."""
        old = int(np.searchsorted(tally.keys, self.edge(grain)))
        if not old:
            return tally
        columns = self.unpack(tally.keys[:old])
        for label, step in self.coarse:
            columns[label] = columns[label] // step * step
        return Tally.of(np.concatenate([self.pack(**columns), tally.keys[old:]]), tally.counts)

    def least(self, first: int) -> int:
        """The smallest key whose first field is at least ``first``."""
        _, shift, most = self._shifts[0]
        return min(max(first, 0), most + 1) << shift


    def read(self, tally: Tally, since: int | None = None, until: int | None = None) -> tuple[Columns, Ints]:
        """Columns and counts of the cells of a tally whose first field is in ``[since, until)``."""
        low = 0 if since is None else int(np.searchsorted(tally.keys, self.least(since)))
        high = len(tally) if until is None else int(np.searchsorted(tally.keys, self.least(until)))
        return self.unpack(tally.keys[low:high]), tally.counts[low:high].astype(np.int64)


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of distinct ascending keys; the form of additions to a cube."""

    keys: Ints
    counts: Ints

    @classmethod
    def of(cls, keys: Ints, counts: Ints | None = None) -> Tally:
        """Keys counted, or their counts added up; keys that come to 0 are left out."""
        if not len(keys):
            return NOTHING
        order = None if counts is None else np.argsort(keys, kind="stable")
        ranked = np.sort(keys) if order is None else keys[order]
        starts = np.flatnonzero(np.concatenate([_FIRST, ranked[1:] != ranked[:-1]]))
        if counts is None or order is None:
            return cls(ranked[starts], np.diff(starts, append=len(ranked)).astype(np.int64))
        sums = np.add.reduceat(counts[order].astype(np.int64, copy=False), starts)
        kept = sums != 0
        return cls(ranked[starts[kept]], sums[kept])

    def plus(self, other: Tally, sign: int = 1) -> Tally:
        """The sum, or with ``sign`` -1 the difference, of two tallies."""
        counts = np.concatenate([self.counts, sign * other.counts.astype(np.int64)])
        return Tally.of(np.concatenate([self.keys, other.keys]), counts)

    def __len__(self) -> int:
        return len(self.keys)


_FIRST = np.ones(1, dtype=np.bool_)
NOTHING = Tally(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


@dataclass(slots=True)
class Cube:
    """The counts of one layout. Cells that come to 0 go."""

    layout: Layout
    tally: Tally = field(default=NOTHING)

    def __post_init__(self) -> None:
        self.tally = Tally(self.tally.keys, self.tally.counts.astype(narrowest(self.tally.counts)))

    def add(self, change: Tally) -> None:
        """Add counts (which may be negative)."""
        if not len(change):
            return
        keys, counts = self.tally.keys, self.tally.counts
        places = np.searchsorted(keys, change.keys)
        known = np.zeros(len(change), dtype=bool)
        inside = places < len(keys)
        known[inside] = keys[places[inside]] == change.keys[inside]
        mine = places[known]
        sums = counts[mine].astype(np.int64) + change.counts[known]
        wide = np.promote_types(counts.dtype, narrowest(np.concatenate([sums, change.counts[~known]])))
        # Readers in other threads keep the arrays that they hold: a pass of theirs sees one state.
        counts = counts.astype(wide)
        counts[mine] = sums
        gone = mine[sums == 0]
        if not known.all():
            fresh = ~known
            # Places are those before anything is added or taken away.
            gone = gone + np.searchsorted(places[fresh], gone, side="right")
            keys = np.insert(keys, places[fresh], change.keys[fresh])
            counts = np.insert(counts, places[fresh], change.counts[fresh])
        if len(gone):
            keys, counts = np.delete(keys, gone), np.delete(counts, gone)
        self.tally = Tally(keys, counts)

    def read(self, since: int | None = None, until: int | None = None) -> tuple[Columns, Ints]:
        """Columns and counts of the cells whose first field is in ``[since, until)``."""
        return self.layout.read(self.tally, since, until)


def narrowest(column: NDArray[Any]) -> np.dtype[Any]:
    """The narrowest type of whole numbers, with a sign if the column has one, that holds a column."""
    least, most = int(column.min(initial=0)), int(column.max(initial=0))
    if column.dtype.kind == "u":
        return np.min_scalar_type(most)
    # A signed type that holds the negative of one more holds both ends.
    return np.min_scalar_type(min(least, -most - 1))


Changes = Mapping[str, Tally]
"""Additions by name of the cube."""
