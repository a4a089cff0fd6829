"""Series that come, go and come back; limits and shards."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.history.history import Scope
from sales_exporter.sidecar.watches.watch import Watch
from tests.sidecar.history.api import Api
from tests.sidecar.history.making import (
    COST,
    DAY,
    DUE,
    LOAD,
    history,
    recorder,
    steady,
    within,
)
from tests.support.clocks import FakeClock


async def test_a_new_series_gets_a_slot_at_the_end(api: Api, client: Client, clock: FakeClock) -> None:
    api.series["load"] = [({"host": "b"}, within(DUE + 60, DUE + 600)), ({"host": "a"}, steady(2.0))]
    made, _ = history(client, clock)
    await made.tick(DUE)
    tick = await made.tick(DUE + 60)
    assert [one.label("host") for one in tick.ids] == ["a", "b"]
    assert np.isnan(recorder(made).past[1]).tolist() == [True, False]


async def test_a_series_that_comes_back_has_its_old_slot(api: Api, client: Client, clock: FakeClock) -> None:
    api.series["load"] = [({"host": "a"}, lambda at: None if DUE < at < DUE + 180 else 1.0),
                          ({"host": "b"}, steady(2.0))]
    made, _ = history(client, clock)
    for number in range(4):
        tick = await made.tick(DUE + 60 * number)
    assert [one.label("host") for one in tick.ids] == ["a", "b"]
    assert np.isnan(recorder(made).past[0]).tolist() == [False, True, True, False]


async def test_a_series_that_was_away_for_long_loses_its_slot(api: Api, client: Client, clock: FakeClock) -> None:
    api.series["load"] = [({"host": "a"}, within(0, DUE)), ({"host": "b"}, steady(2.0))]
    made, _ = history(client, clock, scope=Scope(past=DAY, absence=120.0))
    for number in range(4):
        tick = await made.tick(DUE + 60 * number)
    assert [one.label("host") for one in tick.ids] == ["b"]
    assert recorder(made).past[0].tolist() == [2.0] * 4


async def test_the_order_of_labels_does_not_make_another_series(api: Api, client: Client, clock: FakeClock) -> None:
    api.series["load"] = [({"host": "a", "job": "x"}, within(0, DUE)),
                          ({"job": "x", "host": "a"}, within(DUE + 1, 2e9))]
    made, _ = history(client, clock)
    await made.tick(DUE)
    assert len((await made.tick(DUE + 60)).ids) == 1


async def test_series_above_the_limit_of_a_watch_are_left_out_and_counted(api: Api, client: Client,
                                                                         clock: FakeClock) -> None:
    api.series["load"] = [({"host": str(number)}, steady(1.0)) for number in range(5)]
    made, _ = history(client, clock, Watch(name="load", query="load", series=3))
    assert len((await made.tick(DUE)).ids) == 3
    assert len((await made.tick(DUE + 60)).ids) == 3
    assert made.left_out == {"load": 2}


async def test_series_above_the_limit_of_all_are_left_out_and_counted(api: Api, client: Client,
                                                                     clock: FakeClock) -> None:
    api.series |= {"load": [({"host": str(number)}, steady(1.0)) for number in range(3)],
                   "cost": [({}, steady(1.0)), ({"kind": "x"}, steady(1.0))]}
    made, _ = history(client, clock, LOAD, COST, scope=Scope(past=DAY, series=4))
    assert len((await made.tick(DUE)).ids) == 4
    assert made.left_out == {"cost": 1}


async def test_what_is_left_out_gets_a_slot_when_there_is_room(api: Api, client: Client, clock: FakeClock) -> None:
    api.series["load"] = [({"host": "a"}, within(0, DUE)), ({"host": "b"}, steady(1.0))]
    made, _ = history(client, clock, scope=Scope(past=DAY, series=1, absence=120.0))
    for number in range(4):
        tick = await made.tick(DUE + 60 * number)
    assert [one.label("host") for one in tick.ids] == ["b"]
    assert made.left_out == {}


@pytest.mark.slow
async def test_r12_new_labels_at_every_tick_hold_no_more_slots_than_the_limit(api: Api, client: Client,
                                                                             clock: FakeClock) -> None:
    made, _ = history(client, clock, Watch(name="load", query="load", series=100))
    for number in range(5):
        api.series["load"] = [({"host": f"{number}-{host}"}, steady(1.0)) for host in range(20_000)]
        assert len((await made.tick(DUE + 60 * number)).ids) == 100
        assert made.left_out == {"load": 20_000 if number else 19_900}


async def test_shards_share_the_series_without_overlap(api: Api, client: Client, clock: FakeClock) -> None:
    api.series["load"] = [({"host": str(number)}, steady(1.0)) for number in range(40)]
    parts = [history(client, clock, scope=Scope(past=DAY, shard=(number, 3)))[0] for number in (1, 2, 3)]
    found = [set((await part.tick(DUE)).ids) for part in parts]
    assert all(found)
    assert sum(map(len, found)) == len(set.union(*found)) == 40


async def test_cases_of_a_ratio_stand_beside_it(api: Api, client: Client, clock: FakeClock) -> None:
    api.series |= {"share": [({"__name__": "share", "host": "a"}, steady(0.5)), ({"host": "b"}, steady(0.25))],
                   "cases": [({"host": "b"}, steady(4.0)), ({"host": "c"}, steady(9.0))]}
    made, _ = history(client, clock, Watch(name="share", query="share", kind="ratio", denominator="cases"), LOAD)
    cases = (await made.tick(DUE)).cases
    assert np.isnan(cases[[0, 2]]).all()
    assert cases[1] == 4.0


async def test_a_series_of_the_past_alone_holds_no_slot(api: Api, client: Client, clock: FakeClock) -> None:
    api.series["load"] = [({"host": "a"}, steady(1.0)), ({"host": "old"}, within(DUE - 10 * DAY, DUE - 8 * DAY))]
    made, _ = history(client, clock, scope=Scope(past=14 * DAY))
    await made.fill()
    assert [one.label("host") for one in made.ids] == ["a"]
    assert recorder(made).size == 1
