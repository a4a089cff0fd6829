"""What collectors see of the ledger: counts by named labels, over a range of hours or days."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from sales_exporter.ledger.book import Book, BookLayout, Records
from sales_exporter.ledger.calendar import Ints
from sales_exporter.ledger.cells import Cells, Key
from sales_exporter.ledger.cube import NOTHING, Columns, Cube, Layout, Tally
from sales_exporter.ledger.scheme import Scheme
from sales_exporter.ledger.source import Names

NONE = "(none)"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class View:
    """The cells of one state of the ledger. Later folds do not change it."""

    scheme: Scheme = field(default_factory=lambda: Scheme((), ()))
    names: Names = field(default_factory=Names)
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    ready: frozenset[str] = frozenset()
    """Sources that are filled."""
    books: Mapping[str, Records] = field(default_factory=dict)
    _found: dict[str, tuple[float, Any]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, name: str, now: float, compute: Callable[[], T]) -> T:
        """What is computed from this state under a name at a moment: what two collectors need is computed for both.

        The newest moment is kept. It must not hold the view, which would then outlive its pass. Two threads at the
        same time may both compute it.
        """
        found = self._found.get(name)
        if found is None or found[0] != now:
            found = self._found[name] = now, compute()
        value: T = found[1]
        return value

    def joined(self, source: str, cubes: Mapping[str, Cube], books: Mapping[str, Book] | None = None) -> View:
        """With the cells and records of one more source."""
        more = {name: cube.tally for name, cube in cubes.items()}
        written = {name: book.records for name, book in (books or {}).items()}
        return replace(
            self, tallies={**self.tallies, **more}, ready=self.ready | {source}, books={**self.books, **written})

    def book(self, layout: BookLayout) -> Records:
        """All records of a book, in no order. Nobody changes them."""
        found = self.books.get(layout.name)
        return Records.blank(layout, 0) if found is None else found

    def read(self, layout: Layout, since: int | None = None, until: int | None = None) -> tuple[Columns, Ints]:
        """Columns (numbers) and counts of the cells whose first field is in ``[since, until)``."""
        return layout.read(self.tallies.get(layout.name, NOTHING), since, until)

    def cells(self, layout: Layout, *by: str, since: int | None = None, until: int | None = None) -> Cells:
        """Counts by labels, added up over all other fields, of the cells in ``[since, until)``."""
        columns, counts = self.read(layout, since, until)
        return self.labelled(columns, counts, *by)

    def labelled(self, columns: Columns, counts: Ints, *by: str) -> Cells:
        """Counts by labels from columns of numbers: names and stages come as their texts, the rest as digits."""
        if not by:
            return Cells((), {(): float(counts.sum())} if len(counts) else {})
        if not len(counts):
            return Cells(by, {})
        codes, sizes = _joint([columns[label] for label in by])
        present, sums = _sums(codes, counts, int(np.prod(sizes, dtype=object)))
        found: dict[Key, float] = {}
        numbers = np.unravel_index(present, sizes)
        texts = [self._texts(label, column) for label, column in zip(by, numbers, strict=True)]
        for key, total in zip(zip(*texts, strict=True), sums.tolist(), strict=True):
            found[key] = found.get(key, 0.0) + total
        return Cells(by, found)

    def _texts(self, label: str, numbers: Ints) -> list[str]:
        known = {number: self.label(label, number) for number in np.unique(numbers).tolist()}
        return [known[number] for number in numbers.tolist()]

    def label(self, field_name: str, number: int) -> str:
        """The text of a number in a field."""
        if field_name in _STAGES:
            return self.scheme.stages[number]
        if field_name in _NAMES:
            return self.names.text(number) or NONE
        return str(number)


def _joint(columns: list[Ints]) -> tuple[Ints, tuple[int, ...]]:
    """One number for each combination of columns, and the size of each column's range."""
    sizes = tuple(int(column.max()) + 1 for column in columns)
    return np.ravel_multi_index(tuple(columns), sizes).astype(np.int64), sizes


def _sums(codes: Ints, counts: Ints, most: int) -> tuple[Ints, Ints]:
    """Codes that occur, ascending, with their counts added up."""
    if most <= _DENSE:
        sums = np.bincount(codes, weights=counts, minlength=0)
        present = np.flatnonzero(np.bincount(codes))
        return present, sums[present]
    tally = Tally.of(codes, counts)
    return tally.keys, tally.counts


_DENSE = 4_000_000
_STAGES = frozenset({"stage", "to"})
_NAMES = frozenset({"channel", "campaign", "rep", "model", "version", "currency", "agent", "path"})
