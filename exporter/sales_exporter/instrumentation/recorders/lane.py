"""The rows of one relation on their way to the database, and when to try again."""

from __future__ import annotations

import contextlib
import random
import time
from collections import deque

from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.recorders.relations import Relation, Row
from sales_exporter.model import counter

WRITTEN = counter(
    "sales_recorder_written_rows_total", "Rows that are in the database: written by this process, or found there under "
    "the same key.", "relation")
DROPPED = counter(
    "sales_recorder_dropped_rows_total", "Rows that will not be in the database. full: the queue was, and the oldest "
    "went. invalid: a value that no column can hold. rejected: the database refused this very row. closed: the writer "
    "was closed, or the process ended, before it was written.", "relation", "reason")

FIRST_RETRY_SECONDS = 0.25


class Retry:
    """When to try again: later each time, up to a bound, with jitter so that processes do not come together."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._delay = min(FIRST_RETRY_SECONDS, most)
        self.due = 0.0

    def failed(self) -> None:
        """Put the next attempt off."""
        self.due = time.monotonic() + self._delay * random.uniform(0.5, 1.0)  # noqa: S311  (no secret)
        self._delay = min(2 * self._delay, self._most)

    def worked(self) -> None:
        """Start anew."""
        self._delay, self.due = min(FIRST_RETRY_SECONDS, self._most), 0.0


class Lane:
    """The rows of one relation. ``added`` less ``done`` are neither written nor dropped.

    ``+=`` on one of the numbers is not torn between threads, see :class:`sales_exporter.instrumentation.store.Cell`.
    """

    __slots__ = ("added", "closed", "done", "finished", "full", "invalid", "parts", "queue", "rejected", "relation",
                 "retry", "taken", "written")

    def __init__(self, relation: Relation, meter: Meter, most: float) -> None:
        self.relation = relation
        self.retry = Retry(most)
        dropped = meter.family(DROPPED)
        self.full = dropped.cell(relation.name, "full")
        self.invalid = dropped.cell(relation.name, "invalid")
        self.rejected = dropped.cell(relation.name, "rejected")
        self.closed = dropped.cell(relation.name, "closed")
        self.written = meter.family(WRITTEN).cell(relation.name)
        self.empty()

    def empty(self) -> None:
        """Forget all rows."""
        self.queue: deque[Row] = deque()
        # The batch in hand: taken from the queue and tried until its fate is known, in one part unless a row is bad.
        self.parts: list[list[Row]] = []
        self.added = self.done = self.taken = self.finished = 0

    def take(self, most: int) -> bool:
        """Have a batch in hand, unless there is nothing to write."""
        if not self.parts:
            self.finished = self.taken
            rows: list[Row] = []
            with contextlib.suppress(IndexError):
                while len(rows) < most:
                    rows.append(self.queue.popleft())
            if rows:
                self.taken += 1
                self.parts.append(rows)
        return bool(self.parts)
