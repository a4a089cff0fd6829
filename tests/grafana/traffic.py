"""The past of an application that serves, streams, asks models and records: what its meters say, minute by minute."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from sales_exporter.instrumentation import llm
from sales_exporter.instrumentation.http import HttpMeter
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.recorders import calls, lane, predictions, writer
from sales_exporter.instrumentation.streams import Stream
from sales_exporter.model import Metric
from sales_exporter.runtime.exposition import Renderer

SERIES_LIMIT = 12
REQUESTS = (
    # Method, route, status, error_type, seconds, bytes of the answer, and how many in a minute.
    ("GET", "/leads/{lead_id}", 200, "", 0.03, 900, 60), ("GET", "/leads/{lead_id}", 404, "", 0.01, 40, 3),
    ("GET", "/leads/{lead_id}", 499, "", 0.9, 0, 1), ("POST", "/leads", 201, "", 0.12, 300, 20),
    ("POST", "/leads", 500, "IntegrityError", 0.2, 30, 2), ("POST", "/predict", 200, "", 0.6, 200, 30),
    ("POST", "/predict", 503, "503", 2.0, 30, 1), ("GET", "/", 307, "", 0.002, 0, 2),
)
OTHERS = ("/one", "/two", "/three", "/four", "/five", "/six")
"""One request each in a minute; more routes than may have series of their own."""


class Application:
    """One process. ``minute`` is a minute of its life; ``size`` how much of the traffic it gets."""

    def __init__(self, size: int) -> None:
        self.meter = Meter(limit=SERIES_LIMIT)
        self._size = size
        self._http = HttpMeter(self.meter)
        self._stream = Stream(self._http, "sse", "/chat")
        self._minutes = 0

    def minute(self) -> None:
        """All that is counted within a minute."""
        self._minutes += 1
        for method, route, status, error, seconds, sent, times in REQUESTS:
            for turn in range(times * self._size):
                self._request(method, route, status, error, seconds * (0.5 + turn / times / self._size), sent)
        for route in OTHERS:
            self._request("GET", route, 200, "", 0.01, 10)
        self._set(self._http.active.cell("GET", "http"), self._size)
        self._lasting()
        self._models()
        self._recorded()
        self.meter.failed("route", ValueError())

    def _request(self, method: str, route: str, status: int, error: str, seconds: float, sent: int) -> None:
        cells, _ = self._http.exchange(method, route, status, "http", error)
        observe(self._http.duration.metric, cells.duration, seconds)
        observe(self._http.first_byte.metric, cells.first_byte, seconds / 2)
        observe(self._http.received.metric, cells.received, 50)
        observe(self._http.sent.metric, cells.sent, sent)

    def _lasting(self) -> None:
        self._stream.ended(40, 200)
        self._stream = Stream(self._http, "sse", "/chat")
        self._http.stream_messages.cell("/chat", "sse")[0] += 90
        self._set(self._http.sockets_open.cell("/live"), 4)
        for direction in ("sent", "received"):
            self._http.socket_messages.cell("/live", direction)[0] += 30
        for code in ("1000", "1006"):
            observe(self._http.socket.metric, self._http.socket.cell("/live", code), 200)

    def _models(self) -> None:
        who = ("chat", "anthropic", "large", "")
        for error, seconds in (("", 2.0), ("", 3.0), ("", 4.0), ("TimeoutError", 30.0)):
            observe(llm.DURATION, self.meter.family(llm.DURATION).cell(*who, error), seconds)
        observe(llm.FIRST_CHUNK, self.meter.family(llm.FIRST_CHUNK).cell(*who), 0.4)
        for kind, tokens in (("input", 3000), ("output", 400)):
            observe(llm.USAGE, self.meter.family(llm.USAGE).cell(*who, kind), tokens)

    def _recorded(self) -> None:
        self._add(predictions.PREDICTED, 30, "lead-score", "7")
        self._add(calls.TOTAL, 5, "outbound", "ai", "answered")
        self._add(calls.TOTAL, 7, "outbound", "ai", "no_answer")
        self._set(self.meter.family(calls.ACTIVE).cell("outbound", "ai"), 3)
        for success, times in (("true", 2), ("false", 3)):
            self._add(calls.JUDGED, times, success)
        for kind, length, silence in (("ai", 95, 0.8), ("human", 310, 4)):
            observe(calls.DURATION, self.meter.family(calls.DURATION).cell(kind), length)
            observe(calls.RESPONSE, self.meter.family(calls.RESPONSE).cell(kind), silence)
        observe(predictions.SCORE, self.meter.family(predictions.SCORE).cell("lead-score", "7"), 0.42)
        self._set(self.meter.family(writer.QUEUE).cell(), 10 + self._minutes % 7)
        self._add(lane.WRITTEN, 30, "model_predictions")
        self._add(lane.DROPPED, 1, "calls", "invalid")
        self._add(writer.WRITE_ERRORS, 1, "busy")

    def _add(self, metric: Metric, number: float, *labels: str) -> None:
        self.meter.family(metric).cell(*labels)[0] += number

    @staticmethod
    def _set(cell: list[float], number: float) -> None:
        cell[0] = number


def observe(metric: Metric, cell: list[float], number: float) -> None:
    """One observation of a histogram."""
    cell[bisect_left(metric.bounds, number)] += 1
    cell[len(metric.bounds) + 1] += number


def past(until: float, minutes: int, sizes: dict[str, int]) -> Iterator[tuple[str, str, float, float]]:
    """(instance, series, value, moment) of applications that began so many minutes before ``until``."""
    for instance, size in sizes.items():
        application, renderer = Application(size), Renderer()
        for minute in range(minutes + 1):
            moment = until - 60 * (minutes - minute)
            application.minute()
            for series, value in renderer.values(application.meter.samples()).items():
                yield instance, series, value, moment
