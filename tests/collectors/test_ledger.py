"""What the ledger tells about itself."""

from __future__ import annotations

from sales_exporter.collectors import Context
from sales_exporter.collectors.ledger import (
    BYTES,
    CELLS,
    DURATION,
    EXACT,
    FILL,
    LATE,
    MISMATCH,
    REBUILDS,
    ROWS,
    SET_ASIDE,
    LedgerReport,
)
from sales_exporter.config import Business
from sales_exporter.ledger.state import Folding, Report
from sales_exporter.model import Sample

SOUND = Report(1.0, 10, 300, 4, 2, True, 0, 0.5)


async def told(folding: Folding) -> set[Sample]:
    context = Context(now=0.0, db=None, business=Business(), folding=folding)  # type: ignore[arg-type]
    return set(await LedgerReport().collect(context))


async def test_all_of_a_source_is_told() -> None:
    found = await told(Folding({"leads": SOUND}, 4096, 1))
    assert found == {
        BYTES(4096), SET_ASIDE(1), FILL(1.0, source="leads"), CELLS(10, source="leads"), ROWS(300, source="leads"),
        LATE(4, source="leads"), REBUILDS(2, source="leads"), EXACT(1.0, source="leads"),
        DURATION(0.5, source="leads"), MISMATCH(0, source="leads"),
    }


async def test_a_source_that_cannot_be_read_exactly_is_told_apart_from_those_that_can() -> None:
    views = Report(1.0, 10, 300, 4, 0, False, None, 0.5)
    found = await told(Folding({"leads": views, "calls": SOUND}))
    assert {EXACT(0.0, source="leads"), EXACT(1.0, source="calls")} <= found


async def test_before_the_first_audit_nothing_is_said_of_mismatches() -> None:
    found = await told(Folding({"leads": Report(0.25, 0, 0, 0, 0, True, None, 0.0)}))
    assert FILL(0.25, source="leads") in found
    assert not [sample for sample in found if sample.metric == MISMATCH]


async def test_before_the_database_answered_there_are_no_sources() -> None:
    assert await told(Folding()) == {BYTES(0), SET_ASIDE(0)}


def test_it_folds_though_it_waits_for_no_source() -> None:
    assert LedgerReport.always_folds
    assert LedgerReport.folds == ()
    assert LedgerReport.reads == ()
