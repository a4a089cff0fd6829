"""A reading: what state each number is in, what it depends on, and how seldom Prometheus is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sales_exporter.api.asked import Chosen
from sales_exporter.api.readings import Picture, Readings
from sales_exporter.api.schema import Breakdown, Figure
from sales_exporter.config import Settings, Sidecar
from tests.api.prometheus import Prometheus, serving
from tests.support.clocks import FakeClock

pytestmark = pytest.mark.process

AT = 1_700_000_000.0
REFRESH = 10.0


@pytest.fixture
async def prometheus() -> AsyncIterator[Prometheus]:
    async with serving(Prometheus()) as server:
        yield server


def settings(server: Prometheus) -> Sidecar:
    return Settings.model_validate({"sidecar": {
        "prometheus": {"url": server.url}, "api": {"refresh": REFRESH}}}).sidecar


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(AT)


@pytest.fixture
async def readings(prometheus: Prometheus, clock: FakeClock) -> AsyncIterator[Readings]:
    async with Readings(lambda: settings(prometheus), clock) as found:
        yield found


def figure(picture: Picture, section: str = "api", name: str = "latency_p95") -> Figure:
    found = picture.reading[section][name]
    assert isinstance(found, Figure)
    return found


async def test_a_number_says_its_unit_bounds_moment_and_what_it_depends_on(readings: Readings) -> None:
    found = figure(await readings.current("performance", Chosen()), "calls", "connect_ratio_ai")
    assert found.model_dump() == {
        "value": 1.0, "lower": 1.0, "upper": 1.0, "n": None, "unit": "ratio", "level": 0.95, "as_of": AT, "state": "ok",
        "variables": {"cluster": "demo", "tenant": "demo", "job": ".*", "instance": ".*", "window": "demo"}}


async def test_a_value_that_is_not_among_those_that_exist_gives_way_to_the_first_of_them(
    prometheus: Prometheus, readings: Readings
) -> None:
    prometheus.listed = "30d"
    found = figure(await readings.current("performance", Chosen()), "calls", "calls")
    assert found.variables["window"] == "30d"


async def test_what_is_chosen_stands_in_the_query(prometheus: Prometheus, readings: Readings) -> None:
    chosen = Chosen(cluster="eu", tenant="acme", job="shop.app", window="7d")
    found = figure(await readings.current("performance", chosen), "calls", "calls")
    assert found.variables == {"cluster": "eu", "tenant": "acme", "job": r"shop\\.app", "instance": ".*",
                               "window": "7d"}
    assert any('cluster="eu",tenant="acme",job=~"shop\\\\.app"' in query for query in prometheus.asked)


async def test_without_any_series_to_take_a_variable_from_there_is_no_data(
    prometheus: Prometheus, readings: Readings
) -> None:
    prometheus.listed = ""
    found = figure(await readings.current("performance", Chosen()))
    assert (found.state, found.value, found.as_of, found.variables) == ("no_data", None, None, {})


async def test_a_number_that_is_none_is_no_data(prometheus: Prometheus, readings: Readings) -> None:
    prometheus.value = float("nan")
    found = figure(await readings.current("performance", Chosen()))
    assert (found.state, found.value, found.as_of) == ("no_data", None, None)


async def test_when_reading_fails_the_last_number_stays_and_is_called_stale(
    prometheus: Prometheus, readings: Readings, clock: FakeClock
) -> None:
    await readings.current("performance", Chosen())
    prometheus.status = 503
    await clock.advance(REFRESH)
    found = figure(await readings.current("performance", Chosen()))
    assert (found.state, found.value, found.as_of) == ("stale", 1.0, AT)
    await clock.advance(REFRESH)
    assert figure(await readings.current("performance", Chosen())).as_of == AT
    prometheus.status = 200
    await clock.advance(REFRESH)
    found = figure(await readings.current("performance", Chosen()))
    assert (found.state, found.as_of) == ("ok", AT + 3 * REFRESH)


async def test_one_query_that_fails_spoils_one_number(prometheus: Prometheus, readings: Readings) -> None:
    prometheus.broken = lambda query: "histogram_quantile(0.99" in query
    picture = await readings.current("performance", Chosen())
    assert [figure(picture, name=f"latency_p{one}").state for one in (50, 95, 99)] == ["ok", "ok", "error"]


async def test_the_log_says_when_queries_begin_to_fail_and_when_they_are_answered_again(
    prometheus: Prometheus, readings: Readings, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "sales_exporter.api")
    for status in (503, 503, 200, 200):
        prometheus.status = status
        await readings.current("performance", Chosen())
        await clock.advance(REFRESH)
    assert [record.message for record in caplog.records] == [
        "queries of the API fail", "queries of the API are answered again"]


async def test_those_who_ask_while_a_reading_is_new_share_it(
    prometheus: Prometheus, readings: Readings, clock: FakeClock
) -> None:
    pictures = await asyncio.gather(*(readings.current("performance", Chosen()) for _ in range(20)))
    once = len(prometheus.asked)
    assert all(picture is pictures[0] for picture in pictures)
    assert len(set(prometheus.asked)) == once
    await clock.advance(REFRESH - 0.1)
    await readings.current("performance", Chosen())
    assert len(prometheus.asked) == once
    await clock.advance(0.1)
    await readings.current("performance", Chosen())
    assert len(prometheus.asked) == 2 * once


async def test_a_forecast_is_what_the_dashboard_will_draw_then(prometheus: Prometheus, readings: Readings) -> None:
    picture = await readings.current("business", Chosen())
    found = figure(picture, "forecasts", "revenue_in_24h")
    assert (found.as_of, found.variables["forecast"], found.variables["horizon"]) == (AT + 86_400, "revenue", "24h")
    assert figure(picture, "forecasts", "calls_under_way_in_7d").as_of == AT + 7 * 86_400
    assert set(prometheus.times) == {AT, AT + 86_400, AT + 7 * 86_400}


async def test_rows_carry_the_labels_by_which_the_number_is_divided(readings: Readings) -> None:
    found = (await readings.current("performance", Chosen())).reading["calls"]["outcomes"]
    assert isinstance(found, Breakdown)
    assert [row.labels for row in found.rows] == [{"outcome": ""}]


async def test_after_a_reload_the_other_server_is_asked(prometheus: Prometheus, clock: FakeClock) -> None:
    async with serving(Prometheus(value=2.0)) as other:
        server = [prometheus]
        async with Readings(lambda: settings(server[0]), clock) as readings:
            await readings.current("performance", Chosen())
            server[0] = other
            await clock.advance(REFRESH)
            assert figure(await readings.current("performance", Chosen())).value == 2.0
