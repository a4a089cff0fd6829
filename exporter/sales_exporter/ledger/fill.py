"""A source computed whole, part by part: all its cells, or all its books, from scratch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from sales_exporter.ledger.book import Book
from sales_exporter.ledger.bookkeeping import extended
from sales_exporter.ledger.cube import Cube
from sales_exporter.ledger.source import Moment, Names, Reading, Reads, Source

Readers = Callable[[], AbstractAsyncContextManager[Reading]]
"""Opens a reading: one transaction, of a length that the caller decides."""


async def recompute(
    source: Source, readers: Readers, moment: Moment, names: Names, progress: Callable[[int, int], None]
) -> dict[str, Cube]:
    """All cells of a source from scratch, part by part."""
    cubes = {layout.name: Cube(layout) for layout in source.layouts}
    if cubes:
        async for reads in _whole(source, readers, moment, names, progress):
            for name, tally in reads.cells.items():
                cubes[name].add(tally)
    return cubes


async def rewrite(
    source: Source, readers: Readers, moment: Moment, names: Names, progress: Callable[[int, int], None]
) -> dict[str, Book]:
    """All books of a source from scratch, part by part."""
    books = {layout.name: Book.of(layout) for layout in source.books}
    if books:
        async for reads in _whole(source, readers, moment, names, progress):
            books |= (await asyncio.to_thread(extended, books, reads.books))[0]
    return books


async def _whole(
    source: Source, readers: Readers, moment: Moment, names: Names, progress: Callable[[int, int], None]
) -> AsyncIterator[Reads]:
    async with readers() as db:
        parts = await source.parts(db)
    for done, part in enumerate(parts, 1):
        async with readers() as db:
            yield await source.read(db, part, moment, names)
        progress(done, len(parts))
