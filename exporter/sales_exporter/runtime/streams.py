"""Server-Sent Events: a full picture on connect, then what changes; a slow client gets the newest state and no queue.

A client is a position in the sequence of changes. Only the newest state of each key is kept, so whoever lags behind, or
comes back with ``Last-Event-ID``, is sent every key that changed since, once. What is sent is encoded once for all.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from dataclasses import dataclass, field

from aiohttp import web

from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.parts import Asked
from sales_exporter.runtime.receiving import Refused, problem

HEARTBEAT_SECONDS = 15.0
REMOVALS = 1_000
"""Removed keys that are remembered. Whoever was away for longer than that gets a full picture."""
PICTURE = "picture"
"""Name of the event that replaces all that a client knew."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_ID = re.compile(r"([0-9a-f]{16})-([0-9]{1,15})")
_PIECE = 64 * 1024
_DELTAS = 64
_BACK_MILLISECONDS = (1_000, 5_000)
"""After how long clients come back, spread so that they do not do so all at once."""


class Slots:
    """Places for open streams; several streams may share them."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    def take(self) -> bool:
        """Whether there was a place; then it is taken until ``leave``."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    def leave(self) -> None:
        """Give a place back."""
        self._free += 1


@dataclass(frozen=True, slots=True)
class _Entry:
    """The newest state of one key, encoded. ``number`` is that of its last change."""

    number: int
    name: str
    data: bytes
    gone: bool


@dataclass(slots=True, eq=False)
class _Client:
    """How far a client has been sent everything; None before its picture."""

    position: int | None
    beat: bool = False
    ended: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self) -> None:
        self.ended = True
        self.woken.set()


class Stream:
    """One stream of states by name and key, and the clients that follow it.

    Events have the name as their type and ``{"name", "key", "state"}`` as data; a ``state`` of null means that the key
    is gone. ``picture`` has ``{"states": [...]}`` with all of them.
    """

    def __init__(self, slots: Slots, clock: Clock) -> None:
        self._slots = slots
        self._clock = clock
        # Numbers of another process mean nothing to this one.
        self._series = secrets.token_hex(8)
        self._number = 0
        self._forgotten = 0
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._gone: dict[tuple[str, str], None] = {}
        self._clients: set[_Client] = set()
        self._deltas: dict[int | None, bytes] = {}
        self._pulse: asyncio.Task[None] | None = None

    @property
    def clients(self) -> int:
        """How many follow."""
        return len(self._clients)

    def publish(self, name: str, key: str, state: object) -> None:
        """Tell all clients the state of a key, if it is another than before. None removes the key.

        Raises:
            ValueError: the state is not JSON, or the name is not one of lower-case letters, digits, ``_`` and ``-``.
        """
        if not _NAME.fullmatch(name) or name == PICTURE:
            raise ValueError(f"{name!r} cannot be the name of an event")
        body = {"name": name, "key": key, "state": state}
        data = json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
        known = self._entries.get((name, key))
        if (known is None and state is None) or (known is not None and known.data == data):
            return
        self._number += 1
        self._keep((name, key), _Entry(self._number, name, data, state is None))
        self._deltas.clear()
        for client in self._clients:
            client.woken.set()

    async def answer(self, asked: Asked) -> web.StreamResponse:
        """Send the stream until the client leaves or the server closes.

        Raises:
            Refused: all places are taken (503).
        """
        if not self._slots.take():
            raise Refused(problem(503, "all streams are taken", Retry_After="5"))
        client = _Client(self._position(asked.request.headers.get("Last-Event-ID", "")))
        try:
            return await self._follow(asked, client)
        finally:
            self._leave(client)

    def _keep(self, key: tuple[str, str], entry: _Entry) -> None:
        # What changed last is last.
        self._entries.pop(key, None)
        self._gone.pop(key, None)
        self._entries[key] = entry
        if entry.gone:
            self._gone[key] = None
            if len(self._gone) > REMOVALS:
                oldest = next(iter(self._gone))
                del self._gone[oldest]
                self._forgotten = self._entries.pop(oldest).number

    async def _follow(self, asked: Asked, client: _Client) -> web.StreamResponse:
        response = web.StreamResponse(headers={
            **asked.headers, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        self._enter(client)
        asked.connection.streams(client.end)
        least, most = _BACK_MILLISECONDS
        opening = f"retry: {least + secrets.randbelow(most - least)}\n\n".encode()
        try:
            await response.prepare(asked.request)
            await _write(response, asked, opening)
            while not client.ended:
                client.woken.clear()
                found = self._next(client)
                if found:
                    await _write(response, asked, found)
                else:
                    await client.woken.wait()
        except ConnectionError:
            # The client has left, or was cut because it did not take a write.
            client.end()
        return response

    def _next(self, client: _Client) -> bytes:
        """What this client is to be sent now; nothing when it knows everything."""
        beats, client.beat = client.beat, False
        if client.position == self._number:
            return b":\n\n" if beats else b""
        found = self._since(client.position)
        client.position = self._number
        return found

    def _since(self, position: int | None) -> bytes:
        """All that changed after a position, encoded once for all clients that are there."""
        if position is not None and position < self._forgotten:
            position = None
        found = self._deltas.get(position)
        if found is None:
            found = self._picture() if position is None else self._delta(position)
            if len(self._deltas) < _DELTAS:
                self._deltas[position] = found
        return found

    def _picture(self) -> bytes:
        states = b",".join(entry.data for entry in self._entries.values() if not entry.gone)
        return self._event(self._number, PICTURE, b'{"states":[' + states + b"]}")

    def _delta(self, position: int) -> bytes:
        changed: list[bytes] = []
        for entry in reversed(self._entries.values()):
            if entry.number <= position:
                break
            changed.append(self._event(entry.number, entry.name, entry.data))
        return b"".join(reversed(changed))

    def _event(self, number: int, name: str, data: bytes) -> bytes:
        return f"id: {self._series}-{number}\nevent: {name}\ndata: ".encode() + data + b"\n\n"

    def _position(self, last_event_id: str) -> int | None:
        """Where a client that comes back goes on; None when it needs a picture."""
        found = _ID.fullmatch(last_event_id)
        if found is None or found[1] != self._series or int(found[2]) > self._number:
            return None
        return int(found[2])

    def _enter(self, client: _Client) -> None:
        self._clients.add(client)
        if self._pulse is None:
            self._pulse = asyncio.create_task(self._beat())

    def _leave(self, client: _Client) -> None:
        self._slots.leave()
        self._clients.discard(client)
        if not self._clients and self._pulse is not None:
            self._pulse.cancel()
            self._pulse = None

    async def _beat(self) -> None:
        """Let silence be told from a connection that is dead."""
        while True:
            await self._clock.sleep(HEARTBEAT_SECONDS)
            for client in self._clients:
                client.beat = True
                client.woken.set()


async def _write(response: web.StreamResponse, asked: Asked, data: bytes) -> None:
    """Write in pieces, each when the client has taken those before."""
    whole = memoryview(data)
    for start in range(0, len(whole), _PIECE):
        await response.write(whole[start : start + _PIECE])
        await asked.request.writer.drain()
