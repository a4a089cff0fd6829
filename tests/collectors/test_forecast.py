"""Forecast: never without its past, and a pipeline weighed by how visits ended."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest

from sales_exporter.collectors.forecast import Forecasts, absorbed, periods, told
from sales_exporter.stats.forecast import QUANTILES, Backtest, Forecast
from tests.support.databases import Database, Databases
from tests.support.histories import AS_OF, Deal, Lead, Move, ago, write
from tests.support.reading import collect, number, values

PAST = Backtest(20, 4.5, (0.5, 0.8, 1.0), 0.1, 0.02)
MADE = Forecast(100.0, 250.0, tuple(float(n) for n in range(len(QUANTILES))), PAST)


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.fresh()


def test_periods_are_the_running_and_the_next_month_and_quarter_of_the_zone() -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
    found = {name: (datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC))
             for name, start, end in periods(now, "Europe/Berlin")}
    assert found == {
        "month": (datetime(2026, 10, 31, 23, tzinfo=UTC), datetime(2026, 11, 30, 23, tzinfo=UTC)),
        "next_month": (datetime(2026, 11, 30, 23, tzinfo=UTC), datetime(2026, 12, 31, 23, tzinfo=UTC)),
        "quarter": (datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 12, 31, 23, tzinfo=UTC)),
        "next_quarter": (datetime(2026, 12, 31, 23, tzinfo=UTC), datetime(2027, 3, 31, 22, tzinfo=UTC)),
    }


def test_a_forecast_is_told_with_its_past() -> None:
    samples = list(told(MADE, "month", "EUR"))
    assert number(samples, "sales_forecast_revenue", period="month", currency="EUR", q="0.5") == 3.0
    assert values(samples, "sales_forecast_backtest_coverage_ratio") == {
        ("month", "0.5"): 0.5, ("month", "0.8"): 0.8, ("month", "0.95"): 1.0}
    assert values(samples, "sales_forecast_backtest_error_ratio") == {("month", "wape"): 0.1, ("month", "bias"): 0.02}


def test_an_undefined_error_is_absent() -> None:
    past = dataclasses.replace(MADE.backtest, wape=float("nan"), bias=float("nan"))
    samples = list(told(dataclasses.replace(MADE, backtest=past), "month", "EUR"))
    assert values(samples, "sales_forecast_backtest_error_ratio") == {}


def test_the_chance_of_a_stage_is_that_of_the_stages_it_leads_to() -> None:
    # 0 leads to 1 half of the time and to a loss (3) else; 1 wins (2) one time in four.
    moves = np.array([[0, 5, 0, 5], [0, 0, 1, 3], [0, 0, 0, 0], [0, 0, 0, 0]], dtype=np.float64)
    assert absorbed(moves, [2]) == pytest.approx([0.125, 0.25, 1.0, 0.0])


def test_stages_that_only_lead_to_each_other_win_nothing() -> None:
    assert absorbed(np.array([[0, 3, 0], [3, 0, 0], [0, 0, 0]], dtype=np.float64), [2]) == pytest.approx([0, 0, 1])


@pytest.mark.postgres
async def test_without_a_past_there_is_no_forecast(database: Database) -> None:
    write(database, [Lead("a", 20)], [Move("a", "lead", "won", 5)], [Deal("d", "a", 5)])
    samples = await collect(Forecasts(), database, AS_OF)
    assert values(samples, "sales_forecast_revenue") == {}
    assert values(samples, "sales_forecast_backtest_coverage_ratio") == {}


@pytest.mark.postgres
async def test_a_steady_past_gives_a_forecast_whose_bands_hold_it(database: Database) -> None:
    with psycopg.connect(database.owner.dsn) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO sales.deals (deal_id, stage, status, amount, currency, opened_at, closed_at)"
            " VALUES (%s, 'won', 'won', 100, 'EUR', %s, %s)",
            [(f"d{n}", ago(n + 10.5), ago(n + 0.5)) for n in range(380)])
    samples = await collect(Forecasts(), database, AS_OF)
    bands = {q: number(samples, "sales_forecast_revenue", period="next_month", currency="EUR", q=q)
             for q in ("0.1", "0.5", "0.9")}
    assert bands["0.1"] is not None
    assert bands["0.5"] is not None
    assert bands["0.9"] is not None
    assert bands["0.1"] < 3_100 < bands["0.9"]
    assert bands["0.5"] == pytest.approx(3_100, rel=0.1)
    assert number(samples, "sales_forecast_backtest_origins", period="next_month") is not None


@pytest.mark.postgres
async def test_the_pipeline_is_weighed_by_how_visits_of_the_stage_ended(database: Database) -> None:
    leads = [Lead(f"l{n}", 100) for n in range(300)]
    ends = [Move(f"l{n}", "lead", "won" if n % 4 == 0 else "lost", 90 - n / 10) for n in range(300)]
    write(database, [*leads, Lead("open", 5)], ends)
    with psycopg.connect(database.owner.dsn) as connection:
        connection.execute(
            "INSERT INTO sales.deals (deal_id, lead_id, stage, status, amount, currency, opened_at)"
            " VALUES ('o', 'open', 'lead', 'open', 1000, 'EUR', %s)", (AS_OF - timedelta(days=5),))
    samples = await collect(Forecasts(), database, AS_OF)
    found = {name: number(samples, name, currency="EUR", weights="learned") for name in (
        "sales_pipeline_weighted_value", "sales_pipeline_weighted_value_lower", "sales_pipeline_weighted_value_upper")}
    value, lower, upper = found.values()
    assert value == pytest.approx(250, rel=0.05)
    assert lower is not None
    assert upper is not None
    assert 0 <= lower < 250 < upper <= 1000
