"""Websockets: how many are open, how long they last, how they end and what goes over them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from time import perf_counter
from typing import Final

from sales_exporter.instrumentation.http import LONG_SECONDS, OTHER, UNKNOWN, HttpMeter
from sales_exporter.instrumentation.routes import App, Message, Receive, Scope, Send, template
from sales_exporter.instrumentation.store import Cell

REFUSED, ABNORMAL = "refused", "1006"
Step = Callable[[Message], None]
_PLACES: Final = len(LONG_SECONDS) + 1


async def websocket(app: App, http: HttpMeter, scope: Scope, receive: Receive, send: Send) -> None:
    """Run one connection and count it."""
    socket = Socket(http, scope)

    async def receiving() -> Message:
        message = await receive()
        socket.guarded(socket.received, message)
        return message

    async def sending(message: Message) -> None:
        socket.guarded(socket.sent, message)
        await send(message)

    try:
        await app(scope, receiving, sending)
    except BaseException:
        socket.code = socket.code or "1011"
        raise
    finally:
        socket.guarded(socket.ended, {})


class Socket:
    """One connection. The route is known once the application has accepted it."""

    def __init__(self, http: HttpMeter, scope: Scope) -> None:
        self._http = http
        self._scope = scope
        self._outside = str(scope.get("root_path", ""))
        self._begin = perf_counter()
        self._route = UNKNOWN
        self._open: Cell | None = None
        self._in: Cell | None = None
        self._out: Cell | None = None
        self.code = ""

    def guarded(self, step: Step, message: Message) -> None:
        """Do a step of ours; the connection goes on whatever comes of it."""
        try:
            step(message)
        except Exception as error:
            self._http.meter.failed("websocket", error)

    def received(self, message: Message) -> None:
        """A message of the client's, or its end."""
        if message["type"] == "websocket.receive" and self._in is not None:
            self._in[0] += 1
        elif message["type"] == "websocket.disconnect":
            self.code = self.code or str(message.get("code") or "1005")

    def sent(self, message: Message) -> None:
        """A message of the application's, its consent, or its end."""
        if message["type"] == "websocket.send" and self._out is not None:
            self._out[0] += 1
        elif message["type"] == "websocket.accept":
            self._route = template(self._scope, self._outside)
            self._open = self._http.sockets_open.cell(self._route)
            self._open[0] += 1
            self._in, self._out = (self._http.socket_messages.cell(self._route, way) for way in ("received", "sent"))
        elif message["type"] == "websocket.close":
            self.code = self.code or str(message.get("code") or "1000")

    def ended(self, message: Message) -> None:
        """The application is done with it."""
        if self._open is not None:
            self._open[0] -= 1
        else:
            self._route = template(self._scope, self._outside)
        took = perf_counter() - self._begin
        place = bisect_left(LONG_SECONDS, took)
        cell = self._http.socket.cell(self._route, self._code())
        cell[place] += 1
        cell[_PLACES] += took

    def _code(self) -> str:
        if self._open is None:
            return REFUSED
        if not self.code:
            return ABNORMAL
        # Codes of applications and libraries (3000 to 4999) can be any: a client may choose them.
        return self.code if self.code.isdecimal() and 1000 <= int(self.code) < 1016 else OTHER
