"""What the parts of a recorder share: where rows and surprises go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.recorders.relations import Relation, Row
from sales_exporter.instrumentation.recorders.writer import Writer


class Base:
    """A meter, a clock and, where rows are wanted, a writer."""

    def __init__(self, meter: Meter, writer: Writer | None, clock: Callable[[], float]) -> None:
        self.meter = meter
        self.writer = writer
        self._clock = clock

    def _put(self, relation: Relation, row: Row) -> None:
        if self.writer is not None:
            self.writer.put(relation.name, row)

    def _refuse(self, relation: Relation, where: str, error: Exception) -> None:
        """Count a row that could not be recorded."""
        self._failed(where, error)
        if self.writer is not None:
            self.writer.refuse(relation.name)

    def _failed(self, where: str, error: Exception) -> None:
        """Count a surprise. The application must not notice, whatever is broken."""
        with contextlib.suppress(Exception):
            self.meter.failed(where, error)
