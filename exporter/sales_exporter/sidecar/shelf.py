"""A store off the event loop: one thread writes it, in order."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Generic, ParamSpec, TypeVar

from sales_exporter.sidecar.store import Change, Form, Row, State, Store

Kept = TypeVar("Kept")
P = ParamSpec("P")
Answer = TypeVar("Answer")


class Shelf(Generic[Kept]):
    """Holds what a store held when it was opened, and writes without keeping the event loop waiting."""

    def __init__(self, folder: Path | None, form: Form[Kept]) -> None:
        """Open the store in ``folder``; without one, or when the disk refuses, it lives in memory. Never fails."""
        self._form = form
        self._store = Store(folder, form)
        self.found: Sequence[Kept] = self._store.open()
        """What was there."""
        self._thread = ThreadPoolExecutor(1, form.name)

    @property
    def state(self) -> State:
        """Where entries are kept."""
        return self._store.state

    @property
    def set_aside(self) -> int:
        """Files that were damaged or none of ours."""
        return self._store.set_aside

    @property
    def db(self) -> sqlite3.Connection | None:
        """The file; None while the disk refuses and where there is no folder. Ask it by ``work``."""
        return self._store.db

    async def write(self, entries: Sequence[Kept], gone: Iterable[str] = (), beside: Sequence[Change] = ()) -> None:
        """Forget and keep, all or nothing; on disk when this returns, if it ever will be. Entries may change meanwhile.
        """
        # Without a folder there is no disk to wait for.
        if self._store.state != "none":
            rows: Sequence[Row] = [self._form.written(one) for one in entries]
            await self._in_thread(self._store.write, rows, gone, beside)

    async def work(self, work: Callable[[Store[Kept]], Answer]) -> Answer:
        """Do something with the store in its thread, after all that was asked for before."""
        return await self._in_thread(work, self._store)

    async def mend(self, entries: Iterable[Kept]) -> Sequence[Kept]:
        """Try a disk that refused with all that is held. What it held besides."""
        if not self._store.ailing:
            return []
        rows = [self._form.written(one) for one in entries] if self._store.behind else []
        return await self._in_thread(self._store.mend, rows)

    async def close(self) -> None:
        """Finish what is under way and close the file."""
        await asyncio.to_thread(self._thread.shutdown)
        self._store.close()

    async def _in_thread(self, work: Callable[P, Answer], *given: P.args, **named: P.kwargs) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *given, **named))
