"""The ledger: cells that equal a full recomputation, kept by folding what changed.

Each source has a mark, the snapshot and the cutoff that its cells belong to. A pass reads, in one transaction, what
the present snapshot sees and the mark's does not, takes the old contribution of the touched things away and adds the
new one, and stores cells and mark in one commit. Nothing is lost or taken twice however transactions interleave.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sales_exporter.ledger.book import Book
from sales_exporter.ledger.bookkeeping import extended, in_place, kept, revised
from sales_exporter.ledger.cube import Cube, Tally
from sales_exporter.ledger.fill import Readers
from sales_exporter.ledger.identity import Origin, beyond, origin
from sales_exporter.ledger.scheme import Scheme
from sales_exporter.ledger.source import Moment, Names, Part, Reading, Reads, Source
from sales_exporter.ledger.sources import discover
from sales_exporter.ledger.state import State, finished
from sales_exporter.ledger.store import Commit, Mark, Store
from sales_exporter.ledger.view import View

log = logging.getLogger(__name__)

MOST_TOUCHED = 50_000
"""Things that one pass folds at most: two seconds of a pass that may take five. More are read anew in the background,
where no deadline breaks them off again and again."""
REVISITED = 2
"""Parts at the end of an inexact source that each pass reads again, besides one more in turn."""


class Ledger:
    """All sources, their cells and their state on disk."""

    def __init__(self, scheme: Scheme, store: Store, relations: frozenset[str]) -> None:
        """Take over what the store holds; sources whose relations are not there are off."""
        self.scheme = scheme
        self.names = Names()
        self._store = store
        self._busy = asyncio.Lock()
        for number, name in store.names():
            self.names.adopt(number, name)
        for number, path in store.paths():
            self.names.paths.adopt(number, path)
        kinds = discover()
        self.states = {
            name: State(kind(scheme, relations)) for name, kind in kinds.items() if relations.issuperset(kind.reads)
        }
        for name, state in self.states.items():
            state.mark = store.mark(name)
            for layout in state.source.layouts:
                state.cubes[layout.name] = Cube(layout, store.cells(layout))
            for book in state.source.books:
                state.books[book.name] = Book.of(book, store.book(book))
        store.rest()

    @property
    def view(self) -> View:
        """The cells as they are now; sources that are being filled have none."""
        ready = {name: state for name, state in self.states.items() if state.ready}
        return View(
            self.scheme, self.names,
            {name: cube.tally for state in ready.values() for name, cube in state.cubes.items()}, frozenset(ready),
            {name: book.records for state in ready.values() for name, book in state.books.items()})

    async def fold(self, db: Reading, now: float) -> None:
        """Bring every source that is filled up to now; see to it that those which cannot stay as they are start anew.

        Raises:
            SourceError: (of the reading) the database did not answer; what was committed before stays.
        """
        async with self._busy:
            found = await origin(db)
            for state in self.states.values():
                await self._prepare(db, state, found, now)
                if state.ready:
                    await self._fold(db, state, found, now)

    async def idle(self) -> None:
        """Wait for the step that is under way."""
        async with self._busy:
            pass

    async def fill(self, readers: Readers) -> bool:
        """Fill one part of the first source that is not whole; False when all are.

        Raises:
            SourceError: (of the reading) the part is read again the next time.
        """
        # The one that failed the most comes last: a source that cannot be read holds no other up.
        for state in sorted(self.states.values(), key=lambda one: one.failures):
            if state.mark is not None and not state.ready:
                async with self._busy:
                    # A fold that went before may have found that it starts anew.
                    if state.mark is not None and not state.ready:
                        state.failures += 1
                        await self._fill(readers, state)
                        state.failures = 0
                return True
        return False

    async def strangers(self, db: Reading) -> list[str]:
        """Sources whose state was made from something else than this database, or under another definition."""
        found = await origin(db)
        return [name for name, state in self.states.items()
                if state.mark is not None and state.mark.identity != self._identity(state.source, found)]

    @staticmethod
    def _identity(source: Source, found: Origin) -> str:
        return found.identity({*source.reads, *source.uses}, source.definition)

    async def _prepare(self, db: Reading, state: State, found: Origin, now: float) -> None:
        """Start anew where the state on disk is of something else."""
        source, mark = state.source, state.mark
        relations = {*source.reads, *source.uses}
        identity = self._identity(source, found)
        told, state.reason = state.reason, found.inexact({*source.reads, *source.needs})
        restored = [] if state.reason else await beyond(db, relations & found.keyed)
        if restored:
            state.reason = f"rows of {', '.join(restored)} bear transactions of the future (restored dump)"
        if state.reason and state.reason != told:
            log.warning("source is not exact", extra={"source": source.name, "reason": state.reason})
        # Keys of a dump may come, and be set right, while the relations stay the same.
        if mark is not None and mark.identity == identity and mark.exact == (not state.reason):
            return
        if mark is not None:
            state.rebuilds += 1
            log.warning("ledger is rebuilt", extra={"source": source.name, "reason": "the source is another one"})
        parts = tuple((part.low, part.high) for part in await source.parts(db))
        mark = Mark(identity, found.snapshot, now, parts, 0, exact=not state.reason, grain=self.scheme.grain(now))
        await self._clear(state, mark)

    async def _fill(self, readers: Readers, state: State) -> None:
        """Read one part as the fill's snapshot saw it, and store that it is done."""
        mark = state.mark
        assert mark is not None
        assert mark.part is not None
        number = mark.part
        last = number + 1 >= len(mark.parts)
        next_mark = replace(mark, part=None if last else number + 1)
        if number < len(mark.parts):
            async with readers() as db:
                reads = await state.source.read(db, Part(*mark.parts[number]), self._moment(mark), self.names)
            keep = None if mark.exact else (number, kept(reads))
            await self._commit(state, reads, next_mark, part_cells=keep)
        else:
            await self._commit(state, Reads({}), next_mark)
        log.info("ledger is being filled", extra={
            "source": state.source.name, "part": min(number + 1, len(mark.parts)), "parts": len(mark.parts)})

    async def _fold(self, db: Reading, state: State, found: Origin, now: float) -> None:
        mark = state.mark
        assert mark is not None
        if self.scheme.grain(now) > mark.grain:
            mark = await self._coarsen(state, replace(mark, grain=self.scheme.grain(now)))
        if not mark.exact:
            await self._revisit(db, state, now)
            return
        new = replace(mark, snapshot=found.snapshot, cutoff=max(now, mark.cutoff))
        due = self._store.due(state.source.name, new.cutoff)
        keys = list(dict.fromkeys([*await state.source.touched(db, mark.snapshot, new.cutoff), *due]))
        if len(keys) > MOST_TOUCHED:
            await self.rebuild(state.source.name, f"{len(keys)} things changed since the last pass")
            return
        if not keys:
            # Cells of two marks between which nothing happened are equal: the disk may keep the older one.
            state.mark = new
            return
        began = time.monotonic()
        change = await self._changes(db, state.source, keys, mark, new)
        await self._commit(state, change, new, done=due)
        state.seconds = time.monotonic() - began

    async def _coarsen(self, state: State, mark: Mark) -> Mark:
        """Put the cells that have become old into coarse steps."""
        change = {}
        for name, cube in state.cubes.items():
            change[name] = cube.layout.coarsened(cube.tally, mark.grain).plus(cube.tally, -1)
        # These take fine cells away: made coarse as well, they would come to nothing.
        await self._commit(state, Reads(change), mark, as_they_are=True)
        return mark

    async def _changes(self, db: Reading, source: Source, keys: Sequence[str], old: Mark, new: Mark) -> Reads:
        total = Reads({})
        for start in range(0, len(keys), source.batch):
            batch = keys[start : start + source.batch]
            change = await source.change(db, batch, self._moment(old), Moment(new.cutoff), self.names)
            total = total.plus(change)
        return total

    async def _revisit(self, db: Reading, state: State, now: float) -> None:
        """The fall-back without a change key: read the newest parts again, and one older part in turn."""
        mark = state.mark
        assert mark is not None
        older = max(0, len(mark.parts) - REVISITED)
        chosen = [*range(older, len(mark.parts)), *([state.turn % older] if older else [])]
        state.turn += 1
        new = replace(mark, cutoff=now)
        for number in chosen:
            reads = await state.source.read(db, Part(*mark.parts[number]), Moment(now), self.names)
            before = await asyncio.to_thread(self._store.part_cells, state.source.name, number)
            change = in_place(reads, before)
            await self._commit(state, change, new, part_cells=(number, kept(reads)))

    def books(self, name: str) -> dict[str, Book]:
        """The books of a source; later folds do not change them."""
        return dict(self.states[name].books)

    def frozen(self, name: str) -> tuple[Moment, dict[str, Tally], Sequence[tuple[str | None, str | None]]]:
        """The moment that a source's cells belong to, the cells, and its parts; later folds do not change them."""
        state = self.states[name]
        assert state.mark is not None
        kept = {name: cube.tally for name, cube in state.cubes.items()}
        return self._moment(state.mark), kept, state.mark.parts

    def grain(self, name: str) -> int:
        """The day by which cells of a source count as old."""
        mark = self.states[name].mark
        return 0 if mark is None else mark.grain

    async def rebuild(self, name: str, reason: str) -> None:
        """Forget a source's cells; the next pass fills them anew."""
        state = self.states[name]
        log.warning("ledger is rebuilt", extra={"source": name, "reason": reason})
        assert state.mark is not None
        await self._clear(state, replace(state.mark, identity="", part=0))
        state.rebuilds += 1

    async def _clear(self, state: State, mark: Mark) -> None:
        source = state.source

        async def clear() -> None:
            await asyncio.to_thread(self._store.clear, source.name, source.layouts, mark, source.books)
            state.mark = mark if mark.identity else None
            state.empty()

        await finished(clear())

    async def _commit(
        self, state: State, change: Reads, mark: Mark, *, done: Sequence[str] = (),
        part_cells: tuple[int, Mapping[str, Tally]] | None = None, as_they_are: bool = False,
    ) -> None:
        """Disk first: what readers see is never ahead of what a crash leaves."""
        made = revised if state.ready else extended
        books, pages = await asyncio.to_thread(made, state.books, change.books)
        names, paths = tuple(self.names.fresh), tuple(self.names.paths.fresh)
        cells = change.cells if as_they_are else {
            name: state.cubes[name].layout.coarsened(tally, mark.grain) for name, tally in change.cells.items()}
        step = Commit(state.source.name, mark, cells, names, change.due, done, part_cells, pages, paths)

        async def commit() -> None:
            await asyncio.to_thread(self._store.commit, step)
            # An audit may have met others meanwhile.
            del self.names.fresh[: len(names)]
            del self.names.paths.fresh[: len(paths)]
            state.books |= books
            for name, tally in cells.items():
                state.cubes[name].add(tally)
            state.rows += change.rows
            state.late += change.late
            state.mark = mark
            await asyncio.to_thread(self._store.rest)

        await finished(commit())

    @staticmethod
    def _moment(mark: Mark) -> Moment:
        return Moment(mark.cutoff, mark.snapshot if mark.exact else None)

    @property
    def size(self) -> int:
        """Bytes of the state on disk."""
        return self._store.size

    async def close(self) -> None:
        """Close the store, after a commit that is under way."""
        async with self._busy:
            self._store.close()
