"""The webhook intake: what came, what waits, what was written and what was refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sales_exporter.collectors import Arrivals, Collector, Context
from sales_exporter.model import Sample, counter, gauge

EVENTS = counter("sales_intake_events_total", "Events by result: accepted (on disk), duplicate, ignored (the contract "
                 "has no place for it) or invalid (a dead letter); requests that were unauthorized, too_large, "
                 "throttled, or met a full spool.", "source", "result")
WAITING = gauge("sales_intake_spool_events", "Accepted events that wait for the database.")
LIMIT = gauge("sales_intake_spool_limit_events", "Events that may wait; above it requests are answered 503.")
BYTES = gauge("sales_intake_spool_bytes", "Bytes of the events and dead letters that wait for the database.")
WRITTEN = counter("sales_intake_written_rows_total", "Rows written to the database.", "relation")
LETTERS = gauge("sales_intake_dead_letters", "Events that are kept because they could not be taken or written; "
                "sales-exporter replay tries them again.")
ERRORS = counter("sales_intake_write_errors_total", "Batches that could not be written, by reason; they are tried "
                 "again.", "reason")
LAG = gauge("sales_intake_lag_seconds", "Age of the oldest event that waits for the database; 0 when none does.")


class IntakeReport(Collector):
    """Reports on the intake; says nothing when it is off."""

    name = "intake"
    interval = 10.0
    metrics = (EVENTS, WAITING, LIMIT, BYTES, WRITTEN, LETTERS, ERRORS, LAG)

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """What is known already."""
        return [] if ctx.arrivals is None else list(of(ctx.arrivals, ctx.wall))


def of(arrivals: Arrivals, now: float) -> Iterator[Sample]:
    """All about the intake."""
    for (source, result), count in sorted(arrivals.events.items()):
        yield EVENTS(count, source=source, result=result)
    yield WAITING(arrivals.waiting)
    yield LIMIT(arrivals.limit)
    yield BYTES(arrivals.bytes)
    for relation, count in sorted(arrivals.written.items()):
        yield WRITTEN(count, relation=relation)
    if arrivals.dead_letters is not None:
        yield LETTERS(arrivals.dead_letters)
    for reason, count in sorted(arrivals.errors.items()):
        yield ERRORS(count, reason=reason)
    yield LAG(max(0.0, now - arrivals.oldest) if arrivals.oldest is not None else 0.0)
