"""Streamed answers: counted in families of their own, so that an hour of events is no request of an hour."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Awaitable, Iterable
from typing import Final

from sales_exporter.instrumentation.http import LONG_SECONDS, HttpMeter, status_text

EVENTS, CHUNKED, WHOLE = "sse", "chunked", ""
_PLACES: Final = len(LONG_SECONDS) + 1


def kind_of(headers: Iterable[tuple[bytes, bytes]] | None) -> str:
    """Which kind of stream an answer in several pieces is; WHOLE for one that told its length beforehand."""
    found = CHUNKED
    for name, value in headers or ():
        low = name.lower()
        if low == b"content-length":
            return WHOLE
        if low == b"content-type" and value.lower().startswith(b"text/event-stream"):
            found = EVENTS
    return found


class Stream:
    """One answer that comes in pieces."""

    __slots__ = ("_http", "_messages", "_open", "broken", "kind", "route")

    def __init__(self, http: HttpMeter, kind: str, route: str) -> None:
        self._http = http
        self.kind = kind
        self.route = route
        self.broken = False
        """Whether a piece could not be sent: the client has gone."""
        if kind:
            self._messages = http.stream_messages.cell(route, kind)
            self._open = http.streams_open.cell(route, kind)
            self._open[0] += 1

    async def passed(self, sent: Awaitable[None]) -> None:
        """One piece on its way."""
        try:
            await sent
        except OSError:
            self.broken = True
            raise
        if self.kind:
            self._messages[0] += 1

    def ended(self, seconds: float, status: int) -> None:
        """The last piece, or the client, has gone."""
        if self.kind:
            self._open[0] -= 1
            place = bisect_left(LONG_SECONDS, seconds)
            cell = self._http.stream.cell(self.route, self.kind, status_text(status))
            cell[place] += 1
            cell[_PLACES] += seconds
