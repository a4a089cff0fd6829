"""The recorder that applications make: predictions, outcomes, calls and judgements in one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.recorders.calls import Calls
from sales_exporter.instrumentation.recorders.predictions import Predictions
from sales_exporter.instrumentation.recorders.writer import EXIT_SECONDS, Writer


class Recorder(Predictions, Calls):
    """Records what models and agents do: metrics at once, rows for the data contract's tables soon after.

        recorder = Recorder(dsn_file="recorder.dsn", meter=meter)
        recorder.record_prediction("lead-score", "3", lead.id, 0.81)

    ``dsn`` or ``dsn_file`` says where the rows go; instead a ``writer`` may be given, which several recorders can share
    and which has more options. With none of them there are metrics only. Needs INSERT alone: ``recorder_role.sql``. No
    method but this one raises, and none waits for the database, save ``flush`` and ``close``.

    Raises:
        ImportError: rows are wanted and psycopg is missing.
        ValueError: more than one of dsn, dsn_file and writer.
    """

    def __init__(
        self, dsn: str | None = None, *, dsn_file: Path | str | None = None, writer: Writer | None = None,
        meter: Meter | None = None, clock: Callable[[], float] = time.time,
    ) -> None:
        if (dsn is not None) + (dsn_file is not None) + (writer is not None) > 1:
            raise ValueError("a recorder takes one of dsn, dsn_file and writer")
        meter = meter or (writer.meter if writer is not None else Meter())
        if dsn is not None or dsn_file is not None:
            writer = Writer(dsn, dsn_file=dsn_file, meter=meter)
        super().__init__(meter, writer, clock)

    def flush(self, timeout: float = EXIT_SECONDS) -> bool:
        """Wait until the rows recorded so far are written, at most ``timeout`` seconds; see :meth:`Writer.flush`."""
        return self.writer is None or self.writer.flush(timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Write what is left and end the writer; see :meth:`Writer.close`. Metrics go on."""
        return self.writer is None or self.writer.close(timeout)
