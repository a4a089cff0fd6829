"""How the past is read: pieces, order, progress, and what a server refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from aiohttp import web

from sales_exporter.errors import SourceUnavailable
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.history.history import History, Scope
from sales_exporter.sidecar.history.slots import Marks
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.verdicts import Floats
from tests.sidecar.history.api import Api, refusing
from tests.sidecar.history.making import (
    COST,
    DAY,
    DUE,
    LOAD,
    LONG,
    SHORT,
    history,
    recorder,
    steady,
)
from tests.sidecar.history.recorder import Recorder
from tests.support.clocks import FakeClock, until


async def test_the_due_moment_is_on_the_grid_and_old_enough(client: Client, clock: FakeClock) -> None:
    made, _ = history(client, clock)
    assert made.due() == DUE


async def test_fill_reads_quarters_and_then_minutes_without_overlap(client: Client, clock: FakeClock) -> None:
    made, _ = history(client, clock, scope=LONG)
    assert await made.fill() == {}
    times = recorder(made).times
    assert times[-1] == made.last == made.due() - 120
    steps = np.diff(times)
    assert set(steps[:280]) == {900.0}
    assert set(steps[-10_080:]) == {60.0}
    assert times[0] < made.due() - 10 * DAY + 1800
    assert not np.isnan(recorder(made).past).any()


async def test_a_quarter_is_the_mean_of_its_time_and_stands_in_its_middle(api: Api, client: Client,
                                                                         clock: FakeClock) -> None:
    api.series["load"] = [({"host": "a"}, lambda at: at)]
    made, _ = history(client, clock, scope=LONG)
    await made.fill()
    first = recorder(made).past[0, 0]
    # Evaluated at the end of the quarter, and 5 and 10 minutes before: the mean is 5 minutes before the end.
    assert (first + 300.0) % 900.0 == 0.0
    assert recorder(made).times[0] == first + 300.0 - 450.0


async def test_fill_tells_how_far_it_is(client: Client, clock: FakeClock) -> None:
    made, _ = history(client, clock, scope=LONG)
    told: list[tuple[int, int]] = []
    await made.fill(lambda done, total: told.append((done, total)))
    done, total = (list(part) for part in zip(*told, strict=True))
    assert done == sorted(done)
    assert (done[0], done[-1], set(total)) == (0, total[0], {len(recorder(made).times)})


async def test_the_end_of_the_past_is_judged_where_it_is_replayed(client: Client, clock: FakeClock) -> None:
    made, _ = history(client, clock)
    told: list[float] = []
    await made.fill(replayed=lambda at, *rest: told.append(at), replay=600.0)
    assert told == recorder(made).judged == [DUE - 120 - 60 * number for number in reversed(range(11))]


async def test_marked_incidents_teach_nothing(client: Client, clock: FakeClock) -> None:
    def blank(ids: Sequence[SeriesId], times: Floats) -> Marks:
        return np.tile(times < DUE - DAY / 2, (len(ids), 1))

    made = History(client, (LOAD,), Recorder, clock, SHORT, blank)
    await made.fill()
    assert np.isnan(recorder(made).past[0]).tolist() == (recorder(made).times < DUE - DAY / 2).tolist()


async def test_no_query_asks_for_more_points_than_prometheus_answers(api: Api, client: Client,
                                                                    clock: FakeClock) -> None:
    made, _ = history(client, clock, scope=Scope(interval=1.0, past=DAY))
    await made.fill()
    assert 0 < api.longest <= 11_000


@pytest.mark.parametrize(("interval", "expected"), [(1, 0.25), (15, 3.75), (60, 10), (900, 10)])
def test_ticks_wait_for_their_scrapes_and_no_longer(interval: float, expected: float) -> None:
    assert Scope(interval=interval).delay == expected


async def test_a_week_of_seconds_is_read_in_minutes_but_for_its_end(client: Client, clock: FakeClock) -> None:
    made, _ = history(client, clock, scope=Scope(interval=2.0, past=7 * DAY))
    await made.fill()
    steps = np.diff(recorder(made).times[20:])
    assert set(steps) == {60.0, 2.0}
    assert np.count_nonzero(steps == 2.0) == pytest.approx(1_440, abs=30)


@pytest.mark.slow
async def test_many_series_are_asked_for_in_shorter_pieces(api: Api, client: Client, clock: FakeClock) -> None:
    api.series["load"] = [({"host": str(number)}, steady(1.0)) for number in range(400)]
    made, _ = history(client, clock, scope=Scope(interval=30.0, past=6 * 3600))
    await made.fill()
    assert api.longest <= 250_000 // 400
    assert not np.isnan(recorder(made).past).any()


async def test_fill_goes_on_without_a_watch_that_is_rejected(api: Api, client: Client, clock: FakeClock) -> None:
    api.faults["cost"] = refusing(400, "bad_data", "no")
    made, _ = history(client, clock, LOAD, COST)
    assert list(await made.fill()) == ["cost"]
    assert api.asked["cost"] == 1
    assert not np.isnan(recorder(made).past).any()


async def test_fill_fails_when_nothing_is_answered(api: Api, client: Client, clock: FakeClock) -> None:
    api.down = refusing(503, "unavailable", "starting")
    made, _ = history(client, clock)
    with pytest.raises(SourceUnavailable, match="503"):
        await made.fill()


async def test_fill_cuts_a_piece_that_is_too_much_for_the_server(api: Api, client: Client, clock: FakeClock) -> None:
    async def small_only(request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if "start" in form and float(str(form["end"])) - float(str(form["start"])) > 100 * 60:
            return await refusing(422, "execution", "too many samples")(request)
        fault = api.faults.pop("load")
        try:
            return await api.answer(request)
        finally:
            api.faults["load"] = fault

    api.faults["load"] = small_only
    made, _ = history(client, clock, scope=Scope(past=0.25 * DAY))
    assert await made.fill() == {}
    assert not np.isnan(recorder(made).past).any()


async def test_fill_waits_for_a_server_that_is_busy(api: Api, client: Client, clock: FakeClock) -> None:
    async def busy_once(request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if "start" in form:
            del api.faults["load"]
            return await refusing(503, "unavailable", "busy")(request)
        fault = api.faults.pop("load")
        answer = await api.answer(request)
        api.faults["load"] = fault
        return answer

    api.faults["load"] = busy_once
    made, _ = history(client, clock)
    filling = asyncio.create_task(made.fill())
    await until(lambda: "load" not in api.faults)
    while not filling.done():
        await clock.advance(0.5)
    assert filling.result() == {}
    assert not np.isnan(recorder(made).past).any()
