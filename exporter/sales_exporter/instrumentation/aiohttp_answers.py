"""Answers and websockets of aiohttp that tell what becomes of them, through their own public methods."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.payload import Payload

from sales_exporter.instrumentation.exchanges import Exchange, Exchanges, observe
from sales_exporter.instrumentation.http import LONG_SECONDS, OTHER

_GONE: Final = (asyncio.CancelledError, ConnectionError)
_FOLLOWED: Final = "_sales_exporter"


def follow(answer: web.StreamResponse, exchange: Exchange) -> None:
    """Have an answer tell its exchange of its pieces and of its end. Again changes nothing."""
    response: Any = answer
    if getattr(response, _FOLLOWED, None) is exchange:
        return
    setattr(response, _FOLLOWED, exchange)
    prepare, write, write_eof = response.prepare, response.write, response.write_eof

    async def preparing(request: web.BaseRequest) -> Any:
        try:
            return await prepare(request)
        except BaseException as error:
            _broken(exchange, error)
            raise

    async def writing(data: Any) -> None:
        exchange.piece(len(data))
        try:
            await write(data)
        except _GONE:
            exchange.lost = True
            raise

    async def ending(data: bytes = b"") -> None:
        exchange.piece(len(data))
        body = getattr(response, "body", None)
        if isinstance(body, Payload):
            _follow_payload(body, exchange)
        try:
            await write_eof(data)
        except BaseException as error:
            _broken(exchange, error)
            raise
        exchange.end(sent=0 if exchange.is_bodiless else answer.content_length)
        # They refer to the answer, which would otherwise live until the garbage collector comes by.
        del response.prepare, response.write, response.write_eof

    response.prepare, response.write, response.write_eof = preparing, writing, ending


class Socket:
    """A websocket from the start of its request to its end."""

    def __init__(self, counts: Exchanges, exchange: Exchange, response: web.WebSocketResponse) -> None:
        self.over = True
        self._counts = counts
        self._response = response
        self._begin = exchange.begin
        self._route = exchange.route
        exchange.leave()
        self._open = counts.http.sockets_open.cell(self._route)
        self._open[0] += 1
        self.over = False
        messages = counts.http.socket_messages
        self._messages = {way: messages.cell(self._route, way) for way in ("received", "sent")}
        _follow_messages(response, self.passed)

    def passed(self, way: str) -> None:
        """A message was received or sent."""
        try:
            self._messages[way][0] += 1
        except Exception as error:
            self._counts.failed("socket", error)

    def end(self, code: int) -> None:
        """It is over; ``code`` is for one that was not closed before."""
        if self.over:
            return
        self.over = True
        self._open[0] -= 1
        known = self._response.close_code or code
        # Codes of applications (3000 to 4999) can be any: a client may choose them.
        label = str(int(known)) if known in _CODES else OTHER
        observe(self._counts.http.socket.cell(self._route, label), LONG_SECONDS, perf_counter() - self._begin)

    def __del__(self) -> None:
        """Let go without a word."""
        try:
            if not self.over:
                self.end(WSCloseCode.ABNORMAL_CLOSURE)
        except Exception as error:
            self._counts.failed("socket", error)


_CODES: Final = frozenset(range(1000, 1016))


class _Writer:
    """The writer of a payload, with its pieces counted."""

    def __init__(self, writer: Any, exchange: Exchange) -> None:
        self._writer = writer
        self._exchange = exchange

    async def write(self, data: Any, *more: Any, **named: Any) -> None:
        self._exchange.piece(len(data))
        await self._writer.write(data, *more, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


def _follow_payload(body: Any, exchange: Exchange) -> None:
    write = body.write

    async def writing(writer: Any) -> None:
        del body.write
        await write(_Writer(writer, exchange))

    body.write = writing


def _follow_messages(response: Any, passed: Callable[[str], None]) -> None:
    """Tell of messages of text and bytes; aiohttp's other ways to receive and to send go through these."""
    receive, send_str, send_bytes = response.receive, response.send_str, response.send_bytes

    async def receiving(*arguments: Any, **named: Any) -> Any:
        message = await receive(*arguments, **named)
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            passed("received")
        return message

    async def sending_str(*arguments: Any, **named: Any) -> None:
        await send_str(*arguments, **named)
        passed("sent")

    async def sending_bytes(*arguments: Any, **named: Any) -> None:
        await send_bytes(*arguments, **named)
        passed("sent")

    response.receive, response.send_str, response.send_bytes = receiving, sending_str, sending_bytes


def _broken(exchange: Exchange, error: BaseException) -> None:
    gone = isinstance(error, _GONE)
    exchange.end(None if gone else error, gone)
