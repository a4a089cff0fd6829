"""A part with one stream, and clients that read its events."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sales_exporter.runtime.clock import Clock, SystemClock
from sales_exporter.runtime.parts import Route
from sales_exporter.runtime.streams import Slots, Stream
from tests.support.web import connected, parsed


class Streaming:
    """A part with one stream."""

    def __init__(self, clock: Clock | None = None, limit: int = 100) -> None:
        self.stream = Stream(Slots(limit), clock or SystemClock())

    @property
    def routes(self) -> Sequence[Route]:
        return (Route(("GET",), "/stream", self.stream.answer),)


class Listening:
    """One client: reads events of a chunked answer."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._text = b""

    async def block(self) -> dict[str, str]:
        """The next block as field to value."""
        while b"\n\n" not in self._text:
            size = int(await asyncio.wait_for(self._reader.readline(), 10), 16)
            self._text += await self._reader.readexactly(size)
            await self._reader.readline()
            if size == 0:
                raise EOFError
        block, _, self._text = self._text.partition(b"\n\n")
        pairs = (line.partition(": ") for line in block.decode().split("\n"))
        return {name: value for name, _, value in pairs}

    async def event(self) -> tuple[str, Any, str]:
        """Name, data and id of the next event."""
        while "event" not in (block := await self.block()):
            pass
        return block["event"], json.loads(block["data"]), block["id"]

    async def events(self, count: int) -> list[tuple[str, Any]]:
        """So many of them, without ids."""
        return [(await self.event())[:2] for _ in range(count)]


@contextlib.asynccontextmanager
async def listening(
    address: tuple[str, int], last: str = "", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Listening]:
    async with connected(address, tls=tls) as (reader, writer):
        line = f"Last-Event-ID: {last}\r\n" if last else ""
        writer.write(f"GET /stream HTTP/1.1\r\nHost: localhost\r\n{line}\r\n".encode())
        head = parsed(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10))
        assert head.status == 200
        yield Listening(reader)


def delta(key: str, state: object, name: str = "case") -> tuple[str, Any]:
    return name, {"name": name, "key": key, "state": state}


def picture(**states: object) -> tuple[str, Any]:
    return "picture", {"states": [delta(key, state)[1] for key, state in states.items()]}


def stuck(address: tuple[str, int]) -> socket.socket:
    """A client that asks for the stream and never reads; its receive buffer is small."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(address)
    client.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client
