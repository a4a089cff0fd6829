"""Connections that cannot be held: each is counted from its first packet, and cut when it is slow.

A connection ends when its TLS handshake, the headers or the body of a request, or the writing of an answer takes longer
than its limit. A stream may live for ever, but each of its writes has that limit. The connections of one address, and
of all, are capped before a handshake costs anything.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web

log = logging.getLogger(__name__)

HEADER_BYTES = 8190
"""Longest line of a request, and longest value of a header."""

HEADERS = 64
"""Most headers of a request."""

_RESET = struct.pack("ii", 1, 0)
_STREAM_BUFFER = 64 * 1024
"""Bytes of a stream that the kernel holds for a client: what is in there cannot be replaced by something newer."""

Leave = Callable[[], None]
Refuse = Callable[[str, int, str], web.Response]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a connection may take (seconds), and how many there may be."""

    handshake: float = 5.0
    headers: float = 10.0
    body: float = 10.0
    write: float = 10.0
    idle: float = 15.0
    connections: int = 256
    per_address: int = 32


class Door:
    """Counts the open connections, by address. An IPv6 host owns a /64, so that counts as one address."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._inside: Counter[bytes] = Counter()

    def enter(self, host: str) -> Leave | None:
        """What gives the place back (doing so twice is harmless), or None when there is none."""
        asking = origin(host)
        full = self._inside.total() >= self._bounds.connections
        if full or self._inside[asking] >= self._bounds.per_address:
            return None
        self._inside[asking] += 1
        inside = [asking]

        def leave() -> None:
            while inside:
                self._inside[inside.pop()] -= 1
                # Unary plus drops the addresses that have gone.
                self._inside = +self._inside

        return leave


class Connection(web.RequestHandler):
    """One HTTP connection under deadlines. The handler of a request calls ``began`` and ``ended``."""

    __slots__ = ("_answering", "_bounds", "_end", "_header_timer", "_leave", "_peer_allowed", "_refuse", "_write_timer",
                 "_write_until")

    def __init__(
        self, server: web.Server, bounds: Bounds, leave: Leave, refuse: Refuse,
        peer_allowed: Callable[[Mapping[str, Any] | None], bool],
    ) -> None:
        super().__init__(
            server, loop=asyncio.get_running_loop(), keepalive_timeout=bounds.idle, lingering_time=bounds.write,
            access_log=cast("logging.Logger", None), max_line_size=HEADER_BYTES, max_field_size=HEADER_BYTES,
            max_headers=HEADERS,
        )
        self._bounds = bounds
        self._leave = leave
        self._refuse = refuse
        self._peer_allowed = peer_allowed
        self._answering = False
        self._header_timer = _Timer()
        self._write_timer = _Timer()
        self._write_until: float | None = None
        self._end: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time for the first request. A certificate without an allowed name ends here."""
        stream = cast("asyncio.Transport", transport)
        # Whatever the client does not take counts as stuck, however small the answer is. (At 0, asyncio's TLS
        # would pause although nothing is left to write.)
        stream.set_write_buffer_limits(high=1)
        super().connection_made(transport)
        if self._peer_allowed(stream.get_extra_info("peercert")):
            self._await_headers()
        else:
            stream.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place back."""
        self._header_timer.stop()
        self._write_timer.stop()
        self._leave()
        if self._end is not None:
            self._end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Start the time for the headers with their first byte, unless an answer is under way."""
        if not self._header_timer.running and not self._answering:
            self._await_headers()
        super().data_received(data)

    def began(self) -> None:
        """The headers are complete."""
        self._header_timer.stop()
        self._answering = True
        self._write_until = None

    def awaits_body(self) -> None:
        """The whole body has to come within its time."""
        self._header_timer.start(self._bounds.body, self._cut)

    def has_body(self) -> None:
        """It has come."""
        self._header_timer.stop()

    def streams(self, end: Callable[[], None]) -> None:
        """The answer has no end by itself: ``end`` is called when the client is gone or the server closes."""
        self._end = end
        if self.transport is not None:
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _STREAM_BUFFER)

    def ended(self) -> None:
        """The answer is written, as far as the client takes it."""
        self._answering = False
        self._end = None

    def close(self) -> None:
        """Take no further request; a stream ends."""
        super().close()
        if self._end is not None:
            self._end()
            if self.writing_paused:
                self._cut()

    def pause_writing(self) -> None:
        """The client does not take what was written. It has one limit for the whole answer, or for this write."""
        super().pause_writing()
        now = asyncio.get_running_loop().time()
        if self._write_until is None:
            self._write_until = now + self._bounds.write
        self._write_timer.start(self._write_until - now, self._cut)

    def resume_writing(self) -> None:
        """The client has taken all of it so far."""
        self._write_timer.stop()
        if self._end is not None:
            self._write_until = None
        super().resume_writing()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no request (400), or to a defect of ours (500), with no detail of either."""
        if isinstance(exc, ConnectionError) or request.writer.output_size:
            raise ConnectionError("the client is gone, or has part of the answer")
        if status >= 500:
            log.error("request failed", extra={"status": status}, exc_info=exc)
        answer = self._refuse(request.path, status, "internal error" if status >= 500 else "not a request of HTTP/1.1")
        answer.force_close()
        return answer

    def _await_headers(self) -> None:
        self._header_timer.start(self._bounds.headers, self._cut)

    def _cut(self) -> None:
        if self.transport is not None:
            # A reset: otherwise the kernel would go on sending what it has buffered.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()


class Listener:
    """Accepts the connections of one socket until it is closed."""

    def __init__(
        self, listening: socket.socket, door: Door, handshake: float, connect: Callable[[Leave], Connection],
        context: Callable[[], Awaitable[ssl.SSLContext | None]],
    ) -> None:
        self._socket = listening
        self._door = door
        self._handshake = handshake
        self._connect = connect
        self._context = context
        self._greetings: set[asyncio.Task[None]] = set()
        self._task = asyncio.create_task(self._accept())

    async def close(self) -> None:
        """Accept no more; handshakes under way end."""
        for task in (self._task, *self._greetings):
            task.cancel()
        await asyncio.gather(self._task, *self._greetings, return_exceptions=True)
        self._socket.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, address = await loop.sock_accept(self._socket)
            except OSError as error:
                # Out of file descriptors, or a client that left again: neither may end the server.
                log.warning("connection not accepted", extra={"error": error.strerror})
                await asyncio.sleep(0.1)
                continue
            leave = self._door.enter(address[0])
            if leave is None:
                client.close()
            else:
                greeting = asyncio.create_task(self._greet(client, leave))
                self._greetings.add(greeting)
                greeting.add_done_callback(self._greetings.discard)
            # Accepting may not suspend while clients wait, and a flood of them must not starve the others.
            await asyncio.sleep(0)

    async def _greet(self, client: socket.socket, leave: Leave) -> None:
        try:
            context = await self._context()
        except BaseException:
            client.close()
            leave()
            raise
        seconds = self._handshake if context is not None else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._connect(leave), client, ssl=context,
                ssl_handshake_timeout=seconds, ssl_shutdown_timeout=seconds,
            )
        except OSError:
            # A handshake that failed or took too long: the client's affair. The transport closes the socket.
            leave()
        except BaseException:
            leave()
            raise


class _Timer:
    """One deadline that may be started and stopped again."""

    __slots__ = ("_handle",)

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    @property
    def running(self) -> bool:
        return self._handle is not None

    def start(self, seconds: float, action: Callable[[], None]) -> None:
        self.stop()
        self._handle = asyncio.get_running_loop().call_later(max(0.0, seconds), action)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


def origin(host: str) -> bytes:
    """Whose address it is: an IPv4 address, or the /64 that an IPv6 host owns."""
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv4Address):
        return address.packed
    return address.ipv4_mapped.packed if address.ipv4_mapped else address.packed[:8]
