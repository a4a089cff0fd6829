"""Cases and their history on disk: one file, one thread, one transaction for what belongs together."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from sales_exporter.sidecar.desk import events as table
from sales_exporter.sidecar.desk.model import Event, Times, Wanted
from sales_exporter.sidecar.desk.record import Record, read, written
from sales_exporter.sidecar.shelf import Shelf
from sales_exporter.sidecar.store import Form, Row, State, Store, sealed, unsealed

Answer = TypeVar("Answer")

KEPT = 400 * 86_400.0
"""Seconds for which events are kept."""
SPARE = 100_000
"""Events that are held in memory, at most, while there is no disk."""


def _written(record: Record) -> Row:
    return sealed(record.case.fingerprint, written(record))


def _read(row: tuple[object, ...]) -> Record:
    name, text = unsealed(row)
    record = read(text)
    if record.case.fingerprint != name:
        raise ValueError("another alert's name")
    return record


DESK: Form[Record] = Form("desk", "cases", _written, _read, reserved=8 << 20, beside=table.TABLES)


class History:
    """Keeps records and events. Without a folder, or while the disk refuses, they live in memory, the newest of them.

    A file that is damaged or none of ours is set aside with its events; the cases that can be read are kept.
    """

    def __init__(self, folder: Path | None) -> None:
        """Open the file. Never fails."""
        self._shelf = Shelf(folder, DESK)
        self._spare = _memory()
        self._number = 0 if self._shelf.db is None else table.newest(self._shelf.db)

    @property
    def found(self) -> Sequence[Record]:
        """What an earlier life knew."""
        return self._shelf.found

    @property
    def state(self) -> State:
        """Where things are kept."""
        return self._shelf.state

    @property
    def set_aside(self) -> int:
        """Files that were damaged or none of ours."""
        return self._shelf.set_aside

    async def keep(self, records: Iterable[Record], events: Iterable[Event], gone: Sequence[str] = ()) -> list[Event]:
        """Write all or nothing; on disk when this returns, if it ever will be. The events with their numbers."""
        numbered = []
        for event in events:
            self._number += 1
            numbered.append(replace(event, number=self._number))
        await self._write(list(records), numbered, gone)
        return numbered

    async def events(self, wanted: Wanted) -> list[Event]:
        """Events, the newest first, a thousand at most."""
        return await self._ask(lambda db: table.find(db, wanted))

    async def times(self, since: float, until: float) -> Times:
        """How long the cases that began in a span took."""
        return await self._ask(lambda db: table.times(db, since, until))

    async def prune(self, now: float, gone: Sequence[str]) -> None:
        """Forget what is too old, and records by fingerprint."""
        await self._shelf.write((), gone, beside=[table.pruned(now - KEPT)])
        await self._shelf.work(lambda _: _bounded(self._spare))

    async def mend(self, records: Iterable[Record]) -> Sequence[Record]:
        """Try a disk that refused anew, with all records and the events that only memory has. The records that it held
        if it was never read before.
        """
        behind = self._shelf.db is None
        found = await self._shelf.mend(records)
        if behind and self._shelf.db is not None:
            spare = await self._shelf.work(lambda _: table.everything(self._spare))
            newest = await self._ask(table.newest)
            # A file that was another process's until now has numbers of its own.
            ahead = max(0, newest - spare[0].number + 1) if spare else 0
            self._number = max(self._number + ahead, newest)
            await self._write([], [replace(event, number=event.number + ahead) for event in spare], ())
            self._spare = _memory()
        return found

    async def close(self) -> None:
        """Close the file."""
        await self._shelf.close()
        self._spare.close()

    async def _write(self, records: Sequence[Record], events: Sequence[Event], gone: Sequence[str]) -> None:
        change = table.inserts(events)
        await asyncio.shield(asyncio.ensure_future(self._written(records, change, gone)))

    async def _written(self, records: Sequence[Record], change: tuple[str, Sequence[tuple[object, ...]]],
                       gone: Sequence[str]) -> None:
        await self._shelf.write(records, gone, beside=[change])
        if self._shelf.db is None and change[1]:
            await self._shelf.work(lambda _: self._spare.executemany(*change))

    async def _ask(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """The answer of the file, or of memory when the file cannot give it."""
        def work(store: Store[Record]) -> Answer:
            if store.db is not None:
                with contextlib.suppress(sqlite3.Error):
                    return question(store.db)
            return question(self._spare)

        return await self._shelf.work(work)


def _memory() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.executescript(table.TABLES)
    return db


def _bounded(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM events WHERE number <= (SELECT max(number) FROM events) - ?", (SPARE,))
