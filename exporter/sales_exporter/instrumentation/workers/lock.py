"""Locks that die with whoever holds them: of the directory, while the dead are folded, and of the file of each worker.

The kernel lets go of a flock when its process is gone, however it died. Neither a pid that was given to another process
nor another pid namespace can be mistaken for a live worker, or a live worker for a dead one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError as missing:
    raise ImportError("workers can share their numbers only where there is flock: on Linux, macOS, BSD") from missing

_held: set[int] = set()


def hold(file: int) -> None:
    """Lock an open file.

    Raises:
        BlockingIOError: another one has locked it.
    """
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def release(file: int) -> None:
    """Unlock an open file. Closing it is not enough when a child has a copy of the descriptor."""
    fcntl.flock(file, fcntl.LOCK_UN)


def unlocked(file: int) -> bool:
    """Whether nobody holds the file: its worker is dead. Shared, so that two who ask do not see each other."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    release(file)
    return True


@contextmanager
def locked(directory: Path, wait: float) -> Iterator[bool]:
    """Hold the lock of the directory, for which this waits ``wait`` seconds at most. Whether it was granted."""
    file = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    _held.add(file)
    try:
        granted = _granted(file, time.monotonic() + wait)
        try:
            yield granted
        finally:
            if granted:
                release(file)
    finally:
        _held.discard(file)
        os.close(file)


def _granted(file: int, until: float) -> bool:
    while True:
        try:
            hold(file)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.002)
        else:
            return True


def forget_locks() -> None:
    """In a child: close the locks that threads of the parent held."""
    while _held:
        with suppress(OSError):
            os.close(_held.pop())
