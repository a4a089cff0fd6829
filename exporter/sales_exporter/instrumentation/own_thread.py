"""One thread of ours, for work that would hold up an event loop."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class OwnThread:
    """Does one thing after another. Started when it is first needed, and anew in a process that was forked.

    Not the pool of the event loop: there the work of the application would wait behind ours.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._pid = 0
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have it done."""
        if self._pool is None or self._pid != os.getpid():
            self._pool, self._pid = ThreadPoolExecutor(1, self._name), os.getpid()
        return self._pool.submit(work, *args, **kwargs)
