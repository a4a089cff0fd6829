"""The exporter as a whole on a real source: serving without it, healing, ageing, isolating, reloading."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from sales_exporter.collectors import discover
from sales_exporter.config import CollectorSettings, Settings, build
from sales_exporter.demo.postgres import Login
from sales_exporter.errors import ConfigError
from sales_exporter.runtime.exporter import Exporter
from tests.support.clocks import FakeClock, until
from tests.support.databases import Database as Fresh
from tests.support.databases import Databases
from tests.support.exporting import ready, serving
from tests.support.proxy import Proxy

pytestmark = pytest.mark.postgres

READING = sorted(name for name, kind in discover().items() if kind.reads)


@pytest.fixture
def fresh(databases: Databases) -> Fresh:
    return databases.fresh()


def values(exporter: Exporter, name: str) -> dict[str, float]:
    """Samples of one metric by the values of their labels."""
    page = exporter.exposition("text", packed=False, only=None).decode()
    return {
        ",".join(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page) for sample in family.samples if sample.name == name
    }


async def tick(clock: FakeClock, done: Callable[[], bool], seconds: float = 10.0) -> None:
    """Let the exporter's time pass and wait for the real work that it starts."""
    await clock.advance(seconds)
    await until(done)


async def passes_within(clock: FakeClock, done: Callable[[], bool], seconds: float) -> None:
    """Let time pass in small steps, at most so much of it, until a condition holds."""
    for _ in range(int(seconds / 0.25)):
        if done():
            return
        await clock.advance(0.25)
        await asyncio.sleep(0.01)
    assert done()


async def test_r1_it_serves_without_a_source_and_has_data_one_interval_after_its_return(fresh: Fresh) -> None:
    clock = FakeClock()
    async with Proxy(fresh.reader.port) as proxy:
        login = Login(proxy.port, fresh.reader.user, fresh.reader.password, fresh.reader.database)
        proxy.set("refuse")
        async with serving(login.dsn, clock) as exporter:
            await ready(exporter, clock)
            await tick(clock, lambda: values(exporter, "sales_source_up") == {"postgres": 0})
            assert values(exporter, "system_memory_utilization_ratio")
            proxy.set("pass")
            await tick(clock, lambda: values(exporter, "sales_source_up").get("postgres") == 1)
            # The interval of the funnel, and the seconds in which the ledger is filled.
            await passes_within(clock, lambda: exporter.passes["funnel"].success is True, 60 + 10)


async def test_r9_series_of_a_silent_source_leave_after_max_age_and_the_last_success_stays(fresh: Fresh) -> None:
    clock = FakeClock()
    settings = Settings(collectors={"calls": CollectorSettings(interval=10, max_age=30)})
    fresh.execute("INSERT INTO sales.calls (call_id, agent_kind, direction, started_at, ended_at, outcome)"
                  " VALUES ('c', 'ai', 'outbound', '2020-01-01', '2020-01-01', 'busy')")
    async with Proxy(fresh.reader.port) as proxy:
        login = Login(proxy.port, fresh.reader.user, fresh.reader.password, fresh.reader.database)
        async with serving(login.dsn, clock, settings) as exporter:
            await ready(exporter, clock)
            assert values(exporter, "sales_calls_total")
            last = exporter.passes["calls"].last_success
            proxy.set("refuse")
            await tick(clock, lambda: exporter.passes["calls"].success is False, 20)
            assert values(exporter, "sales_calls_total"), "the last good snapshot is served while it is fresh"
            await tick(clock, lambda: not values(exporter, "sales_calls_total"), 20)
            await tick(clock, lambda: values(exporter, "sales_exporter_collector_last_success_timestamp_seconds")
                       ["calls"] == last)


@pytest.mark.parametrize("name", READING)
async def test_r13_a_poisoned_collector_takes_only_its_own_series_away(
    fresh: Fresh, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: object, ctx: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(discover()[name], "collect", broken)
    clock = FakeClock()
    async with serving(fresh.reader.dsn, clock) as exporter:
        await ready(exporter, clock)
        failed = {other for other, state in exporter.passes.items() if state.success is False}
    assert failed == {name}


async def test_r6_a_revoked_relation_switches_off_its_collectors_visibly_and_no_others(fresh: Fresh) -> None:
    fresh.execute("DROP TABLE sales.model_predictions CASCADE")
    clock = FakeClock()
    async with serving(fresh.reader.dsn, clock) as exporter:
        await ready(exporter, clock)
        off = exporter.passes["models"]
        assert (off.success, off.reason) == (None, "absent")
        assert "sales.model_predictions" in off.detail
        assert exporter.passes["funnel"].success is True


async def test_r10_no_sample_has_a_timestamp_and_no_age_is_negative_when_the_clock_jumps(fresh: Fresh) -> None:
    clock = FakeClock()
    async with serving(fresh.reader.dsn, clock) as exporter:
        await ready(exporter, clock)
        clock.jump(-86_400)
        before = exporter.passes["source"].last_success
        await tick(clock, lambda: exporter.passes["source"].last_success != before)
        assert min(values(exporter, "sales_source_lag_seconds").values()) >= 0
        page = exporter.exposition("text", packed=False, only=None).decode()
        assert all(len(line.rsplit("} ", 1)[-1].split()) <= 2 for line in page.splitlines() if line[0] != "#")


async def test_the_report_alone_is_ready_and_served(fresh: Fresh) -> None:
    off = CollectorSettings(enabled=False)
    settings = Settings(collectors={name: off for name in discover() if name != "exporter"})
    clock = FakeClock()
    async with serving(fresh.reader.dsn, clock, settings) as exporter:
        await ready(exporter, clock)
        assert values(exporter, "sales_exporter_build_info")


async def test_a_replay_says_so_and_stands_still(fresh: Fresh) -> None:
    settings = Settings(as_of="2018-06-01")
    clock = FakeClock()
    async with serving(fresh.reader.dsn, clock, settings) as exporter:
        await ready(exporter, clock)
        assert values(exporter, "sales_replay") == {"": 1}
        assert values(exporter, "sales_as_of_timestamp_seconds") == {"": 1_527_811_200}


async def test_r17_a_bad_configuration_leaves_the_old_one_in_force_and_is_flagged(fresh: Fresh) -> None:
    clock = FakeClock()
    trees: list[dict[str, object]] = [{}, {"web": {"max_request": 3}}, {"collectors": {"reps": {"enabled": False}}}]
    exporter = Exporter(lambda: (build(trees[0], "f.yml"), SecretStr(fresh.reader.dsn)), clock)
    task = asyncio.create_task(exporter.run())
    await ready(exporter, clock)
    trees.pop(0)
    with pytest.raises(ConfigError, match=r"f\.yml: web\.max_request: unknown key"):
        await exporter.reload()
    await tick(clock, lambda: values(exporter, "sales_exporter_config_last_reload_successful") == {"": 0})
    assert "reps" in exporter.names
    trees.pop(0)
    await exporter.reload()
    assert "reps" not in exporter.names
    await ready(exporter, clock)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_unknown_collector_in_the_configuration_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such collector; there are"):
        Exporter(lambda: (Settings(collectors={"funel": CollectorSettings()}), None), FakeClock())
