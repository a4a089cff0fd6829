"""Servers that are down, slow or partial, and watches that fail."""

from __future__ import annotations

import asyncio

import numpy as np

from sales_exporter.errors import DeadlineExceeded
from sales_exporter.sidecar.history.client import Client, QueryRejected
from sales_exporter.sidecar.history.history import Scope
from tests.sidecar.history.api import Api, refusing
from tests.sidecar.history.making import (
    COST,
    DUE,
    LOAD,
    hanging,
    history,
    recorder,
    steady,
    within,
)
from tests.support.clocks import FakeClock, until


async def test_a_failed_watch_is_ignorance_and_the_others_are_judged(api: Api, client: Client,
                                                                    clock: FakeClock) -> None:
    api.series["cost"] = [({}, steady(3.0))]
    made, _ = history(client, clock, LOAD, COST)
    await made.tick(DUE)
    api.faults["load"] = refusing(422, "execution", "too many samples")
    tick = await made.tick(DUE + 60)
    assert np.isnan(tick.values[0])
    assert tick.values[1] == 3.0
    assert tick.known.tolist() == [False, True]
    assert isinstance(tick.errors["load"], QueryRejected)
    assert made.failures == {("load", "query"): 1}


async def test_a_watch_that_keeps_failing_is_asked_less_and_less_often(api: Api, client: Client,
                                                                      clock: FakeClock) -> None:
    api.series["cost"] = [({}, steady(3.0))]
    api.faults["load"] = refusing(400, "bad_data", "no")
    made, _ = history(client, clock, LOAD, COST)
    asked = []
    for number in range(12):
        before = api.asked["load"]
        tick = await made.tick(DUE + 60 * number)
        asked.append(api.asked["load"] - before)
        assert "load" in tick.errors
    assert asked == [1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]


async def test_a_watch_that_is_mended_is_asked_at_every_tick_again(api: Api, client: Client, clock: FakeClock) -> None:
    api.series["cost"] = [({}, steady(3.0))]
    api.faults["load"] = refusing(400, "bad_data", "no")
    made, _ = history(client, clock, LOAD, COST)
    await made.tick(DUE)
    del api.faults["load"]
    for number in (1, 2, 3):
        assert (await made.tick(DUE + 60 * number)).errors == {}
    assert api.asked["load"] == 4


async def test_nothing_is_judged_while_the_server_is_down_and_the_gap_is_read_after(api: Api, client: Client,
                                                                                   clock: FakeClock) -> None:
    made, _ = history(client, clock)
    await made.tick(DUE)
    api.down = refusing(503, "unavailable", "starting")
    for number in (1, 2, 3):
        assert (await made.tick(DUE + 60 * number)).verdicts is None
    api.down = None
    await made.tick(DUE + 240)
    assert recorder(made).judged == [DUE, DUE + 240]
    assert recorder(made).past[0].tolist() == [2.0] * 5


async def test_while_the_server_is_down_it_is_asked_at_every_tick(api: Api, client: Client, clock: FakeClock) -> None:
    made, _ = history(client, clock)
    api.down = refusing(503, "unavailable", "starting")
    for number in range(6):
        await made.tick(DUE + 60 * number)
    assert api.asked["load"] == 6


async def test_a_tick_ends_in_time_whatever_hangs(api: Api, client: Client, clock: FakeClock) -> None:
    gone = asyncio.Event()
    api.series["cost"] = [({}, steady(3.0))]
    api.faults["load"] = hanging(gone)
    made, _ = history(client, clock, LOAD, COST, scope=Scope(interval=0.1))
    tick = await made.tick(DUE)
    gone.set()
    assert isinstance(tick.errors["load"], DeadlineExceeded)
    assert tick.values.tolist() == [3.0]


async def test_a_tick_that_is_given_up_leaves_no_query_running(api: Api, client: Client, clock: FakeClock) -> None:
    gone = asyncio.Event()
    api.down = hanging(gone)
    tick = asyncio.create_task(history(client, clock)[0].tick(DUE))
    await until(lambda: client.asked == 1)
    tick.cancel()
    await asyncio.wait([tick])
    assert tick.cancelled()
    assert [task for task in asyncio.all_tasks() if "instant" in repr(task.get_coro())] == []
    gone.set()


async def test_what_is_missing_from_a_partial_answer_is_not_known_to_be_absent(api: Api, client: Client,
                                                                              clock: FakeClock) -> None:
    api.series["load"] = [({"host": "a"}, steady(1.0)), ({"host": "b"}, within(0, DUE))]
    made, _ = history(client, clock)
    await made.tick(DUE)
    api.partial = True
    tick = await made.tick(DUE + 60)
    assert tick.partial == {"load"}
    assert tick.known.tolist() == [True, False]
