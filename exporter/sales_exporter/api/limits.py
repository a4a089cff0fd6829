"""How often each caller may ask: by login, or by address where there are no users."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeAlias

from sales_exporter.config import Api
from sales_exporter.runtime.bucket import Bucket

Caller: TypeAlias = str | bytes
"""A login, or whose address it is."""
KNOWN = 4_096
"""Callers that are remembered: those who asked last."""


class Callers:
    """One bucket for each caller."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[Caller, Bucket] = OrderedDict()
        self._rule: tuple[float, int] | None = None

    def wait(self, caller: Caller, settings: Api, now: float) -> int:
        """0 when the caller may go on, else seconds to wait; monotonic time."""
        rule = (settings.requests_per_second, settings.burst)
        if rule != self._rule:
            self._rule = rule
            self._buckets.clear()
        bucket = self._buckets.setdefault(caller, Bucket(*rule))
        self._buckets.move_to_end(caller)
        if len(self._buckets) > KNOWN:
            self._buckets.popitem(last=False)
        return bucket.wait(now)
