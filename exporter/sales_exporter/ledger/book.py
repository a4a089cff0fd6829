"""Books: one compact record for each thing that changes and is worth much, where cells would lose what changed.

The old contribution of a changed row is not in the database any more; with its record here it need not be, and a
median stays exact. A key is a 64-bit hash, so that no text is kept: among a million keys two are equal with a
probability of 3 in 100 million. In memory each field is an array of its own: what looks at one field of a million
records reads nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sales_exporter.ledger.calendar import Ints
from sales_exporter.ledger.cube import narrowest

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
        """The type of a record in a page."""
        return np.dtype([(KEY, "<i8"), *self.fields])

    @cached_property
    def page(self) -> int:
        """Records of a page."""
        return PAGE_BYTES // self.dtype.itemsize

    def records(self, keys: Ints, **columns: Any) -> Records:
        """Records from columns of equal length; a single value is that of all."""
        made = Records.blank(self, len(keys))
        for name, column in made.columns.items():
            column[:] = keys if name == KEY else columns[name]
        return made


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Records by column; the first column is the key. A column may be of a narrower type than a page has it in."""

    layout: BookLayout
    columns: dict[str, NDArray[Any]]

    @classmethod
    def blank(cls, layout: BookLayout, size: int) -> Records:
        """So many records of zeros."""
        dtype = layout.dtype
        return cls(layout, {name: np.zeros(size, dtype=dtype[name]) for name in dtype.names or ()})

    def __len__(self) -> int:
        return len(self.columns[KEY])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def take(self, which: NDArray[Any]) -> Records:
        """Those of a mask or at these places."""
        return Records(self.layout, {name: column[which] for name, column in self.columns.items()})

    def plus(self, more: Records) -> Records:
        """Both, one after the other."""
        return Records(self.layout, {
            name: np.concatenate([column, more[name]]) for name, column in self.columns.items()})

    def same(self, other: Records) -> NDArray[np.bool_]:
        """Which records equal those of another that are as many."""
        return np.asarray(np.logical_and.reduce([column == other[name] for name, column in self.columns.items()]))

    def narrow(self) -> Records:
        """The same, each column of whole numbers in the narrowest type that holds it."""
        return Records(self.layout, {name: column.astype(narrowest(column)) for name, column in self.columns.items()})

    def packed(self, start: int, end: int) -> bytes:
        """Records as a page has them."""
        part = slice(start, end)
        packed = np.empty(len(self[KEY][part]), dtype=self.layout.dtype)
        for name, column in self.columns.items():
            packed[name] = column[part]
        return packed.tobytes()


@dataclass(frozen=True, slots=True)
class Revision:
    """Records to put in, in place of those with the same keys, and keys to strike out."""

    records: Records
    gone: Ints

    def plus(self, later: Revision) -> Revision:
        """Both, the later one prevailing."""
        struck = np.setdiff1d(self.gone, later.records[KEY])
        kept = self.records.take(~np.isin(self.records[KEY], later.gone)) if len(later.gone) else self.records
        return Revision(kept.plus(later.records), np.union1d(struck, later.gone))


