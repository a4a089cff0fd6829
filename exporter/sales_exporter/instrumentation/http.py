"""The HTTP metrics, by OpenTelemetry's names: what all middlewares count in, and which label values there can be.

Names and labels: OpenTelemetry semantic conventions for HTTP metrics (stable), as Prometheus writes them. The time to
the first byte, streams and websockets are ours; the conventions have none.
"""

from __future__ import annotations

from typing import Final

from sales_exporter.instrumentation.meter import OTHER, UNKNOWN, Meter
from sales_exporter.instrumentation.store import Cell
from sales_exporter.model import counter, gauge, histogram

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LONG_SECONDS: Final = (0.1, 1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0)
BYTES: Final = (0.0, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7)
UNMATCHED: Final = "unmatched"
CLIENT_GONE: Final = 499
"""Status of a request whose client went away before the end of the answer. Not an error of ours."""
METHODS: Final = frozenset({
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
OTHER_METHOD: Final = "_OTHER"
NO_RESPONSE: Final = "no_response"
"""``error_type`` of a request that the application left without an answer."""

_WHERE = ("http_request_method", "http_route", "http_response_status_code", "url_scheme")
DURATION = histogram(
    "http_server_request_duration_seconds", "Time from the start of a request to the last byte of its answer. Work "
    "that goes on after the answer, streams and websockets are not in it. Clients that went away have status 499.",
    *_WHERE, "error_type", bounds=SECONDS)
FIRST_BYTE = histogram(
    "http_server_time_to_first_byte_seconds", "Time from the start of a request to the first byte of its answer, of "
    "streams too.", *_WHERE, bounds=SECONDS)
RECEIVED = histogram(
    "http_server_request_body_size_bytes", "Bytes of request bodies that the application has read.", *_WHERE,
    bounds=BYTES)
SENT = histogram(
    "http_server_response_body_size_bytes", "Bytes of response bodies that were sent, of streams too.", *_WHERE,
    bounds=BYTES)
ACTIVE = gauge(
    "http_server_active_requests", "Requests that are being answered now.", "http_request_method", "url_scheme")
STREAM = histogram(
    "http_server_stream_duration_seconds", "Time from the start of a request to the end of its streamed answer: one of "
    "server-sent events (sse), or one of unknown length that came in pieces (chunked).", "http_route", "kind",
    "http_response_status_code", bounds=LONG_SECONDS)
STREAMS_OPEN = gauge("http_server_streams_open", "Streamed answers that are being sent now.", "http_route", "kind")
STREAM_MESSAGES = counter(
    "http_server_stream_messages_total", "Pieces of streamed answers that were sent.", "http_route", "kind")
SOCKET = histogram(
    "websocket_server_connection_duration_seconds", "Time from the start of a websocket to its end. close_code is that "
    "of RFC 6455; refused: never accepted.", "http_route", "close_code", bounds=LONG_SECONDS)
SOCKETS_OPEN = gauge("websocket_server_connections_open", "Websockets that are open now.", "http_route")
SOCKET_MESSAGES = counter(
    "websocket_server_messages_total", "Messages of websockets, by direction: received or sent.", "http_route",
    "direction")

__all__ = ["OTHER", "UNKNOWN", "Exchange", "HttpMeter"]


class Exchange:
    """The four cells that one kind of request counts in."""

    __slots__ = ("due", "duration", "first_byte", "labels", "received", "sent")

    def __init__(
        self, labels: tuple[str, ...], duration: Cell, first_byte: Cell, received: Cell, sent: Cell
    ) -> None:
        self.labels = labels
        """Those of the duration."""
        self.duration = duration
        self.first_byte = first_byte
        self.received = received
        self.sent = sent
        self.due = 0.0
        """When (perf_counter) the next exemplar is wanted."""


LOST: Final = Exchange((), *([0.0] * 16 for _ in range(4)))
"""Where a request goes that could not be counted."""
LOST.due = float("inf")


class HttpMeter:
    """The HTTP families of a meter."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.duration = meter.family(DURATION, "http_route", "error_type")
        self.first_byte = meter.family(FIRST_BYTE, "http_route")
        self.received = meter.family(RECEIVED, "http_route")
        self.sent = meter.family(SENT, "http_route")
        self.active = meter.family(ACTIVE)
        self.stream = meter.family(STREAM, "http_route")
        self.streams_open = meter.family(STREAMS_OPEN, "http_route")
        self.stream_messages = meter.family(STREAM_MESSAGES, "http_route")
        self.socket = meter.family(SOCKET, "http_route")
        self.sockets_open = meter.family(SOCKETS_OPEN, "http_route")
        self.socket_messages = meter.family(SOCKET_MESSAGES, "http_route")

    def exchange(self, method: str, route: str, status: int, scheme: str, error: str) -> tuple[Exchange, bool]:
        """The cells of one kind of request, and whether the caller may keep them under its own key."""
        where = (method, route, status_text(status), scheme)
        own = self.duration.has(*where, error)
        cells = Exchange((*where, error), self.duration.cell(*where, error), self.first_byte.cell(*where),
                         self.received.cell(*where), self.sent.cell(*where))
        return cells, own


def method_label(method: object) -> str:
    """The method, or ``_OTHER`` for one that HTTP does not know."""
    return method if isinstance(method, str) and method in METHODS else OTHER_METHOD


def scheme_label(scheme: object) -> str:
    """http or https; anything else is unknown."""
    return scheme if isinstance(scheme, str) and scheme in ("http", "https", "ws", "wss") else UNKNOWN


def status_text(status: int) -> str:
    """A status code as label value; one that HTTP does not know is unknown."""
    return str(status) if 100 <= status <= 599 else UNKNOWN


def error_label(status: int, error: BaseException | None) -> str:
    """``error_type``: the class of an exception that was not handled, the status of a failed answer, else empty."""
    if error is not None:
        return type(error).__name__
    return str(status) if status >= 500 else ""
