"""Hands what happens to everybody who listens now. A listener that does not keep up misses the oldest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

WAITING = 100
"""Texts that wait for one listener."""


class Feed:
    """One feed within one process. Used from the event loop alone."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[str]] = set()

    def tell(self, text: str) -> None:
        """Hand a text to all who listen. Never waits."""
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(text)

    @contextmanager
    def listener(self) -> Iterator[asyncio.Queue[str]]:
        """What is told while the block lasts."""
        queue: asyncio.Queue[str] = asyncio.Queue(WAITING)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