@dataclass(frozen=True, slots=True)
class Book:
    """The records of a book, in no order, and their places in ascending order of the keys.

    A book does not change: a revision makes another one, so that a reader in another thread sees one state. Columns
    in which the two do not differ are the same arrays.
    """

    layout: BookLayout
    records: Records
    order: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.order)

    @classmethod
    def of(cls, layout: BookLayout, records: Records | None = None) -> Book:
        """A book of these records, whose keys differ."""
        kept = (Records.blank(layout, 0) if records is None else records).narrow()
        return cls(layout, kept, np.argsort(kept[KEY], kind="stable").astype(np.uint32))

    def revised(self, revision: Revision) -> tuple[Book, dict[int, bytes]]:
        """The book after a revision, and the pages that differ."""
        # Of records with one key the last one counts.
        keys, last = np.unique(revision.records[KEY][::-1], return_index=True)
        fresh = revision.records.take(len(revision.records) - 1 - last)
        fewer, moved = self._without(np.setdiff1d(revision.gone, keys))
        book, changed = fewer._with(fresh)
        return book, book._pages(np.concatenate([moved, changed]), len(self))

    def places(self, keys: Ints) -> Ints:
        """Where the records with these keys are, until a revision.

        Raises:
            ValueError: one of them is not there.
        """
        found, known = self._find(keys)
        if not known.all():
            raise ValueError(f"book {self.layout.name} lacks a record that is to be overwritten")
        return self.order[found].astype(np.int64)

    def put(self, places: Ints, records: Records) -> None:
        """Overwrite the records at places, of the same keys, in place: for a book that nobody else reads."""
        for name, column in self.records.columns.items():
            wide = _holding(column, records[name])
            wide[places] = records[name]
            self.records.columns[name] = wide

    def extended(self, fresh: Records) -> tuple[Book, dict[int, bytes]]:
        """As ``revised`` with records that are new, but their columns grow in place instead of being copied.

        For a first fill, in which nobody reads the book yet. This book stays good: it does not see what lies behind
        its end.
        """
        keys = np.sort(fresh[KEY])
        if (len(keys) > 1 and not np.diff(keys).all()) or self._find(keys)[1].any():
            return self.revised(Revision(fresh, np.zeros(0, dtype=np.int64)))
        size, more = len(self), len(fresh)
        order = np.argsort(fresh[KEY], kind="stable")
        columns = {}
        for name, column in self.records.columns.items():
            columns[name] = grown = _holding(column, fresh[name])
            grown.resize(size + more, refcheck=False)
            grown[size:] = fresh[name]
        book = Book(self.layout, Records(self.layout, columns),
                    np.insert(self.order, self._find(keys)[0], (size + order).astype(np.uint32)))
        return book, book._pages(np.arange(size, size + more), size)

    def differences(self, other: Book) -> int:
        """How many records one of the two has and the other has not, or has otherwise."""
        mine, theirs = self.records, other.records
        _, here, there = np.intersect1d(mine[KEY], theirs[KEY], assume_unique=True, return_indices=True)
        equal = int(np.count_nonzero(mine.take(here).same(theirs.take(there))))
        return len(mine) + len(theirs) - len(here) - equal

    def without(self, keys: Ints) -> Book:
        """The book without these keys."""
        return self._without(keys)[0]

    def only(self, keys: Ints) -> Book:
        """The records with these keys that there are."""
        return Book.of(self.layout, self.records.take(np.isin(self.records[KEY], keys)))

    def _without(self, keys: Ints) -> tuple[Book, Ints]:
        """Without these keys: the records at the end move into the gaps. Also the places that hold another record."""
        found, known = self._find(keys)
        if not known.any():
            return self, np.zeros(0, dtype=np.int64)
        struck = found[known]
        places = self.order[struck].astype(np.int64)
        order = np.delete(self.order, struck)
        left = len(self) - len(places)
        gaps = places[places < left]
        moving = np.setdiff1d(np.arange(left, len(self)), places)
        records = {name: column[:left].copy() for name, column in self.records.columns.items()}
        for name, column in records.items():
            column[gaps] = self.records[name][moving]
        # Only the entries of the moved records lie beyond the end now.
        beyond = np.flatnonzero(order >= left)
        order[beyond] = gaps[np.searchsorted(moving, order[beyond])]
        return Book(self.layout, Records(self.layout, records), order), gaps

    def _with(self, fresh: Records) -> tuple[Book, Ints]:
        """With these records, ascending by key. Also the places of those that differ."""
        if not len(fresh):
            return self, np.zeros(0, dtype=np.int64)
        found, known = self._find(fresh[KEY])
        places = self.order[found[known]].astype(np.int64)
        there = fresh.take(known)
        differ = ~self.records.take(places).same(there)
        if not differ.any() and known.all():
            return self, np.zeros(0, dtype=np.int64)
        added = len(self) + np.arange(len(fresh) - len(places))
        records = self._overwritten(places[differ], there.take(differ), fresh.take(~known))
        order = np.insert(self.order, found[~known], added.astype(np.uint32)) if len(added) else self.order
        return Book(self.layout, records, order), np.concatenate([places[differ], added])

    def _overwritten(self, places: Ints, there: Records, added: Records) -> Records:
        """With other records at places and more behind; a column in which nothing differs stays the array it is."""
        made = {}
        for name, column in self.records.columns.items():
            if len(added):
                wide = _holding(_holding(column[: len(self)], there[name]), added[name])
                made[name] = np.concatenate([wide, added[name]], dtype=wide.dtype, casting="unsafe")
            else:
                wide = _holding(column, there[name])
                made[name] = column if np.array_equal(column[places], there[name]) else wide.copy()
            if made[name] is not column:
                made[name][places] = there[name]
        return Records(self.layout, made)

    def _find(self, keys: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Positions of keys in the order, where they are or belong, and whether they are there."""
        held, size = self.records[KEY], len(self)
        found = np.zeros(len(keys), dtype=np.int64)
        # By halves for all keys at once: numpy's own search would copy the whole order into wider numbers.
        for bit in reversed(range(size.bit_length())):
            trial = np.minimum(found + (1 << bit), size)
            found = np.where(held[self.order[trial - 1]] < keys, trial, found)
        known = found < size
        known[known] = held[self.order[found[known]]] == keys[known]
        return found, known

    def _pages(self, places: Ints, before: int) -> dict[int, bytes]:
        """The pages that hold these places, and those behind the new end up to the end before."""
        size, page = len(self), self.layout.page
        numbers = np.unique(places[places < size] // page).tolist()
        if before > size and size % page:
            numbers.append(size // page)
        pages = {number: self.records.packed(number * page, (number + 1) * page) for number in numbers}
        return pages | dict.fromkeys(range(-(-size // page), -(-before // page)), b"")


def _holding(column: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    """The column, as it is or as a copy of a wider type that holds these values too."""
    bounds = np.iinfo(column.dtype)
    if not len(values) or (bounds.min <= values.min() and values.max() <= bounds.max):
        return column
    return column.astype(np.promote_types(column.dtype, narrowest(values)))


def from_pages(layout: BookLayout, size: int, pages: Iterable[bytes]) -> Records:
    """So many records, from the pages in order."""
    made, done = Records.blank(layout, size), 0
    for page in pages:
        part = np.frombuffer(page, dtype=layout.dtype)
        for name, column in made.columns.items():
            column[done : done + len(part)] = part[name]
        done += len(part)
    return made
