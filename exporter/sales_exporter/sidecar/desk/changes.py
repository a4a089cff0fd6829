"""Who wants to hear of changes: the newest state of each case waits for each listener, and no queue grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from sales_exporter.sidecar.desk.model import Case


class Changes:
    """Hands changed cases to all listeners. One that does not keep up misses states, never the last one."""

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()

    def publish(self, cases: Iterable[Case]) -> None:
        """These have changed."""
        changed = {case.fingerprint: case for case in cases}
        for listener in self._listeners:
            listener.offer(changed)

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[AsyncIterator[Case]]:
        """Changes while the context is open."""
        listener = _Listener()
        self._listeners.add(listener)
        try:
            yield listener.cases()
        finally:
            self._listeners.discard(listener)


class _Listener:
    def __init__(self) -> None:
        self._waiting: dict[str, Case] = {}
        self._news = asyncio.Event()

    def offer(self, changed: dict[str, Case]) -> None:
        self._waiting |= changed
        self._news.set()

    async def cases(self) -> AsyncIterator[Case]:
        while True:
            await self._news.wait()
            while self._waiting:
                yield self._waiting.pop(next(iter(self._waiting)))
            self._news.clear()
