"""Exemplars: once in a while a duration goes along with the trace id of its request, so that a slow bucket has a trace.

The id is that of the W3C ``traceparent`` header, when the trace is sampled (W3C Trace Context, version 00).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from sales_exporter.instrumentation.http import DURATION, Exchange
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.model import Exemplar

EVERY: Final = 1.0
"""Seconds between two looks at the headers for one series: reading them costs as much as all else."""
_TRACE: Final = re.compile(rb"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f][13579bdf]\Z")


class Exemplars:
    """Offers the exemplars of a meter's request durations."""

    def __init__(self, meter: Meter, clock: Callable[[], float] = time.time) -> None:
        self._meter = meter
        self._clock = clock

    def offer(self, cells: Exchange, bucket: int, seconds: float, end: float, scope: Mapping[str, Any]) -> None:
        """Take the trace id of a request, if it has one, for the bucket that its duration fell into."""
        cells.due = end + EVERY
        trace = trace_id(scope.get("headers") or ())
        if trace:
            self._meter.exemplify(DURATION, cells.labels, bucket, Exemplar("trace_id", trace, seconds, self._clock()))


def trace_id(headers: Any) -> str:
    """The id of a sampled trace in ASGI headers, empty without one."""
    for name, value in headers:
        if name == b"traceparent":
            found = _TRACE.match(value)
            return found[1].decode() if found else ""
    return ""
