"""Which watches rest because they failed while others did not."""

from __future__ import annotations

from collections.abc import Collection

LONGEST = 15
"""Ticks that a failing watch rests at most."""


class Patience:
    """Asks a watch that keeps failing less and less often: after 1, 2, 4 … ticks."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._rests: dict[str, int] = {}

    def resting(self, name: str) -> bool:
        """Whether the watch is left alone at this tick; asking counts as a tick."""
        left = self._rests.get(name, 0)
        if left:
            self._rests[name] = left - 1
        return left > 0

    def note(self, failed: Collection[str], answered: Collection[str]) -> None:
        """How a tick went. When nothing was answered it is the server that is down, and no watch is to blame."""
        if not answered:
            return
        for name in failed:
            self._failures[name] = self._failures.get(name, 0) + 1
            self._rests[name] = min(LONGEST, 2 ** (self._failures[name] - 1) - 1)
        for name in answered:
            self._failures.pop(name, None)
