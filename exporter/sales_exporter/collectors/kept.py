"""Keeps what is dear to compute from one pass to the next, until its time is over or what it came from has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")
CHANGE = 0.1
"""Share by which the size of the source may change before its time is over: an import or a new fill is seen at once."""


class Kept(Generic[T]):
    """One value with the key and the size of what it was computed from."""

    def __init__(self) -> None:
        self._key: Hashable = None
        self._size = 0.0
        self._values: list[T] = []

    def holds(self, key: Hashable, size: float) -> bool:
        """Whether there is a value for the key, from a source of about this size."""
        return bool(self._values) and key == self._key and abs(size - self._size) <= CHANGE * self._size

    async def get(self, key: Hashable, size: float, compute: Callable[[], T]) -> T:
        """The value that is kept; computed anew, in a thread, for another key or a size of more than a tenth apart."""
        if not self.holds(key, size):
            self._values = [await asyncio.to_thread(compute)]
            self._key, self._size = key, size
        return self._values[0]
