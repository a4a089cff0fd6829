"""One request from its start to its end, as the middlewares for WSGI and aiohttp count it.

Every method is guarded: a surprise is counted, and nothing reaches the application.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from time import perf_counter
from typing import Final

from sales_exporter.instrumentation.http import (
    BYTES,
    CLIENT_GONE,
    LONG_SECONDS,
    SECONDS,
    UNKNOWN,
    UNMATCHED,
    HttpMeter,
    error_label,
    method_label,
    scheme_label,
    status_text,
)
from sales_exporter.instrumentation.http import Exchange as Cells
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.store import Cell

EVENTS: Final = "text/event-stream"
_BODILESS: Final = frozenset({204, 304})


class Exchanges:
    """Where the requests of one application are counted."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.http = HttpMeter(meter)
        self._kept: dict[tuple[str, str, int, str], Cells] = {}
        meter.store.on_reset(self._kept.clear)

    def begin(self, method: object, scheme: object) -> Exchange:
        """A request starts now."""
        return Exchange(self, method_label(method), scheme_label(scheme))

    def cells(self, method: str, scheme: str, status: int, route: str, error: BaseException | None) -> Cells:
        """The cells of one kind of request."""
        key = (method, scheme, status, route)
        found = self._kept.get(key) if error is None else None
        if found is None:
            found, own = self.http.exchange(method, route, status, scheme, error_label(status, error))
            if own and error is None:
                self._kept[key] = found
        return found

    def failed(self, where: str, error: BaseException) -> None:
        """Count a surprise."""
        self.meter.failed(where, error)


class Exchange:
    """One request. Not for two threads at once; whoever lets go of it without an end has ended it."""

    def __init__(self, counts: Exchanges, method: str, scheme: str) -> None:
        self.over = True
        self.route = UNMATCHED
        self.received = 0
        self.begin = perf_counter()
        self.lost = False
        """Whether the way to the client broke while something was sent."""
        self._counts = counts
        self._method, self._scheme = method, scheme
        self._status = 0
        self._length: int | None = None
        self._events = False
        self._pieces, self._sent, self._first = 0, 0, 0.0
        self._open: Cell | None = None
        self._messages: Cell | None = None
        self._kind = ""
        self._active = counts.http.active.cell(method, scheme)
        self._active[0] += 1
        self.over = False

    @property
    def is_complete(self) -> bool:
        """Whether all was sent, though nobody asked whether there is more."""
        return self.is_bodiless or (self._length is not None and self._sent >= self._length)

    @property
    def is_bodiless(self) -> bool:
        """Whether HTTP forbids the answer to have a body."""
        return self._method == "HEAD" or self._status in _BODILESS

    def matched(self, reading: Callable[[], str]) -> None:
        """Take the route; unknown when it cannot be read."""
        try:
            self.route = reading()
        except Exception as error:
            self.route = UNKNOWN
            self._counts.failed("route", error)

    def started(self, status: int, length: int | None, content_type: str) -> None:
        """The head of the answer is known."""
        self._status, self._length = status, length
        self._events = content_type.strip().lower().startswith(EVENTS)

    def first_byte(self) -> None:
        """The head is sent now, apart from the body."""
        self._first = self._first or perf_counter()

    def piece(self, size: int) -> None:
        """A piece of the body is about to be sent."""
        if not size or self.over:
            return
        try:
            self._pieces += 1
            self._sent += size
            self._first = self._first or perf_counter()
            if self._messages is not None:
                self._messages[0] += 1
            elif self._events or (self._pieces == 2 and self._length is None):
                self._stream()
        except Exception as error:
            self._counts.failed("send", error)

    def end(self, error: BaseException | None = None, gone: bool = False, sent: int | None = None) -> None:
        """The last byte was sent, or none will be. ``sent`` are the bytes of a body that was seen in no pieces."""
        if self.over:
            return
        self.over = True
        try:
            self._active[0] -= 1
            if self._open is not None:
                self._open[0] -= 1
            if sent is not None and not self._pieces:
                self._sent = sent
            if gone or self.lost:
                self._status, error = CLIENT_GONE, None
            elif error is not None and not self._first:
                # Nothing was sent, so that the server answers with this.
                self._status = 500
            self._count(perf_counter(), error)
        except Exception as surprise:
            self._counts.failed("end", surprise)

    def leave(self) -> None:
        """It became something else, which others count."""
        self.over = True
        self._active[0] -= 1

    def __del__(self) -> None:
        """Dropped by a server that closes nothing: its client is gone."""
        if not self.over:
            self.end(gone=True)

    def _stream(self) -> None:
        http = self._counts.http
        self._kind = "sse" if self._events else "chunked"
        self._open = http.streams_open.cell(self.route, self._kind)
        self._open[0] += 1
        self._messages = http.stream_messages.cell(self.route, self._kind)
        self._messages[0] += self._pieces

    def _count(self, now: float, error: BaseException | None) -> None:
        took, first = now - self.begin, (self._first or now) - self.begin
        if self._kind:
            # Not through cells(): a stream has no series of the duration of requests, not even an empty one.
            http, where = self._counts.http, (self._method, self.route, status_text(self._status), self._scheme)
            observe(http.stream.cell(self.route, self._kind, where[2]), LONG_SECONDS, took)
            of_first, of_received, of_sent = (
                family.cell(*where) for family in (http.first_byte, http.received, http.sent))
        else:
            cells = self._counts.cells(self._method, self._scheme, self._status, self.route, error)
            observe(cells.duration, SECONDS, took)
            of_first, of_received, of_sent = cells.first_byte, cells.received, cells.sent
        observe(of_first, SECONDS, first)
        observe(of_received, BYTES, self.received)
        observe(of_sent, BYTES, self._sent)


def observe(cell: Cell, bounds: tuple[float, ...], value: float) -> None:
    """Count a value in the cell of a histogram."""
    place = bisect_left(bounds, value)
    cell[place] += 1
    place = len(bounds) + 1
    cell[place] += value
