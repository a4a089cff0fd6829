"""The made-up past of applications that use our instrumentation: named and counted by its real meters.

All rates, times, sizes and shares are invented; they are the constants below. In each step the number of requests of a
route is a Poisson number whose rate has the season's shape, its statuses are drawn by their shares, and times and sizes
are log-normal. Instances share the traffic, and each has noise of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sales_exporter.demo.history.counted import Counted, observe
from sales_exporter.demo.history.faults import Fault, Floats, factor
from sales_exporter.instrumentation import llm
from sales_exporter.instrumentation.http import HttpMeter
from sales_exporter.instrumentation.meter import ERRORS, OVERFLOW, Meter
from sales_exporter.instrumentation.recorders import calls, lane, predictions, writer
from sales_exporter.model import Metric
from sales_exporter.runtime.blocks import Series

Ints = NDArray[np.int64]
Numbers = NDArray[np.float64] | NDArray[np.int64] | NDArray[np.bool_]
SIGMA = 0.5
"""Of the logarithm of times; 95 % of the requests take at most 2.3 times the median."""


@dataclass(frozen=True, slots=True)
class Ending:
    """One way in which requests of a route end: status, ``error_type``, share, median seconds, bytes of the answer."""

    status: int
    error: str
    share: float
    seconds: float
    size: float


@dataclass(frozen=True, slots=True)
class Route:
    """Requests a minute, over all instances and the whole week, and how they end."""

    method: str
    name: str
    rate: float
    endings: tuple[Ending, ...]


ROUTES = (
    Route("GET", "/leads/{lead_id}", 90.0, (Ending(200, "", 0.969, 0.03, 900.0), Ending(404, "", 0.03, 0.01, 40.0),
                                            Ending(500, "OperationalError", 0.001, 0.2, 30.0))),
    Route("POST", "/leads", 40.0, (Ending(201, "", 0.982, 0.12, 300.0), Ending(422, "", 0.015, 0.02, 150.0),
                                   Ending(500, "OperationalError", 0.003, 0.2, 30.0))),
    Route("POST", "/predict", 60.0, (Ending(200, "", 0.993, 0.18, 200.0), Ending(499, "", 0.003, 0.9, 0.0),
                                     Ending(503, "503", 0.004, 0.4, 30.0))),
    Route("GET", "/", 3.0, (Ending(307, "", 1.0, 0.002, 0.0),)),
    Route("POST", "/summaries", 8.0, (Ending(200, "", 0.985, 0.30, 2_000.0), Ending(504, "504", 0.015, 0.9, 30.0))),
)
LLM = ("chat", "anthropic", "large", "large-2")
LLM_SECONDS, LLM_CHUNK, LLM_ERRORS = 2.4, 0.45, 0.01
"""Median seconds of a call of the model and until its first chunk, and the share of calls that fail."""
TOKENS = {"input": 2_600.0, "output": 380.0}
MODEL, PREDICTED, ROWS = ("lead-score", "v2"), 0.3, 60.0
"""The company's model in its newest version, its predictions a minute, and rows that the recorder writes a minute."""
CALLS = (("outbound", "ai", "answered", 1.2), ("outbound", "ai", "no_answer", 1.4),
         ("outbound", "human", "answered", 0.5), ("inbound", "ai", "answered", 0.4))
"""Calls a minute, by direction, agent kind and outcome."""
TALK, RESPONSE, SCORE, JUDGED = 95.0, 0.7, 0.2, 0.6
"""Median seconds of an answered call and until the first words, median score, share of calls that are judged."""
STREAMS, SOCKETS = 1.5, 0.6
"""Streams and websockets a minute, each open for two minutes or so."""


def past(when: Floats, rate: Floats, faults: Sequence[Fault], rng: np.random.Generator) -> list[Series]:
    """All series of one instance. ``rate`` is its share of the traffic at each moment, relative to the mean of all."""
    maker = _Instance(when, rate, faults, rng)
    for route in ROUTES:
        maker.requests(route)
    maker.long_lived()
    maker.models()
    maker.recorded()
    maker.instrumented()
    return maker.counted.series(maker.step)


