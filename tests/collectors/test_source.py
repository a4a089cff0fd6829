"""Whether the source is there, and how old what we know of it is."""

from __future__ import annotations

from collections.abc import Iterable

from sales_exporter.collectors import Context, Row
from sales_exporter.collectors.source import LAG, UP, Source
from sales_exporter.config import Business
from sales_exporter.errors import SourceUnavailable
from sales_exporter.model import Sample


class Server:
    """Answers as PostgreSQL would, or not at all."""

    def __init__(self, relations: Iterable[str] | None, standby: bool = False, delay: float = 0.0) -> None:
        self._relations = relations
        self._state = [{"standby": standby, "delay": delay}]

    async def relations(self) -> frozenset[str]:
        if self._relations is None:
            raise SourceUnavailable("away")
        return frozenset(self._relations)

    async def fetch(self, sql: str, /, **parameters: object) -> list[Row]:
        return self._state


async def look(collector: Source, server: Server, wall: float) -> set[Sample]:
    return set(await collector.collect(Context(now=0.0, wall=wall, db=server, business=Business())))


async def test_a_source_that_answers_is_up_and_not_late() -> None:
    samples = await look(Source(), Server(["leads"]), 100)
    assert {UP(1, source="postgres"), UP(1, source="leads"), LAG(0, source="leads")} <= samples


async def test_a_source_that_went_away_is_down_with_all_relations_and_its_lag_grows() -> None:
    collector = Source()
    await look(collector, Server(["leads"]), 100)
    samples = await look(collector, Server(None), 130)
    assert {UP(0, source="postgres"), UP(0, source="leads"), LAG(30, source="leads")} <= samples


async def test_a_source_that_never_answered_is_down_since_we_started() -> None:
    collector = Source()
    await look(collector, Server(None), 100)
    assert await look(collector, Server(None), 110) == {UP(0, source="postgres"), LAG(10, source="postgres")}


async def test_a_standby_is_late_by_its_replay_delay() -> None:
    samples = await look(Source(), Server(["leads"], standby=True, delay=7.0), 100)
    assert {LAG(7, source="leads"), UP(1, source="leads")} <= samples


async def test_a_relation_that_was_dropped_is_down_while_the_others_are_up() -> None:
    collector = Source()
    await look(collector, Server(["leads", "calls"]), 100)
    samples = await look(collector, Server(["leads"]), 110)
    assert {UP(1, source="leads"), UP(0, source="calls")} <= samples
