"""Calls: answered, judged, passed on, timed and paid for, with every denominator beside its ratio."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sales_exporter.collectors.calls import DURATION, RESPONSE, Calls, distribution, per_success
from sales_exporter.collectors.cardinality import OTHER
from sales_exporter.config import Business
from sales_exporter.model import Distribution, Sample
from tests.support.databases import Database, Databases
from tests.support.reading import collect, number, values

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def _call(database: Database, key: str, outcome: str = "answered", **more: object) -> None:
    started = str(more.get("started", "2024-05-31 10:00:00+00"))
    database.execute(
        "INSERT INTO sales.calls (call_id, agent_kind, direction, started_at, answered_at, ended_at, outcome, success,"
        " talk_seconds, first_response_seconds, transferred, cost, currency)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        key, more.get("kind", "ai"), more.get("direction", "outbound"), started, more.get("answered"),
        more.get("ended", started), outcome, more.get("success"), more.get("talk"), more.get("response"),
        more.get("transferred", False), more.get("cost"), more.get("currency", "EUR"),
    )


def _judge(database: Database, key: str, call: str, success: bool, when: str) -> None:
    database.execute(
        "INSERT INTO sales.call_judgements (judgement_id, call_id, success, judged_at) VALUES (%s, %s, %s, %s)",
        key, call, success, when,
    )


def _success(samples: list[Sample], denominator: str, window: str = "7d") -> float | None:
    return number(samples, "sales_call_success_ratio", agent_kind="ai", denominator=denominator, window=window)


def test_cost_per_success_is_as_uncertain_as_the_share_of_successes() -> None:
    value, lower, upper = per_success(50.0, 10, 100)
    assert value == 5
    # Wilson of 10 in 100 is 0.055229 to 0.174366; half a unit a call.
    assert (lower, upper) == pytest.approx((0.5 / 0.174366, 0.5 / 0.055229), rel=1e-4)


def test_cost_per_no_success_is_undefined() -> None:
    assert [part != part for part in per_success(50.0, 0, 100)] == [True, True, True]


def test_a_histogram_is_counts_by_bucket_and_their_sum() -> None:
    rows = [
        {"agent_kind": "ai", "bucket": 0, "n": 2, "total": 0.15},
        {"agent_kind": "ai", "bucket": 12, "n": 1, "total": 31.0},
    ]
    counts = (2, *[0] * 11, 1)
    assert list(distribution(RESPONSE, rows)) == [RESPONSE(Distribution(counts, 31.15), agent_kind="ai")]


@pytest.mark.postgres
class TestOnPostgres:
    """The statements on a handful of rows."""

    async def test_no_calls_have_no_series(self, databases: Databases) -> None:
        assert await collect(Calls(), databases.fresh(), NOW) == []

    async def test_a_call_that_ended_exactly_at_the_moment_does_not_exist_yet(self, databases: Databases) -> None:
        database = databases.fresh()
        _call(database, "over", ended="2024-05-31 23:59:59.999+00")
        _call(database, "ends now", ended="2024-06-01 00:00+00")
        found = values(await collect(Calls(), database, NOW), "sales_calls_total")
        assert found == {("outbound", "ai", "answered"): 1}

    async def test_a_window_holds_its_start_and_not_what_came_before(self, databases: Databases) -> None:
        database = databases.fresh()
        _call(database, "at the start", started="2024-05-25 00:00+00")
        _call(database, "before", started="2024-05-24 23:59:59.999+00")
        found = values(await collect(Calls(), database, NOW), "sales_call_attempts")
        assert found["outbound", "ai", "answered", "7d"] == 1
        assert found["outbound", "ai", "answered", "30d"] == 2

    async def test_a_window_begins_with_the_full_hour_of_its_start(self, databases: Databases) -> None:
        database = databases.fresh()
        _call(database, "in that hour", started="2024-05-25 00:00+00")
        _call(database, "before", started="2024-05-24 23:59:59.999+00")
        found = values(await collect(Calls(), database, NOW + timedelta(minutes=59)), "sales_call_attempts")
        assert found["outbound", "ai", "answered", "7d"] == 1

    async def test_costs_go_by_the_day_of_the_reporting_zone(self, databases: Databases) -> None:
        database = databases.fresh()
        # In Kolkata (5:30 ahead) the 31st begins at 18:30 UTC, in the middle of an hour.
        _call(database, "a", cost=1, currency="USD", started="2024-05-30 18:29:59+00")
        _call(database, "b", cost=1, currency="USD", started="2024-05-30 18:30+00")
        database.execute("INSERT INTO sales.fx_rates VALUES ('2024-05-31', 'USD', 0.5), ('2024-05-30', 'USD', 9)")
        business = Business(reporting_timezone="Asia/Kolkata")
        samples = await collect(Calls(), database, NOW, business)
        assert number(samples, "sales_call_cost", agent_kind="ai", currency="EUR", window="7d") == 9.5

    async def test_a_cost_that_is_no_number_has_no_rate(self, databases: Databases) -> None:
        database = databases.fresh()
        _call(database, "a", cost="NaN")
        _call(database, "b", cost="0.000001")
        _call(database, "c", cost=0)
        samples = await collect(Calls(), database, NOW)
        where = {"agent_kind": "ai", "window": "7d"}
        assert number(samples, "sales_call_cost", currency="EUR", **where) == 1e-6
        assert number(samples, "sales_calls_without_rate", **where) == 1
        assert number(samples, "sales_call_costed", result="unjudged", **where) == 2

    async def test_a_window_without_calls_has_counts_of_zero_and_no_ratio(self, databases: Databases) -> None:
        database = databases.fresh()
        _call(database, "old", started="2024-05-10", cost=1)
        samples = await collect(Calls(), database, NOW)
        kind = {"agent_kind": "ai", "window": "7d"}
        assert number(samples, "sales_call_attempts", direction="outbound", outcome="answered", **kind) == 0
        assert number(samples, "sales_call_answer_ratio", direction="outbound", **kind) is None
        assert number(samples, "sales_call_transfer_ratio", **kind) is None
        assert number(samples, "sales_call_cost", currency="EUR", **kind) == 0
        assert _success(samples, "attempted") is None

    async def test_nobody_answered_leaves_the_ratios_of_answered_calls_out(self, databases: Databases) -> None:
        database = databases.fresh()
        _call(database, "a", "busy")
        _call(database, "b", "voicemail")
        samples = await collect(Calls(), database, NOW)
        answer = {"direction": "outbound", "agent_kind": "ai", "window": "7d"}
        assert number(samples, "sales_call_answer_ratio", **answer) == 0
        assert number(samples, "sales_call_answer_ratio_lower", **answer) == 0
        assert number(samples, "sales_call_answer_ratio_upper", **answer) == pytest.approx(0.657620, abs=1e-5)
        assert _success(samples, "answered") is None
        assert _success(samples, "attempted") == 0
        assert _success(samples, "judged") is None

    async def test_three_denominators_give_three_ratios(self, databases: Databases) -> None:
        database = databases.fresh()
        _call(database, "a", success=True)
        _call(database, "b", success=False)
        _call(database, "c", success=None)
        for key in "defgh":
            _call(database, key, "no_answer")
        samples = await collect(Calls(), database, NOW)
        assert _success(samples, "judged") == 1 / 2
        assert _success(samples, "answered") == 1 / 3
        assert _success(samples, "attempted") == 1 / 8
        found = values(samples, "sales_call_results")
        assert found["ai", "true", "unjudged", "7d"] == 1
        assert found["ai", "false", "unjudged", "7d"] == 5
        assert sum(n for (_, _, _, window), n in found.items() if window == "7d") == 8

    async def test_the_latest_judgement_before_the_moment_wins(self, databases: Databases) -> None:
        database = databases.fresh()
        _call(database, "a", success=False)
        _judge(database, "1", "a", False, "2024-05-31 11:00+00")
        _judge(database, "2", "a", True, "2024-05-31 12:00+00")
        _judge(database, "3", "a", False, "2024-06-01 00:00+00")
        assert _success(await collect(Calls(), database, NOW), "judged") == 1
        later = datetime(2024, 6, 1, 1, tzinfo=UTC)
        assert _success(await collect(Calls(), database, later), "judged") == 0

    async def test_judgements_of_one_instant_go_by_their_id(self, databases: Databases) -> None:
        database = databases.fresh()
        _call(database, "a")
        _judge(database, "2", "a", True, "2024-05-31 12:00+00")
        _judge(database, "1", "a", False, "2024-05-31 12:00+00")
        assert _success(await collect(Calls(), database, NOW), "judged") == 1

    async def test_without_the_relation_of_judgements_the_calls_own_count(self, databases: Databases) -> None:
        database = databases.fresh()
        _call(database, "a", success=False)
        _judge(database, "1", "a", True, "2024-05-31 12:00+00")
        samples = await collect(Calls(), database, NOW, relations=frozenset({"calls"}))
        assert _success(samples, "judged") == 0

    async def test_only_answered_calls_can_be_transferred(self, databases: Databases) -> None:
        database = databases.fresh()
        _call(database, "a", transferred=True)
        _call(database, "b")
        _call(database, "c", "failed", transferred=True)
        samples = await collect(Calls(), database, NOW)
        assert number(samples, "sales_call_transfer_ratio", agent_kind="ai", window="7d") == 1 / 2
        assert number(samples, "sales_call_transfers", agent_kind="ai", window="7d") == 1

    async def test_texts_outside_the_contract_become_other(self, databases: Databases) -> None:
        database = databases.fresh()
        for number_ in range(3):
            _call(database, str(number_), f"made up {number_}", kind=f"robot {number_}", direction="sideways")
        found = values(await collect(Calls(), database, NOW), "sales_calls_total")
        assert found == {(OTHER, OTHER, OTHER): 3}

    async def test_cost_per_success_leaves_calls_of_unknown_cost_out_on_both_sides(
        self, databases: Databases
    ) -> None:
        database = databases.fresh()
        _call(database, "a", success=True, cost="0.25")
        _call(database, "b", success=False, cost="0.75")
        _call(database, "free of information", success=True, cost=None)
        _call(database, "no rate", success=True, cost=5, currency="USD")
        samples = await collect(Calls(), database, NOW)
        where = {"agent_kind": "ai", "window": "7d"}
        assert number(samples, "sales_call_cost", currency="EUR", **where) == 1
        assert number(samples, "sales_call_cost_per_success", currency="EUR", **where) == 1
        assert number(samples, "sales_calls_without_rate", **where) == 1
        assert number(samples, "sales_call_costed", result="success", **where) == 1
        assert number(samples, "sales_call_costed", result="no_success", **where) == 1

    async def test_costs_take_the_rate_of_the_day_the_call_began_on(self, databases: Databases) -> None:
        database = databases.fresh()
        _call(database, "a", cost=2, currency="USD")
        database.execute("INSERT INTO sales.fx_rates VALUES ('2024-05-31', 'USD', 0.5), ('2024-05-30', 'USD', 9)")
        samples = await collect(Calls(), database, NOW)
        assert number(samples, "sales_call_cost", agent_kind="ai", currency="EUR", window="7d") == 1

    async def test_the_bound_of_a_bucket_lies_in_it(self, databases: Databases) -> None:
        database = databases.fresh()
        for key, talk in (("a", 5.0), ("b", 5.01), ("c", 3600.0), ("d", 3600.1)):
            _call(database, key, talk=talk)
        found = values(await collect(Calls(), database, NOW), "sales_call_duration_seconds")["ai",]
        assert isinstance(found, Distribution)
        assert found.counts == (1, 1, *[0] * 9, 1, 1)
        assert len(found.counts) == len(DURATION.bounds) + 1
        assert found.total == pytest.approx(7210.11)

    async def test_duration_falls_back_to_the_time_from_answer_to_end(self, databases: Databases) -> None:
        database = databases.fresh()
        _call(database, "a", answered="2024-05-31 10:00+00", ended="2024-05-31 10:00:42+00")
        _call(database, "b", "no_answer", ended="2024-05-31 10:00:30+00")
        found = values(await collect(Calls(), database, NOW), "sales_call_duration_seconds")["ai",]
        assert isinstance(found, Distribution)
        assert (sum(found.counts), found.total) == (1, 42)

    @pytest.mark.parametrize("nonsense", ["NaN", "Infinity", "-Infinity", "-1"])
    async def test_what_is_no_length_of_time_is_in_no_histogram(self, databases: Databases, nonsense: str) -> None:
        database = databases.fresh()
        _call(database, "a", response=nonsense)
        _call(database, "b", response=0.4)
        found = values(await collect(Calls(), database, NOW), "sales_call_first_response_seconds")["ai",]
        assert isinstance(found, Distribution)
        assert (sum(found.counts), found.total) == (1, 0.4)
