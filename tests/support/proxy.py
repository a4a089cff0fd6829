"""A TCP proxy that misbehaves on demand: what toxiproxy does, in one file."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

Mode = Literal["pass", "refuse", "deaf", "stall", "cut"]


class Proxy:
    """Forwards to ``port`` on loopback, according to ``mode``.

    pass: forward. refuse: close at once. deaf: accept and read, never answer. stall: forward to the server, hold
    back its answers. cut: break every open connection and forward no more.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._mode: Mode = "pass"
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.set("cut")
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def set(self, mode: Mode) -> None:
        """Change the behaviour, also of open connections."""
        self._mode = mode
        if mode == "stall":
            self._flowing.clear()
        else:
            self._flowing.set()
        if mode in ("cut", "refuse"):
            for writer in list(self._writers):
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._mode in ("refuse", "cut"):
                return
            if self._mode == "deaf":
                await reader.read()
                return
            inner, outer = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(outer)
            there = asyncio.create_task(self._pump(reader, outer))
            back = asyncio.create_task(self._pump(inner, writer, held=True))
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
            outer.transport.abort()
        except OSError:
            return
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, held: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if held:
                    await self._flowing.wait()
                sink.write(data)
                await sink.drain()