class _Instance:
    """One process, step by step."""

    def __init__(self, when: Floats, rate: Floats, faults: Sequence[Fault], rng: np.random.Generator) -> None:
        self.step = round(float(when[1] - when[0]))
        self._rng = rng
        self._rate = rate * self.step / 60
        self._failing = factor(faults, "api_errors", when, 0.0)
        self._slower = factor(faults, "api_latency", when, 1.0)
        self._surprises = factor(faults, "instrumentation_failing", when, 0.0)
        self._refused = factor(faults, "recorder_dropping", when, 0.0)
        self._meter = Meter()
        self._http = HttpMeter(self._meter)
        self.counted = Counted(self._meter, len(when))

    def requests(self, route: Route) -> None:
        """Requests of one route; in an outage a share of them ends with its last, failing, ending."""
        times = self._drawn(route.rate)
        failing = self._rng.binomial(times, self._failing)
        shares = np.array([ending.share for ending in route.endings])
        drawn = self._rng.multinomial(times - failing, shares / shares.sum()).T
        drawn[-1] += failing
        for ending, count in zip(route.endings, drawn, strict=True):
            cells, _ = self._http.exchange(route.method, route.name, ending.status, "http", ending.error)
            seconds = ending.seconds * self._slower
            for family, cell, medians in (
                (self._http.duration, cells.duration, seconds), (self._http.first_byte, cells.first_byte, seconds / 2),
                (self._http.received, cells.received, 400.0), (self._http.sent, cells.sent, max(1.0, ending.size)),
            ):
                observe(self.counted.row(family.metric, cell), family.metric, count, medians, SIGMA, self._rng)
        waiting = self._rng.poisson(route.rate / 60 * 0.2 * self._slower)
        self._set(self._http.active.metric, waiting, route.method, "http")

    def long_lived(self) -> None:
        """Streamed answers and websockets."""
        streams, sockets = self._drawn(STREAMS), self._drawn(SOCKETS)
        self._observe(self._http.stream.metric, streams, 100.0, "/chat", "sse", "200")
        self._set(self._http.streams_open.metric, self._rng.poisson(2 * STREAMS, len(streams)), "/chat", "sse")
        self._add(self._http.stream_messages.metric, 40 * streams, "/chat", "sse")
        self._observe(self._http.socket.metric, sockets, 120.0, "/live", "1000")
        self._set(self._http.sockets_open.metric, self._rng.poisson(2 * SOCKETS, len(sockets)), "/live")
        for direction in ("sent", "received"):
            self._add(self._http.socket_messages.metric, 60 * sockets, "/live", direction)

    def models(self) -> None:
        """Calls of a generative model, one for each summary."""
        times = self._drawn(ROUTES[-1].rate)
        failed = self._rng.binomial(times, LLM_ERRORS)
        self._observe(llm.DURATION, times - failed, LLM_SECONDS * self._slower, *LLM, "")
        self._observe(llm.DURATION, failed, 10.0, *LLM, "TimeoutError")
        self._observe(llm.FIRST_CHUNK, times - failed, LLM_CHUNK * self._slower, *LLM)
        for kind, tokens in TOKENS.items():
            self._observe(llm.USAGE, times - failed, tokens, *LLM, kind)

    def recorded(self) -> None:
        """Predictions and calls, as they are counted and as they reach the database."""
        made, rows = self._drawn(PREDICTED), self._drawn(ROWS)
        refused = self._rng.binomial(rows, self._refused)
        self._add(predictions.PREDICTED, made, *MODEL)
        self._add(lane.WRITTEN, rows - refused, "calls")
        self._add(lane.DROPPED, refused, "calls", "rejected")
        self._add(writer.WRITE_ERRORS, refused > 0, "data")
        self._set(writer.QUEUE, self._rng.poisson(rows / self.step * 2))
        self._observe(predictions.SCORE, made, SCORE, *MODEL)
        for label, share in (("1", SCORE), ("0", 1 - SCORE)):
            self._add(predictions.OUTCOME, self._rng.binomial(made, share), label)
        for direction, kind, outcome, rate in CALLS:
            ended = self._drawn(rate)
            self._add(calls.TOTAL, ended, direction, kind, outcome)
            self._set(calls.ACTIVE, self._rng.poisson(ended / self.step * 60), direction, kind)
            if outcome == "answered":
                self._observe(calls.DURATION, ended, TALK, kind)
                self._observe(calls.RESPONSE, ended, RESPONSE, kind)
                for success in ("true", "false"):
                    self._add(calls.JUDGED, self._rng.binomial(ended, JUDGED / 2), success)

    def instrumented(self) -> None:
        """Surprises: there from the start on, as a scrape shows them once something was ever counted."""
        surprises = np.asarray(self._rng.poisson(self._surprises * self.step / 60), dtype=np.int64)
        self._add(ERRORS, surprises, "route")
        # That one is a family's own, made with its first series.
        wanted = (self._http.duration.metric.name,)
        overflow = next(cell for metric, labels, cell in self._meter.store.rows()
                        if metric is OVERFLOW and labels == wanted)
        self.counted.row(OVERFLOW, overflow)[0] += surprises

    def _drawn(self, rate: float) -> Ints:
        return np.asarray(self._rng.poisson(rate * self._rate), dtype=np.int64)

    def _observe(self, metric: Metric, times: Ints, medians: Floats | float, *labels: str) -> None:
        row = self.counted.row(metric, self._meter.family(metric).cell(*labels))
        observe(row, metric, times, medians, SIGMA, self._rng)

    def _add(self, metric: Metric, numbers: Numbers, *labels: str) -> None:
        self.counted.row(metric, self._meter.family(metric).cell(*labels))[0] += numbers

    def _set(self, metric: Metric, numbers: Numbers, *labels: str) -> None:
        self.counted.row(metric, self._meter.family(metric).cell(*labels))[0] = numbers
