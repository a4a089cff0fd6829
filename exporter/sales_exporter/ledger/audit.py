"""The audit: cells against a recomputation, sampled each hour, or all of them on demand."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sales_exporter.ledger.book import KEY, Book
from sales_exporter.ledger.bookkeeping import compared
from sales_exporter.ledger.cube import NOTHING, Layout, Tally
from sales_exporter.ledger.fill import Readers, recompute, rewrite
from sales_exporter.ledger.ledger import Ledger
from sales_exporter.ledger.source import Part
from sales_exporter.ledger.state import State

EVERY = 3600.0
"""Seconds between two sampled audits."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Cells of one source that differ from a recomputation, by cube."""

    source: str
    cells: Mapping[str, int]
    compared: int

    @property
    def total(self) -> int:
        """All cells that differ."""
        return sum(self.cells.values())

    def with_records(self, books: Mapping[str, int], compared: int) -> Difference:
        """With the records that differ, by book."""
        wrong = {name: n for name, n in books.items() if n}
        return Difference(self.source, {**self.cells, **wrong}, self.compared + compared)


def differences(source: str, kept: Mapping[str, Tally], fresh: Mapping[str, Tally]) -> Difference:
    """Cells that differ, a cell that only one side has included."""
    wrong = {name: len(kept[name].plus(fresh[name], -1)) for name in kept}
    compared = sum(max(len(kept[name]), len(fresh[name])) for name in kept)
    return Difference(source, {name: n for name, n in wrong.items() if n}, compared)


@dataclass(slots=True)
class Audit:
    """The sampled audit of a running ledger: each hour one part of each source, compared in the cells that it alone
    makes."""

    mismatches: dict[str, int] = field(default_factory=dict)
    found: dict[tuple[str, int], int] = field(default_factory=dict)
    """The most cells that differed, by source and number of its fills."""
    done: dict[str, float] = field(default_factory=dict)
    """When each source was last audited, in epoch seconds."""

    async def step(self, ledger: Ledger, readers: Readers, now: float) -> bool:
        """Audit the next source that is due; False when none is."""
        for name, state in ledger.states.items():
            # The first one comes an interval after the fill, which is a recomputation itself.
            if state.ready and now - self.done.setdefault(name, now) >= EVERY:
                self.done[name] = now
                found = await sampled(ledger, state, readers)
                # The next sample is another part: what was found stays told until the source is filled anew.
                key = (name, state.rebuilds)
                self.found[key] = max(found.total, self.found.get(key, 0))
                self.mismatches[name] = self.found[key]
                return True
        return False


async def sampled(ledger: Ledger, state: State, readers: Readers) -> Difference:
    """Compare the cells that one part of a source, drawn at random, makes alone.

    Parts are ranges of a thing's first moment. Cubes by that moment (``births``) are compared between the part's
    edges; the others, to which every part adds, are for the full audit.
    """
    source = state.source
    moment, kept, parts = ledger.frozen(source.name)
    grain = ledger.grain(source.name)
    part = Part(*random.choice(parts)) if parts else Part(None, None)  # noqa: S311  (no secret)
    books = ledger.books(source.name)
    async with readers() as db:
        reads = await source.read(db, part, moment, ledger.names)
        fresh_books = {name: Book.of(books[name].layout, one.records) for name, one in reads.books.items()}
        # What the book has and the part has not is for the full audit: a record does not say of which part it is.
        own = {name: books[name].only(book.records[KEY]) for name, book in fresh_books.items()}
        records = await compared(source, own, fresh_books, db, moment, ledger.names)
    # What has become coarse is shared by several parts.
    spans = {layout.name: inner(layout, reads.cells.get(layout.name, NOTHING), layout.edge(grain))
             for layout in source.births}
    fresh = {name: between(reads.cells.get(name, NOTHING), *edges) for name, edges in spans.items()}
    found = differences(source.name, {name: between(kept[name], *edges) for name, edges in spans.items()}, fresh)
    return found.with_records(records, sum(len(book.records) for book in fresh_books.values()))


def inner(layout: Layout, tally: Tally, edge: int = 0) -> tuple[int, int]:
    """The range of keys whose first field lies between the least and the greatest of the tally, neither included, as
    far as it is not below the edge.

    Those two hours or days may be shared with the neighbouring parts.
    """
    if not len(tally):
        return 0, 0
    first = layout.unpack(tally.keys[[0, -1]])[layout.labels[0]]
    return max(edge, layout.least(int(first[0]) + 1)), layout.least(int(first[1]))


async def full(ledger: Ledger, name: str, readers: Readers, progress: Callable[[int, int], None]) -> Difference:
    """Compare all cells of a source, as of its mark."""
    moment, kept, _ = ledger.frozen(name)
    grain = ledger.grain(name)
    books, source = ledger.books(name), ledger.states[name].source
    cubes = await recompute(source, readers, moment, ledger.names, progress)
    fresh = await rewrite(source, readers, moment, ledger.names, progress)
    async with readers() as db:
        records = await compared(source, books, fresh, db, moment, ledger.names)
    found = differences(name, kept, {cube: one.layout.coarsened(one.tally, grain) for cube, one in cubes.items()})
    return found.with_records(records, sum(len(book.records) for book in fresh.values()))


def between(tally: Tally, low: int, high: int) -> Tally:
    """The cells with keys in ``[low, high)``."""
    inside = (tally.keys >= low) & (tally.keys < high)
    return Tally(tally.keys[inside], tally.counts[inside])
