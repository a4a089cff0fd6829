"""Key figures: revenue, values, pipeline, velocity and coverage at any moment, present or past."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from sales_exporter.collectors.cardinality import OTHER
from sales_exporter.collectors.deals import Deals
from sales_exporter.collectors.key import COVERAGE, EVERYONE, VELOCITY, Closed, Key, Pipeline, Sum, Targets, velocity
from sales_exporter.collectors.money import Rates
from sales_exporter.config import Business
from sales_exporter.ledger.deals import DEALS, NEVER, NO_AMOUNT, NO_STAGE, UNKNOWN
from sales_exporter.ledger.scheme import Scheme
from sales_exporter.ledger.source import Names
from sales_exporter.ledger.view import View
from tests.support.databases import Database, Databases
from tests.support.reading import collect, number, values

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
DAY = 86_400.0


def _deal(database: Database, key: str, status: str, closed: str | None, **more: object) -> None:
    database.execute(
        "INSERT INTO sales.deals (deal_id, lead_id, status, stage, closed_at, opened_at, amount, currency)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        key, more.get("lead"), status, more.get("stage", "proposal" if status == "open" else status), closed,
        more.get("opened", "2024-05-01"), more.get("amount", 100), more.get("currency", "EUR"),
    )


def _moved(database: Database, lead: str, *moves: tuple[str, str]) -> None:
    for stage, when in moves:
        database.execute(
            "INSERT INTO sales.stage_transitions (transition_id, lead_id, to_stage, occurred_at)"
            " VALUES (%s, %s, %s, %s)", f"{lead} {stage} {when}", lead, stage, when,
        )


def test_velocity_is_open_deals_times_win_ratio_times_value_over_cycle() -> None:
    closed = Closed({("won", "30d"): Sum(4, 4, 2000.0, 450.0, 20 * DAY), ("lost", "30d"): Sum(12, 12, 99.0)})
    # 10 open x 0.25 x 500 / 20 days
    assert list(velocity(closed, 10, "30d", "EUR")) == [VELOCITY(62.5, currency="EUR", window="30d")]


@pytest.mark.parametrize(
    "won",
    [
        pytest.param(Sum(), id="nothing won"),
        pytest.param(Sum(3, 0, 0.0, None, DAY), id="no value known"),
        pytest.param(Sum(3, 3, 9.0, 3.0, None), id="no cycle known"),
        pytest.param(Sum(3, 3, 9.0, 3.0, 0.0), id="cycles of no length"),
    ],
)
def test_velocity_without_one_of_its_parts_is_absent(won: Sum) -> None:
    assert list(velocity(Closed({("won", "7d"): won}), 10, "7d", "EUR")) == []


def test_coverage_is_the_pipeline_over_what_is_left_of_the_target() -> None:
    targets = Targets({("revenue", "month", EVERYONE): 1000.0}, {"month": 0.0})
    closed = Closed({("won", "month"): Sum(1, 1, 600.0)})
    assert COVERAGE(1200 / 400, period="month") in list(targets.samples(closed, 1200.0))


def test_a_target_that_is_met_has_no_coverage() -> None:
    targets = Targets({("revenue", "month", EVERYONE): 1000.0}, {"month": 0.0})
    found = list(targets.samples(Closed({("won", "month"): Sum(1, 1, 1000.0)}), 1200.0))
    assert {sample.metric.name for sample in found} == {"sales_target", "sales_target_attained"}


def test_without_a_target_of_the_company_the_teams_add_up() -> None:
    targets = Targets({("revenue", "month", "a"): 300.0, ("revenue", "month", "b"): 700.0}, {"month": 0.0})
    assert targets.revenue("month") == 1000
    assert Targets({**targets.amounts, ("revenue", "month", EVERYONE): 900.0}, {}).revenue("month") == 900


def test_stages_without_deals_are_zero_and_strange_ones_are_other() -> None:
    stages = ("lead", "proposal", "won")
    names = Names()
    found = DEALS.records(
        np.arange(3), cents=[500, NO_AMOUNT, 300], created=UNKNOWN, opened=UNKNOWN, closed=NEVER, path=0, rep=0,
        channel=0, campaign=0, currency=names.numbered(["EUR"] * 3), stage=[NO_STAGE, NO_STAGE, 2], status=2)
    view = View(Scheme(stages, ("open", "open", "won")), names, books={"deals": found})
    pipeline = Pipeline.of(Deals.at(view, NOW.timestamp()), Rates("EUR"), ("lead", "proposal"))
    assert pipeline.stages == {"lead": Sum(), "proposal": Sum(), OTHER: Sum(3, 2, 8.0, 4.0)}


@pytest.mark.postgres
class TestOnPostgres:
    """The statements on a handful of rows."""

    async def test_no_deals_are_zeros_and_nothing_undefined(self, databases: Databases) -> None:
        samples = await collect(Key(), databases.fresh(), NOW)
        assert {sample.value for sample in samples} == {0.0}
        names = {sample.metric.name for sample in samples}
        assert not names & {"sales_deal_value", "sales_velocity_per_day", "sales_pipeline_coverage_ratio"}
        assert number(samples, "sales_revenue_won", currency="EUR", window="7d") == 0
        assert number(samples, "sales_pipeline_value", stage="proposal", currency="EUR") == 0

    async def test_mean_and_median_are_of_won_deals_alone(self, databases: Databases) -> None:
        database = databases.fresh()
        for key, amount in (("a", 10), ("b", 20), ("c", 90)):
            _deal(database, key, "won", "2024-05-31", amount=amount)
        _deal(database, "lost", "lost", "2024-05-31", amount=5000)
        _deal(database, "open", "open", None, amount=7000)
        samples = await collect(Key(), database, NOW)
        assert number(samples, "sales_deal_value", currency="EUR", stat="mean", window="7d") == 40
        assert number(samples, "sales_deal_value", currency="EUR", stat="median", window="7d") == 20
        assert number(samples, "sales_revenue_won", currency="EUR", window="7d") == 120
        assert number(samples, "sales_deals", result="lost", window="7d") == 1
        assert number(samples, "sales_deals", result="open", window="all") == 1

    async def test_money_takes_the_rate_of_its_day_in_the_reporting_zone(self, databases: Databases) -> None:
        database = databases.fresh()
        # 23:30 in London is the next day in Berlin.
        _deal(database, "d", "won", "2024-05-30 22:30+00", amount=100, currency="USD")
        database.execute("INSERT INTO sales.fx_rates VALUES ('2024-05-30', 'USD', 0.5), ('2024-05-31', 'USD', 0.8)")
        for zone, value in (("UTC", 50), ("Europe/Berlin", 80)):
            samples = await collect(Key(), database, NOW, Business(reporting_timezone=zone))
            assert number(samples, "sales_revenue_won", currency="EUR", window="7d") == pytest.approx(value)

    async def test_a_missing_rate_is_no_rate_of_1_and_is_counted(self, databases: Databases) -> None:
        database = databases.fresh()
        _deal(database, "d", "won", "2024-05-31", currency="USD")
        _deal(database, "e", "won", "2024-05-31", amount=30)
        database.execute("INSERT INTO sales.fx_rates VALUES ('2024-05-30', 'USD', 0.5)")
        samples = await collect(Key(), database, NOW)
        assert number(samples, "sales_revenue_won", currency="EUR", window="7d") == 30
        assert number(samples, "sales_deal_value", currency="EUR", stat="mean", window="7d") == 30
        assert number(samples, "sales_deals", result="won", window="7d") == 2
        assert number(samples, "sales_deals_without_rate", result="won", window="7d") == 1

    async def test_the_relation_of_rates_may_be_absent(self, databases: Databases) -> None:
        database = databases.fresh()
        _deal(database, "d", "won", "2024-05-31", currency="USD")
        _deal(database, "e", "won", "2024-05-31")
        samples = await collect(Key(), database, NOW, relations=frozenset({"deals"}))
        assert number(samples, "sales_revenue_won", currency="EUR", window="7d") == 100
        assert number(samples, "sales_deals_without_rate", result="won", window="7d") == 1

    async def test_open_deals_take_the_newest_rate_of_the_last_week(self, databases: Databases) -> None:
        database = databases.fresh()
        _deal(database, "usd", "open", None, currency="USD")
        _deal(database, "chf", "open", None, currency="CHF")
        database.execute(
            "INSERT INTO sales.fx_rates VALUES ('2024-05-29', 'USD', 0.5), ('2024-05-31', 'USD', 0.6),"
            " ('2024-06-02', 'USD', 9), ('2024-05-25', 'CHF', 9)"
        )
        samples = await collect(Key(), database, NOW)
        assert number(samples, "sales_pipeline_value", stage="proposal", currency="EUR") == pytest.approx(60)
        assert number(samples, "sales_pipeline_deals", stage="proposal") == 2
        assert number(samples, "sales_deals_without_rate", result="open", window="all") == 1

    async def test_an_amount_that_is_no_number_is_left_out(self, databases: Databases) -> None:
        database = databases.fresh()
        _deal(database, "d", "won", "2024-05-31", amount="NaN")
        _deal(database, "e", "won", "2024-05-31", amount=30)
        samples = await collect(Key(), database, NOW)
        assert number(samples, "sales_revenue_won", currency="EUR", window="all") == 30

    async def test_the_past_is_told_from_the_dates(self, databases: Databases) -> None:
        database = databases.fresh()
        _deal(database, "won since", "won", "2024-06-01 12:00", opened="2024-05-01")
        _deal(database, "not yet", "open", None, opened="2024-06-01 12:00")
        samples = await collect(Key(), database, NOW)
        assert number(samples, "sales_deals", result="won", window="all") == 0
        assert number(samples, "sales_deals", result="open", window="all") == 1

    async def test_the_stage_of_the_past_is_the_last_one_before_the_moment(self, databases: Databases) -> None:
        database = databases.fresh()
        _deal(database, "a", "won", "2024-07-01", lead="l", amount=70)
        _moved(database, "l", ("contact", "2024-05-02"), ("qualified", "2024-05-20"), ("won", "2024-07-01"))
        samples = await collect(Key(), database, NOW)
        assert number(samples, "sales_pipeline_value", stage="qualified", currency="EUR") == 70

    async def test_the_present_stage_of_a_deal_wins_over_a_log_that_lags(self, databases: Databases) -> None:
        database = databases.fresh()
        _deal(database, "a", "open", None, lead="l", stage="proposal")
        _moved(database, "l", ("contact", "2024-05-02"))
        samples = await collect(Key(), database, NOW)
        assert number(samples, "sales_pipeline_deals", stage="proposal") == 1

    async def test_a_stage_that_nobody_knows_is_other(self, databases: Databases) -> None:
        database = databases.fresh()
        _deal(database, "no log", "won", "2024-07-01")
        samples = await collect(Key(), database, NOW)
        assert number(samples, "sales_pipeline_deals", stage=OTHER) == 1
        assert number(samples, "sales_pipeline_value", stage=OTHER, currency="EUR") == 100

    async def test_a_deal_that_closed_before_it_opened_has_no_negative_cycle(self, databases: Databases) -> None:
        database = databases.fresh()
        _deal(database, "a", "won", "2024-05-20", opened="2024-05-21")
        _deal(database, "b", "won", "2024-05-31", opened="2024-05-29")
        _deal(database, "c", "open", None)
        samples = await collect(Key(), database, NOW)
        # One open, all won, 100 each, one day on average.
        assert number(samples, "sales_velocity_per_day", currency="EUR", window="30d") == pytest.approx(100)

    async def test_targets_are_of_the_running_period_of_each_kind(self, databases: Databases) -> None:
        database = databases.fresh()
        database.execute(
            "INSERT INTO sales.targets (period_start, period_kind, metric, team, amount, currency) VALUES"
            " ('2024-05-01', 'month', 'revenue', NULL, 1, 'EUR'), ('2024-06-01', 'month', 'revenue', NULL, 500, 'EUR'),"
            " ('2024-07-01', 'month', 'revenue', NULL, 2, 'EUR'),"
            " ('2024-04-01', 'quarter', 'deals', 'north', 40, NULL),"
            " ('2024-06-01', 'fortnight', 'deals', NULL, 3, NULL)"
        )
        found = values(await collect(Key(), database, NOW), "sales_target")
        assert found == {("revenue", "month", EVERYONE): 500, ("deals", "quarter", "north"): 40}

    async def test_coverage_counts_what_was_won_since_the_period_began(self, databases: Databases) -> None:
        database = databases.fresh()
        database.execute("INSERT INTO sales.targets VALUES ('2024-04-01', 'quarter', 'revenue', NULL, 1000, 'EUR')")
        _deal(database, "before", "won", "2024-03-31 23:59", opened="2024-03-01", amount=900)
        _deal(database, "inside", "won", "2024-04-01", opened="2024-03-01", amount=200)
        _deal(database, "open", "open", None, amount=2400)
        samples = await collect(Key(), database, NOW)
        assert number(samples, "sales_target_attained", metric="revenue", period="quarter") == 200
        assert number(samples, "sales_pipeline_coverage_ratio", period="quarter") == 3

    async def test_without_targets_there_is_no_goal(self, databases: Databases) -> None:
        samples = await collect(Key(), databases.fresh(), NOW, relations=frozenset({"deals"}))
        assert not {s.metric.name for s in samples} & {"sales_target", "sales_target_attained"}
