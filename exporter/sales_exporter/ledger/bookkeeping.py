"""Books within the ledger: revised together, replaced by a part that is read again, compared with a reading anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sales_exporter.ledger.book import KEY, Book, Pages, Revision
from sales_exporter.ledger.cube import NOTHING, Tally
from sales_exporter.ledger.source import Moment, Names, Reading, Reads, Source

_BOOK = "book:"


def revised(
    books: Mapping[str, Book], revisions: Mapping[str, Revision]
) -> tuple[dict[str, Book], dict[str, Pages]]:
    """The books that are revised, and their pages that differ."""
    found = {name: books[name].revised(revision) for name, revision in revisions.items()}
    return {name: book for name, (book, _) in found.items()}, {name: pages for name, (_, pages) in found.items()}


def extended(
    books: Mapping[str, Book], revisions: Mapping[str, Revision]
) -> tuple[dict[str, Book], dict[str, Pages]]:
    """The same for books that nobody reads yet, with records that are mostly new and none that is gone."""
    found = {name: books[name].extended(revision.records) for name, revision in revisions.items()}
    return {name: book for name, (book, _) in found.items()}, {name: pages for name, (_, pages) in found.items()}


def kept(reads: Reads) -> dict[str, Tally]:
    """What an inexact source remembers of a part: its cells, and the keys of its records."""
    keys = {_BOOK + name: Tally.of(revision.records[KEY]) for name, revision in reads.books.items()}
    return {**reads.cells, **keys}


def in_place(reads: Reads, before: Mapping[str, Tally]) -> Reads:
    """The change that puts what was read of a part in the place of what it was before."""
    cells = {name: tally for name, tally in before.items() if not name.startswith(_BOOK)}
    change = reads.minus(Reads(cells))
    books = {}
    for name, revision in reads.books.items():
        gone = np.setdiff1d(before.get(_BOOK + name, NOTHING).keys, revision.records[KEY])
        books[name] = Revision(revision.records, gone)
    return replace(change, books=books)


async def compared(
    source: Source, held: Mapping[str, Book], fresh: Mapping[str, Book], db: Reading, moment: Moment, names: Names
) -> dict[str, int]:
    """Records that differ between books of a moment and what was read since, up to this reading.

    A book has no past: what changed after the moment is left out, it differs rightly.
    """
    changed = list(await source.touched(db, moment.snapshot, moment.cutoff)) if moment.snapshot else []
    later = await source.read(db, changed, moment, names) if changed else Reads({})
    found = {}
    for name, book in fresh.items():
        revision = later.books.get(name)
        keys = NOTHING.keys if revision is None else np.union1d(revision.records[KEY], revision.gone)
        found[name] = held[name].without(keys).differences(book.without(keys))
    return found
