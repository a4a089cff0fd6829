"""Books: one compact record for each thing that changes and is worth much, where cells would lose what changed.

The old contribution of a changed row is not in the database any more; with its record here it need not be, and a
median stays exact. A key is a 64-bit hash, so that no text is kept: among a million keys two are equal with a
probability of 3 in 100 million.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sales_exporter.ledger.calendar import Ints

Records = NDArray[Any]
"""A structured array; its first field is the key."""
Pages = Mapping[int, bytes]
"""Pages by number, as they are stored; an empty one is gone."""
PAGE_BYTES = 4032
"""What fits into one page of the state on disk (4,096 bytes), which SQLite writes whole for a single record anyway."""
KEY = "key"


@dataclass(frozen=True)
class BookLayout:
    """Name and fields of a book: names and numpy types, packed without gaps behind the key."""

    name: str
    fields: tuple[tuple[str, str], ...]

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The type of a record."""
        return np.dtype([(KEY, "<i8"), *self.fields])

    @cached_property
    def page(self) -> int:
        """Records of a page."""
        return PAGE_BYTES // self.dtype.itemsize

    def records(self, keys: Ints, **columns: Any) -> Records:
        """Records from columns of equal length."""
        made = np.zeros(len(keys), dtype=self.dtype)
        made[KEY] = keys
        for name, _ in self.fields:
            made[name] = columns[name]
        return made


@dataclass(frozen=True, slots=True)
class Revision:
    """Records to put in, in place of those with the same keys, and keys to strike out."""

    records: Records
    gone: Ints

    def plus(self, later: Revision) -> Revision:
        """Both, the later one prevailing."""
        struck = np.setdiff1d(self.gone, later.records[KEY])
        kept = self.records[~np.isin(self.records[KEY], later.gone)] if len(later.gone) else self.records
        return Revision(np.concatenate([kept, later.records]), np.union1d(struck, later.gone))


@dataclass(frozen=True, slots=True)
class Book:
    """The records of a book, in no order, and their places in ascending order of the keys.

    A book does not change: a revision makes another one, so that a reader in another thread sees one state.
    """

    layout: BookLayout
    records: Records
    order: NDArray[np.uint32]

    @classmethod
    def of(cls, layout: BookLayout, records: Records | None = None) -> Book:
        """A book of these records, whose keys differ."""
        kept = np.zeros(0, dtype=layout.dtype) if records is None else records
        return cls(layout, kept, np.argsort(kept[KEY], kind="stable").astype(np.uint32))

    def revised(self, revision: Revision) -> tuple[Book, dict[int, bytes]]:
        """The book after a revision, and the pages that differ."""
        # Of records with one key the last one counts.
        keys, last = np.unique(revision.records[KEY][::-1], return_index=True)
        fresh = revision.records[::-1][last]
        fewer, moved = self._without(np.setdiff1d(revision.gone, keys))
        book, changed = fewer._with(fresh)
        return book, book._pages(np.concatenate([moved, changed]), len(self.records))

    def put(self, records: Records) -> None:
        """Overwrite records that are there in place: for a book that nobody else reads.

        Raises:
            ValueError: one of them is not there.
        """
        found, known = self._find(records[KEY])
        if not known.all():
            raise ValueError(f"book {self.layout.name} lacks a record that is to be overwritten")
        self.records[self.order[found]] = records

    def differences(self, other: Book) -> int:
        """How many records one of the two has and the other has not, or has otherwise."""
        mine, theirs = self.records[self.order], other.records[other.order]
        _, here, there = np.intersect1d(mine[KEY], theirs[KEY], assume_unique=True, return_indices=True)
        equal = int(np.count_nonzero(mine[here] == theirs[there]))
        return len(mine) + len(theirs) - len(here) - equal

    def without(self, keys: Ints) -> Book:
        """The book without these keys."""
        return self._without(keys)[0]

    def only(self, keys: Ints) -> Book:
        """The records with these keys that there are."""
        return Book.of(self.layout, self.records[np.isin(self.records[KEY], keys)])

    def _without(self, keys: Ints) -> tuple[Book, Ints]:
        """Without these keys: the records at the end move into the gaps. Also the places that hold another record."""
        found, known = self._find(keys)
        if not known.any():
            return self, np.zeros(0, dtype=np.int64)
        struck = found[known]
        places = self.order[struck].astype(np.int64)
        order = np.delete(self.order, struck)
        left = len(self.records) - len(places)
        gaps = places[places < left]
        moving = np.setdiff1d(np.arange(left, len(self.records)), places)
        records = self.records.copy()
        records[gaps] = records[moving]
        # Only the entries of the moved records lie beyond the end now.
        beyond = np.flatnonzero(order >= left)
        order[beyond] = gaps[np.searchsorted(moving, order[beyond])]
        return Book(self.layout, records[:left].copy(), order), gaps

    def _with(self, fresh: Records) -> tuple[Book, Ints]:
        """With these records, ascending by key. Also the places of those that differ."""
        if not len(fresh):
            return self, np.zeros(0, dtype=np.int64)
        found, known = self._find(fresh[KEY])
        places = self.order[found[known]].astype(np.int64)
        differ = self.records[places] != fresh[known]
        if not differ.any() and known.all():
            return self, np.zeros(0, dtype=np.int64)
        added = len(self.records) + np.arange(len(fresh) - len(places))
        records = np.concatenate([self.records, fresh[~known]])
        records[places[differ]] = fresh[known][differ]
        order = np.insert(self.order, found[~known], added.astype(np.uint32))
        return Book(self.layout, records, order), np.concatenate([places[differ], added])

    def _find(self, keys: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Positions of keys in the order, where they are or belong, and whether they are there."""
        held = np.ascontiguousarray(self.records[KEY])
        found = np.searchsorted(held, keys, sorter=self.order)
        known = np.zeros(len(keys), dtype=bool)
        inside = found < len(held)
        known[inside] = held[self.order[found[inside]]] == keys[inside]
        return found, known

    def _pages(self, places: Ints, before: int) -> dict[int, bytes]:
        """The pages that hold these places, and those behind the new end up to the end before."""
        size, page = len(self.records), self.layout.page
        numbers = np.unique(places[places < size] // page).tolist()
        if before > size and size % page:
            numbers.append(size // page)
        pages = {number: self.records[number * page : (number + 1) * page].tobytes() for number in numbers}
        return pages | dict.fromkeys(range(-(-size // page), -(-before // page)), b"")


def from_pages(layout: BookLayout, pages: list[bytes]) -> Records:
    """Records of the pages in order."""
    return np.frombuffer(b"".join(pages), dtype=layout.dtype)
