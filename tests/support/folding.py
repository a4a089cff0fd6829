"""A ledger in a process of its own that can be killed at any moment: ``python -m tests.support.folding DSN FOLDER``.

Says ``commit`` before and ``done`` after each commit on its standard output, so that a test can kill it in between.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from pydantic import SecretStr

from sales_exporter.config import Business
from sales_exporter.config import Database as Settings
from sales_exporter.ledger.ledger import Ledger
from sales_exporter.ledger.sources import discover
from sales_exporter.ledger.store import Commit, Store
from sales_exporter.runtime.database import Database, Reader
from sales_exporter.runtime.ledgers import scheme_of


class Loud(Store):
    """Says when it commits."""

    def commit(self, step: Commit) -> None:
        print("commit", step.source, flush=True)
        super().commit(step)
        print("done", step.source, flush=True)


class Folding:
    """A ledger over a database, as the exporter holds one."""

    def __init__(self, dsn: str, folder: Path, store: type[Store] = Store) -> None:
        self.database = Database(SecretStr(dsn), Settings(statement_timeout=5.0))
        self.folder = folder
        self.kind = store
        self.ledger: Ledger | None = None

    def reader(self) -> AbstractAsyncContextManager[Reader]:
        """One reading."""
        return self.database.reader(60.0, 5.0)

    async def open(self) -> Ledger:
        """The ledger, made when the source is first seen."""
        if self.ledger is None:
            async with self.reader() as db:
                relations = await db.relations()
            kinds = discover().values()
            store = self.kind(
                self.folder, [layout for kind in kinds for layout in kind.layouts],
                [book for kind in kinds for book in kind.books])
            self.ledger = Ledger(scheme_of(Business()), store, relations)
        return self.ledger

    async def step(self, now: float | None = None) -> Ledger:
        """Fold, and fill what is not whole."""
        ledger = await self.open()
        async with self.reader() as db:
            await ledger.fold(db, time.time() if now is None else now)
        while await ledger.fill(self.reader):
            pass
        return ledger

    async def close(self) -> None:
        """Close everything."""
        if self.ledger is not None:
            await self.ledger.close()
        await self.database.close()


async def main(dsn: str, folder: Path) -> None:
    """Fold for ever."""
    folding = Folding(dsn, folder, Loud)
    while True:
        await folding.step()
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
