"""Keys that count once, for as long as they are remembered: used links, notifications that came before."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.shelf import Shelf
from sales_exporter.sidecar.store import Form, Row, State, sealed, unsealed

BOUND = 20_000
"""Keys held at most; above it those go that would be forgotten first."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key, when it came (epoch seconds), and for how many seconds it is known."""

    name: str
    at: float
    known_for: float


class Remembered:
    """A set of keys on disk. Without a folder, or when the disk refuses, a restart forgets them."""

    def __init__(self, folder: Path | None, clock: Clock, bound: int = BOUND) -> None:
        """Open the keys in ``folder``. Never fails."""
        self._clock = clock
        self._bound = bound
        self._shelf = Shelf(folder, KEYS)
        self._keys = {key.name: key for key in self._shelf.found}

    @property
    def state(self) -> State:
        """Where keys are kept."""
        return self._shelf.state

    def knows(self, name: str) -> bool:
        """Whether a key was added, and is not too old."""
        key = self._keys.get(name)
        # Distance, not order: the clock may have been set back.
        return key is not None and abs(self._clock.now() - key.at) < key.known_for

    async def add(self, name: str, known_for: float) -> bool:
        """Whether this is the first time; on disk when this returns. Of two at once, one is the first."""
        if self.knows(name):
            return False
        key = Key(name, self._clock.now(), known_for)
        self._keys[name] = key
        await asyncio.shield(asyncio.ensure_future(self._keep(key)))
        return True

    async def close(self) -> None:
        """Close the file."""
        await self._shelf.close()

    async def _keep(self, key: Key) -> None:
        gone = [name for name in self._keys if not self.knows(name)]
        surplus = len(self._keys) - len(gone) - self._bound
        if surplus > 0:
            gone += [one.name for one in sorted(self._keys.values(), key=_end) if self.knows(one.name)][:surplus]
        for name in gone:
            del self._keys[name]
        await self._shelf.write([key], gone)
        for found in await self._shelf.mend(self._keys.values()):
            self._keys.setdefault(found.name, found)


def _end(key: Key) -> float:
    return key.at + key.known_for


def written(key: Key) -> Row:
    """A key as text."""
    text = json.dumps([key.at, key.known_for])
    return sealed(key.name, text)


def read(row: tuple[object, ...]) -> Key:
    """A key from its row.

    Raises:
        ValueError: it is not what was written.
    """
    name, text = unsealed(row)
    at, known_for = json.loads(text)
    return Key(name, float(at), float(known_for))


KEYS: Form[Key] = Form("seen", "keys", written, read, reserved=1 << 20)
