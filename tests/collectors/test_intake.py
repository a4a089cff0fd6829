"""What the intake tells about itself."""

from __future__ import annotations

from sales_exporter.collectors import Arrivals, Context
from sales_exporter.collectors.intake import (
    BYTES,
    ERRORS,
    EVENTS,
    LAG,
    LETTERS,
    LIMIT,
    WAITING,
    WRITTEN,
    IntakeReport,
)
from sales_exporter.config import Business
from sales_exporter.model import Sample


async def told(arrivals: Arrivals | None) -> set[Sample]:
    context = Context(now=5.0, wall=1000.0, db=None, business=Business(), arrivals=arrivals)  # type: ignore[arg-type]
    return set(await IntakeReport().collect(context))


async def test_all_of_the_intake_is_told() -> None:
    found = await told(Arrivals(
        {("crm", "accepted"): 7, ("crm", "invalid"): 0}, {"calls": 6}, {"deadline": 2}, 3, 4096, 100, 1, 940.0))
    assert found == {
        EVENTS(7, source="crm", result="accepted"), EVENTS(0, source="crm", result="invalid"), WAITING(3), BYTES(4096),
        LIMIT(100), WRITTEN(6, relation="calls"), LETTERS(1), ERRORS(2, reason="deadline"), LAG(60.0)}


async def test_without_an_intake_nothing_is_told() -> None:
    assert await told(None) == set()


async def test_what_the_database_did_not_tell_yet_is_absent_and_no_age_is_negative() -> None:
    found = await told(Arrivals(oldest=1005.0))
    assert LAG(0.0) in found
    assert not [sample for sample in found if sample.metric == LETTERS]
    assert LAG(0.0) in await told(Arrivals())
