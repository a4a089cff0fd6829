"""Gives memory back: arrays of a pass are large and short-lived, and glibc would keep what they leave."""

from __future__ import annotations

import contextlib
import ctypes

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
LARGE = 256 * 1024
"""Bytes from which an allocation is a mapping of its own, returned as soon as it is free. Left alone, glibc raises the
threshold to 32 MiB once such a mapping was freed, and the heap then stays as large as the largest pass."""
ARENAS = 2


def trim() -> None:
    """Return what is free now, after something large such as a fill."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def give_back() -> None:
    """Set both for this process; another C library than glibc is left as it is."""
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, LARGE)
        library.mallopt(_ARENA_MAX, ARENAS)
