"""Calls in cells: what each contributes, and that folding equals counting anew."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest

from sales_exporter.ledger.calendar import SECOND, Calendar
from sales_exporter.ledger.calls import (
    CALLS,
    COST,
    COSTED,
    FIRST_RESPONSE,
    TALK,
    TIME_SUMS,
    TIMES,
    Calls,
    Judgements,
    contributions,
)
from sales_exporter.ledger.cube import Layout, Tally
from sales_exporter.ledger.scheme import Scheme
from sales_exporter.ledger.sources.calls import CallSource
from tests.support.databases import Database, Databases
from tests.support.sources import Replica

NOW = datetime(2024, 6, 1, tzinfo=UTC).timestamp()
HOUR = 3600
DAY = round(NOW) // 86_400 - 1
"""The day before NOW, which is a midnight."""
RELATIONS = frozenset({"calls", "call_judgements", "removals"})
NONE = Judgements(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool), np.zeros(0, dtype=np.int64))


def _calls(n: int, **more: object) -> Calls:
    """Answered outbound calls of an AI that began an hour before NOW and took a minute, unless said otherwise."""
    given = {
        "started": NOW - HOUR, "ended": NOW - HOUR + 60, "direction": 2, "kind": 2, "outcome": 1, "result": 2,
        "transferred": False, "talk": np.nan, "response": np.nan, "priced": False, "cost": 0, "currency": 0, **more,
    }
    columns = {name: np.broadcast_to(np.array(value), n).copy() for name, value in given.items()}
    for name in ("started", "ended"):
        columns[name] = (columns[name] * SECOND).astype(np.int64)
    return Calls(**columns)


def _cells(layout: Layout, cells: dict[str, Tally]) -> list[dict[str, int]]:
    columns = layout.unpack(cells[layout.name].keys)
    return [
        {**{name: int(column[i]) for name, column in columns.items()}, "n": n}
        for i, n in enumerate(cells[layout.name].counts.tolist())
    ]


def _of(calls: Calls, judgements: Judgements = NONE, zone: str = "UTC") -> dict[str, Tally]:
    return contributions(Calendar(zone), calls, judgements, round(NOW * SECOND))


def test_a_call_that_ended_at_the_cutoff_is_in_no_cell() -> None:
    cells = _of(_calls(2, ended=[NOW - 1, NOW], talk=3.0, priced=True, cost=5))
    assert {name: int(tally.counts.sum()) for name, tally in cells.items()} == {
        "calls": 1, "call_costed": 1, "call_cost": 5, "call_times": 1, "call_time_sums": 3 * SECOND}


def test_the_latest_judgement_before_the_cutoff_counts_in_place_of_the_calls_own() -> None:
    at = np.array([NOW - 3, NOW - 2, NOW]) * SECOND
    judgements = Judgements(np.zeros(3, dtype=np.int64), np.array([False, True, False]), at.astype(np.int64))
    assert [cell["result"] for cell in _cells(CALLS, _of(_calls(1, result=0), judgements))] == [1]


def test_only_answered_calls_are_transferred_or_have_talk_time() -> None:
    cells = _of(_calls(2, outcome=[1, 3], transferred=True, talk=7.0))
    assert [(cell["outcome"], cell["transferred"]) for cell in _cells(CALLS, cells)] == [(1, 1), (3, 0)]
    assert [cell["n"] for cell in _cells(TIMES, cells)] == [1]


def test_costs_know_their_hour_and_their_day_where_an_hour_holds_two_days() -> None:
    # In Kolkata (5:30 ahead) the day begins in the middle of the hour 18 UTC.
    starts = datetime(2024, 5, 20, 18, 29, 59, tzinfo=UTC).timestamp()
    calls = _calls(2, started=[starts, starts + 1], priced=True, cost=[100, 250], currency=4)
    cells = _of(calls, zone="Asia/Kolkata")
    found = _cells(COST, cells)
    assert len({cell["hour"] for cell in found}) == 1
    assert [cell["n"] for cell in found] == [100, 250]
    assert found[1]["day"] - found[0]["day"] == 1
    assert [cell["n"] for cell in _cells(COSTED, cells)] == [1, 1]


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (0.1, 0), (0.11, 1), (30.0, 11), (30.1, 12)])
def test_the_bound_of_a_bucket_lies_in_it(seconds: float, bucket: int) -> None:
    cells = _of(_calls(1, response=seconds))
    assert _cells(TIMES, cells) == [{"day": DAY, "what": FIRST_RESPONSE, "kind": 2, "bucket": bucket, "n": 1}]


@pytest.mark.parametrize("nonsense", [np.nan, np.inf, -np.inf, -1.0])
def test_what_is_no_length_of_time_is_in_no_bucket(nonsense: float) -> None:
    cells = _of(_calls(2, response=nonsense, talk=[nonsense, 8.0]))
    assert _cells(TIMES, cells) == [{"day": DAY, "what": TALK, "kind": 2, "bucket": 1, "n": 1}]
    assert _cells(TIME_SUMS, cells) == [{"day": DAY, "what": TALK, "kind": 2, "n": 8 * SECOND}]


def test_lengths_of_time_know_their_day_in_the_reporting_zone() -> None:
    # In Kolkata the day begins at 18:30 UTC.
    starts = datetime(2024, 5, 20, 18, 29, 59, tzinfo=UTC).timestamp()
    cells = _of(_calls(3, started=[starts, starts + 1, starts + 2], response=4.0, talk=8.0), zone="Asia/Kolkata")
    first = round(starts) // 86_400
    for layout, unit in ((TIMES, 1), (TIME_SUMS, SECOND)):
        responses = [cell for cell in _cells(layout, cells) if cell["what"] == FIRST_RESPONSE]
        assert [cell["day"] for cell in responses] == [first, first + 1]
        assert [cell["n"] for cell in responses] == [n * (4 if layout is TIME_SUMS else 1) * unit for n in (1, 2)]


def test_an_absurd_length_of_time_does_not_overflow_the_sum() -> None:
    cells = _of(_calls(3, response=1e300))
    assert [cell["n"] for cell in _cells(TIME_SUMS, cells)] == [3 * 10**9 * SECOND]


class Scribe:
    """Writes calls and judgements at random: new, late, in the future, removed, rolled back."""

    def __init__(self, database: Database, seed: int) -> None:
        self._dsn = database.owner.dsn
        self._random = random.Random(seed)
        self._calls = self._judgements = 0

    def write(self, now: float, steps: int) -> None:
        """A few transactions; one in five is rolled back."""
        for _ in range(steps):
            with psycopg.connect(self._dsn) as connection:
                for _ in range(self._random.randint(1, 4)):
                    self._one(connection, now)
                if self._random.random() < 0.2:
                    connection.rollback()

    def _one(self, connection: psycopg.Connection[tuple[object, ...]], now: float) -> None:
        what, chance = self._random.random(), self._random
        if what < 0.5:
            self._calls += 1
            started = now - chance.choice([5, 4000, 90_000, 40 * 86_400, 60 * 365 * 86_400])
            connection.execute(
                "INSERT INTO sales.calls (call_id, agent_kind, direction, started_at, answered_at, ended_at, outcome,"
                " success, talk_seconds, first_response_seconds, transferred, cost, currency) VALUES (%s, %s, %s,"
                " to_timestamp(%s), to_timestamp(%s), to_timestamp(%s), %s, %s, %s, %s, %s, %s, %s)",
                (f"c{self._calls}", chance.choice(["ai", "human", "robot"]), chance.choice(["inbound", "outbound"]),
                 started, started + 1, started + chance.choice([1, 60, 9000]),
                 chance.choice(["answered", "busy", "odd"]), chance.choice([True, False, None]),
                 chance.choice([None, 12.5, float("nan"), -1]), chance.choice([None, 0.4]), chance.random() < 0.3,
                 chance.choice([None, "0.25", "NaN", "-3.000001"]), chance.choice(["EUR", "USD", None])))
        elif what < 0.8:
            self._judgements += 1
            connection.execute(
                "INSERT INTO sales.call_judgements (judgement_id, call_id, success, judged_at)"
                " VALUES (%s, %s, %s, to_timestamp(%s))",
                (f"j{self._judgements}", self._some(), chance.random() < 0.5, now + chance.choice([-9000, -5, 0, 700])))
        elif what < 0.9:
            connection.execute("DELETE FROM sales.calls WHERE call_id = %s", (self._some(),))
        else:
            connection.execute("DELETE FROM sales.call_judgements WHERE call_id = %s", (self._some(),))

    def _some(self) -> str:
        return f"c{self._random.randint(1, self._calls + 2)}"


@pytest.mark.postgres
class TestOnPostgres:
    """The source on real rows."""

    @pytest.mark.parametrize("seed", [1, 2, 3])
    async def test_folding_whatever_happens_equals_counting_anew(self, databases: Databases, seed: int) -> None:
        database = databases.fresh()
        source = CallSource(Scheme((), (), "Asia/Kolkata"), RELATIONS)
        replica, scribe, folded = Replica(source, database), Scribe(database, seed), 0
        try:
            for step in range(8):
                now = NOW + 600 * step
                scribe.write(now, 12)
                folded += len(await replica.step(now))
                assert replica.cells == await replica.anew(now)
        finally:
            await replica.close()
        assert folded > 50

    async def test_a_row_that_comes_more_than_an_hour_after_its_time_is_late_once(self, databases: Databases) -> None:
        database = databases.fresh()
        replica = Replica(CallSource(Scheme((), ()), RELATIONS), database)
        try:
            await replica.step(NOW)
            for ago in (3590, 3610, -3610):
                database.execute(
                    "INSERT INTO sales.calls (call_id, agent_kind, direction, started_at, ended_at, outcome)"
                    " VALUES (%s, 'ai', 'inbound', to_timestamp(%s), to_timestamp(%s), 'busy')",
                    str(ago), NOW - ago, NOW - ago)
            for seconds in (1, 2):
                await replica.step(NOW + seconds)
                assert replica.late == 1
        finally:
            await replica.close()

    async def test_moving_through_time_equals_counting_at_each_moment(self, databases: Databases) -> None:
        database = databases.fresh()
        replica, scribe = Replica(CallSource(Scheme((), ()), RELATIONS), database), Scribe(database, 5)
        try:
            scribe.write(NOW, 80)
            moments = [NOW + offset for offset in (-9100, -9000, -9000, -4000, -5, 0, 1, 601, 701, 9001)]
            found = await replica.moved(moments)
            assert found == [await replica.anew(moment) for moment in moments]
            assert found[0] != found[4] != found[-1]
        finally:
            await replica.close()

    async def test_an_old_snapshot_is_read_as_it_was_whatever_came_and_went_since(self, databases: Databases) -> None:
        database = databases.fresh()
        replica, scribe = Replica(CallSource(Scheme((), ()), RELATIONS), database), Scribe(database, 4)
        try:
            scribe.write(NOW, 40)
            await replica.step(NOW)
            before = replica.cells
            scribe.write(NOW, 40)
            database.execute("DELETE FROM sales.calls WHERE call_id < 'c3'")
            assert await replica.anew(NOW, replica.snapshot) == before
            assert await replica.anew(NOW) != before
        finally:
            await replica.close()

    async def test_a_call_that_has_not_ended_is_due_at_its_end(self, databases: Databases) -> None:
        database = databases.fresh()
        database.execute(
            "INSERT INTO sales.calls (call_id, agent_kind, direction, started_at, ended_at, outcome) VALUES"
            " ('a', 'ai', 'inbound', '2024-05-31 23:50+00', '2024-06-01 00:10+00', 'answered'),"
            " ('never', 'ai', 'inbound', '2024-05-31 23:50+00', 'infinity', 'answered')")
        replica = Replica(CallSource(Scheme((), ()), RELATIONS), database)
        try:
            await replica.step(NOW)
            assert replica.due == [(NOW + 600, "a")]
            assert replica.cells["calls"] == {}
            assert await replica.step(NOW + 601) == ["a"]
            assert sum(replica.cells["calls"].values()) == 1
        finally:
            await replica.close()
