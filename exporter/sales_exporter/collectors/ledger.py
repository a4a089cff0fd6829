"""The ledger: how far it is filled, what it folded, whether it is exact, and what the audit found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sales_exporter.collectors import Collector, Context
from sales_exporter.ledger.state import Report
from sales_exporter.model import Sample, counter, gauge

FILL = gauge("sales_ledger_fill_ratio", "Share of the first fill that is done; the source's metrics appear at 1.",
             "source")
CELLS = gauge("sales_ledger_cells", "Cells that the ledger holds.", "source")
BYTES = gauge("sales_ledger_state_bytes", "Size of the state on disk.")
SET_ASIDE = gauge("sales_ledger_state_set_aside", "States that were damaged, foreign or of another release, set aside "
                  "since the start; a new one was filled.")
REBUILDS = counter("sales_ledger_rebuilds_total", "Fills from the start because the source became another one: "
                   "restored, failed over, truncated, or with too many changes to fold.", "source")
ROWS = counter("sales_fold_rows_total", "Rows read to fold changed things, the first fill included.", "source")
LATE = counter("sales_fold_late_rows_total", "Transitions that became visible more than an hour after they occurred.",
               "source")
DURATION = gauge("sales_fold_duration_seconds", "Duration of the last fold that had something to fold, its commit "
                 "included.", "source")
EXACT = gauge("sales_source_exact", "1 when the change key makes incremental reading exact; 0 on a standby, without a "
              "change key, and after a restore into another cluster: the newest parts are read again then.", "source")
MISMATCH = gauge("sales_audit_mismatch_cells", "Cells that differed from a recomputation in the last hourly audit of "
                 "a sample.", "source")


class LedgerReport(Collector):
    """Folds every ten seconds, whatever the intervals of those who read the cells, and reports."""

    name = "ledger"
    interval = 10.0
    metrics = (FILL, CELLS, BYTES, SET_ASIDE, REBUILDS, ROWS, LATE, DURATION, EXACT, MISMATCH)
    always_folds = True

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """What is known already."""
        samples = [BYTES(ctx.folding.bytes), SET_ASIDE(ctx.folding.set_aside)]
        for name, report in sorted(ctx.folding.sources.items()):
            samples += of_source(name, report)
        return samples


def of_source(name: str, report: Report) -> Iterator[Sample]:
    """All about one source."""
    yield FILL(report.progress, source=name)
    yield CELLS(report.cells, source=name)
    yield REBUILDS(report.rebuilds, source=name)
    yield ROWS(report.rows, source=name)
    yield LATE(report.late, source=name)
    yield DURATION(report.seconds, source=name)
    yield EXACT(float(report.exact), source=name)
    if report.mismatches is not None:
        yield MISMATCH(report.mismatches, source=name)
