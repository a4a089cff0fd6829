"""What the exporter says about itself."""

from __future__ import annotations

from sales_exporter.collectors import Context, Pass, Row
from sales_exporter.collectors.exporter import (
    DEFINITION,
    FAILURES,
    LAST,
    OVERFLOW,
    REPLAY,
    SERIES,
    SUCCESS,
    Self,
    definitions,
)
from sales_exporter.config import Business
from sales_exporter.model import Sample


class NoSource:
    """The collector about ourselves must not read the source."""

    async def fetch(self, sql: str, /, **parameters: object) -> list[Row]:
        raise AssertionError(sql)

    async def relations(self) -> frozenset[str]:
        raise AssertionError


async def said(**known: object) -> set[Sample]:
    context = Context(now=5.0, db=NoSource(), business=Business(), **known)  # type: ignore[arg-type]
    return set(await Self().collect(context))


async def test_a_pass_that_failed_shows_its_reason_and_keeps_its_last_success() -> None:
    state = Pass(60, success=False, last_success=3.0, series=7, failures={"lock": 2})
    samples = await said(passes={"funnel": state})
    assert {SUCCESS(0, collector="funnel"), LAST(3.0, collector="funnel"), SERIES(7, group="funnel"),
            FAILURES(2, collector="funnel", reason="lock")} <= samples


async def test_a_collector_that_has_not_run_claims_neither_success_nor_failure() -> None:
    assert SUCCESS not in {sample.metric for sample in await said(passes={"funnel": Pass(60)})}


async def test_what_the_limits_took_is_counted() -> None:
    assert OVERFLOW(4, label="channel") in await said(overflow={"channel": 4})


async def test_a_replay_is_marked() -> None:
    assert REPLAY(1) in await said(replay=True)


def test_a_definition_has_another_hash_when_days_are_cut_elsewhere() -> None:
    def hashes(business: Business) -> set[str]:
        return {sample.labels[-1] for sample in definitions(business) if sample.metric is DEFINITION}

    assert hashes(Business()).isdisjoint(hashes(Business(reporting_timezone="Asia/Tokyo")))
