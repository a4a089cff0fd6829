"""Replays over a made-up API: what is found, and that nothing later has a say in it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import numpy as np
import pytest

from sales_exporter.config import QueryApi, Settings
from sales_exporter.config import Sidecar as SidecarSettings
from sales_exporter.errors import SourceUnavailable
from sales_exporter.sidecar.backtest.outcome import DAY, WEEK, Outcome, Span
from sales_exporter.sidecar.backtest.replay import replay
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.history.history import Scope
from sales_exporter.sidecar.judging.anomalies import Anomalies
from sales_exporter.sidecar.judging.standing import Standing
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.watches.watch import Watch
from tests.sidecar.history.api import Api, Series, refusing, serving
from tests.support.clocks import FakeClock

UNTIL = 1_793_469_600.0
START = UNTIL - WEEK
STEP = 900.0
SPAN = Span(START, UNTIL, STEP, 3 * WEEK)
LOAD = Watch(name="load", query="load", by=("host",))
Value = Callable[[float], float | None]


def wave(seed: int) -> Value:
    """A daily wave with noise that is the same at each moment for ever."""
    noise = np.random.default_rng(seed).normal(0, 3, 5 * 7 * 288)
    return lambda at: 100 + 30 * math.sin(2 * math.pi * at / DAY) + float(noise[int((at - UNTIL) // 300)])


def times(value: Value, factor: float, begin: float, end: float) -> Value:
    """The same, many times as high between two moments."""
    def changed(at: float) -> float | None:
        found = value(at)
        return found * factor if found is not None and begin <= at < end else found
    return changed


def since(value: Value, begin: float) -> Value:
    return lambda at: value(at) if at >= begin else None


def hosts(**values: Value) -> list[Series]:
    return [({"host": host}, value) for host, value in values.items()]


def told(what: str) -> Callable[[int, int], None]:
    return lambda done, total: None


async def replayed(series: list[Series], span: Span = SPAN, watches: tuple[Watch, ...] = (LOAD,),
                   progress: Callable[[str], Callable[[int, int], None]] = told, down: bool = False) -> Outcome:
    clock = FakeClock(UNTIL + 10)
    api = Api(clock, {"load": series, "cost": [({}, wave(4))]})
    api.down = refusing(503, "unavailable", "down") if down else None
    api.faults["broken("] = refusing(400, "bad_data", "parse error")
    async with serving(api), Client(QueryApi(url=api.url), clock) as client:
        settings = Settings(sidecar=SidecarSettings(false_alarm_budget="1 per month"))
        return await replay(client, watches, settings, span, clock, progress)


BEGIN = START + 3.5 * DAY
BROKEN = hosts(a=wave(1), b=times(wave(2), 2.5, BEGIN, BEGIN + 4 * 3600))


@pytest.fixture(scope="module")
def found() -> Outcome:
    """Of the incident."""
    return asyncio.run(replayed(BROKEN))


@pytest.mark.slow
def test_an_incident_is_told_of_within_a_moment_with_its_numbers(found: Outcome) -> None:
    first = found.alerts[0]
    assert BEGIN <= first.at <= BEGIN + STEP
    assert first.series == SeriesId("load", (("host", "b"),))
    assert first.upper < first.value
    assert first.texts["summary"].startswith("load (host=b): ")
    assert first.severity == "critical"
    assert all(BEGIN <= one.at < BEGIN + DAY for one in found.alerts)


@pytest.mark.slow
async def test_nothing_later_has_a_say_in_what_was_found(found: Outcome) -> None:
    moment = BEGIN + 3600
    later = hosts(a=times(wave(1), 7, moment + STEP, UNTIL), b=times(BROKEN[1][1], 0.2, moment + STEP, UNTIL),
                  c=since(wave(3), moment + STEP))
    other = await replayed(later)
    first, again = ([each for each in one.alerts if each.at <= moment] for one in (found, other))
    assert len(first) == 1
    assert [(each.at, each.series, each.value, each.expected, each.lower, each.upper, dict(each.texts))
            for each in first] == [(each.at, each.series, each.value, each.expected, each.lower, each.upper,
                                    dict(each.texts)) for each in again]
    assert found.alerts != other.alerts


@pytest.mark.slow
async def test_a_young_series_pages_nothing_on_its_first_day_and_is_called_young() -> None:
    begin = UNTIL - DAY
    found = await replayed(hosts(a=times(since(wave(1), begin), 9, begin + DAY / 2, begin + DAY / 2 + 7200)))
    assert found.alerts == []
    assert found.watches[0].young
    assert found.watches[0].before == 0.0


@pytest.mark.slow
async def test_a_query_that_is_rejected_leaves_the_others_as_they_are() -> None:
    broken = Watch(name="broken", query="broken(")
    nothing = Watch(name="nothing", query="nothing")
    names: dict[str, list[tuple[int, int]]] = {}

    def heard(what: str) -> Callable[[int, int], None]:
        return lambda done, total: names.setdefault(what, []).append((done, total))

    found = await replayed(hosts(a=wave(1)), Span(UNTIL - 2 * DAY, UNTIL, STEP, 2 * DAY), (broken, nothing, LOAD),
                           heard)
    assert {one.watch.name: bool(one.error) for one in found.watches} == {"load": False, "broken": True,
                                                                          "nothing": False}
    assert {one.watch.name: one.series for one in found.watches} == {"load": 1, "broken": 0, "nothing": 0}
    assert names == {"reading the past before, parts": [(0, 1), (1, 1)], "replaying, parts": [(0, 2), (1, 2), (2, 2)]}


@pytest.mark.slow
async def test_it_finds_what_the_sidecar_finds_live() -> None:
    series = hosts(a=wave(1), b=times(wave(2), 2.5, START + DAY / 4, START + DAY / 3))
    found = await replayed(series, Span(START, START + DAY, STEP, 3 * WEEK))
    # A start leaves the newest two moments to be judged.
    clock = FakeClock(START + 2 * STEP + 10)
    live: dict[float, Standing] = {}
    async with serving(Api(clock, {"load": series})) as api, Client(QueryApi(url=api.url), clock) as client:
        settings = Settings(sidecar=SidecarSettings(false_alarm_budget="1 per month", interval=STEP))
        anomalies = Anomalies(client, (LOAD,), settings, clock, None, Scope(interval=STEP, past=3 * WEEK),
                              lambda done, total: None)
        for number in range(2, 97):
            await anomalies.tick(START + number * STEP)
            clock.jump(STEP)
            for one in anomalies.standing():
                live.setdefault(one.alert.starts_at, one)
    assert len(live) == len(found.alerts) > 0
    for one, alert in zip(live.values(), found.alerts, strict=True):
        assert {name: one.alert.annotations[name] for name in alert.texts} == dict(alert.texts)


async def test_a_server_that_is_down_is_an_error() -> None:
    with pytest.raises(SourceUnavailable):
        await replayed(BROKEN, down=True)
