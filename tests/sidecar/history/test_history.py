"""What reaches the detector, and when: fill, ticks, gaps, series that come and go, faults, shards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from sales_exporter.config import QueryApi
from sales_exporter.errors import DeadlineExceeded, SourceUnavailable
from sales_exporter.sidecar.history.client import Client, QueryRejected
from sales_exporter.sidecar.history.history import History, Scope
from sales_exporter.sidecar.history.slots import Marks
from sales_exporter.sidecar.history.snapshot import SnapshotRefused
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.verdicts import Floats
from sales_exporter.sidecar.watches.watch import Watch
from tests.sidecar.history.api import Api, Misbehaviour, refusing, serving
from tests.sidecar.history.recorder import Recorder
from tests.support.clocks import FakeClock, until

NOW = 1_700_000_100.0
"""20 s past a full minute; the minute that is due ended 20 s ago."""
DUE = 1_700_000_040.0
DAY = 86_400.0
SHORT = Scope(past=DAY)
LONG = Scope(past=10 * DAY)
"""Reaches back to where quarter hours are read."""

LOAD = Watch(name="load", query="load")
COST = Watch(name="cost", query="cost")


def steady(value: float) -> Callable[[float], float | None]:
    return lambda at: value


def within(start: float, end: float, value: float = 1.0) -> Callable[[float], float | None]:
    """Has a sample from one moment to another."""
    return lambda at: value if start <= at <= end else None


def hanging(gone: asyncio.Event) -> Misbehaviour:
    """Does not answer before it is told to."""
    async def fault(request: web.Request) -> web.StreamResponse:
        await gone.wait()
        return web.Response()
    return fault


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
async def api(clock: FakeClock) -> AsyncIterator[Api]:
    async with serving(Api(clock, {"load": [({"host": "a"}, steady(2.0))]})) as found:
        yield found


@pytest.fixture
async def client(api: Api, clock: FakeClock) -> AsyncIterator[Client]:
    async with Client(QueryApi(url=api.url, timeout=5), clock) as found:
        yield found


def history(client: Client, clock: FakeClock, *watches: Watch, scope: Scope = SHORT) -> tuple[History, Recorder]:
    made = History(client, watches or (LOAD,), Recorder, clock, scope)
    return made, recorder(made)


def recorder(made: History) -> Recorder:
    assert isinstance(made.detector, Recorder)
    return made.detector


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


async def test_a_tick_judges_one_moment(client: Client, clock: FakeClock) -> None:
    made, _ = history(client, clock)
    tick = await made.tick(DUE)
    assert tick.at == DUE
    assert tick.ids == (SeriesId("load", (("host", "a"),)),)
    assert tick.values.tolist() == [2.0]
    assert tick.known.tolist() == [True]
    assert tick.verdicts is not None
    assert recorder(made).judged == [DUE]


async def test_what_was_due_when_a_fill_began_is_judged_after_it(client: Client, clock: FakeClock) -> None:
    made, _ = history(client, clock)
    at = made.due()
    await clock.advance(15)
    await made.fill()
    assert made.due() == at + 60
    assert (await made.tick(at)).verdicts is not None
    assert (await made.tick(at + 60)).verdicts is not None
    assert np.diff(recorder(made).times)[-5:].tolist() == [60.0] * 5


async def test_a_moment_that_was_judged_is_not_judged_again(client: Client, clock: FakeClock) -> None:
    made, _ = history(client, clock)
    await made.tick(DUE)
    assert (await made.tick(DUE)).verdicts is None
    assert (await made.tick(DUE - 60)).verdicts is None
    assert recorder(made).judged == [DUE]


async def test_moments_missed_are_learned_before_the_next_is_judged(api: Api, client: Client,
                                                                   clock: FakeClock) -> None:
    api.series["load"] = [({"host": "a"}, lambda at: at)]
    made, _ = history(client, clock)
    await made.tick(DUE)
    await made.tick(DUE + 300)
    assert recorder(made).judged == [DUE, DUE + 300]
    assert recorder(made).times.tolist() == [DUE + 60 * number for number in range(6)]
    assert recorder(made).past[0].tolist() == recorder(made).times.tolist()


async def test_a_long_gap_is_learned_in_quarters_and_minutes(client: Client, clock: FakeClock) -> None:
    made, _ = history(client, clock, scope=LONG)
    await made.tick(DUE)
    await made.tick(DUE + 9 * DAY)
    assert np.diff(recorder(made).times).max() < 2 * 900
    assert 10_000 < len(recorder(made).times) < 10_500


async def test_a_missing_sample_is_nan_and_known_to_be_missing(api: Api, client: Client, clock: FakeClock) -> None:
    api.series["load"] = [({"host": "a"}, within(0, DUE))]
    made, _ = history(client, clock)
    await made.tick(DUE)
    tick = await made.tick(DUE + 60)
    assert np.isnan(tick.values).tolist() == [True]
    assert tick.known.tolist() == [True]


async def test_what_is_no_finite_number_is_missing(api: Api, client: Client, clock: FakeClock) -> None:
    api.series["load"] = [({"host": "a"}, steady(float("inf"))), ({"host": "b"}, steady(float("nan")))]
    made, _ = history(client, clock)
    assert np.isnan((await made.tick(DUE)).values).all()


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


async def test_a_series_of_the_past_alone_holds_no_slot(api: Api, client: Client, clock: FakeClock) -> None:
    api.series["load"] = [({"host": "a"}, steady(1.0)), ({"host": "old"}, within(DUE - 10 * DAY, DUE - 8 * DAY))]
    made, _ = history(client, clock, scope=Scope(past=14 * DAY))
    await made.fill()
    assert [one.label("host") for one in made.ids] == ["a"]
    assert recorder(made).size == 1


@pytest.mark.parametrize(("ahead", "asked"), [(3600.0, 3600.0), (-3600.0, -3600.0), (-30.0, -60.0), (30.0, 0.0),
                                             (-3.0, 0.0), (3.0, 0.0)])
async def test_a_server_is_asked_in_its_own_time(api: Api, client: Client, clock: FakeClock, ahead: float,
                                                asked: float) -> None:
    made, _ = history(client, clock)
    api.ahead = ahead
    await made.fill()
    tick = await made.tick(made.due())
    assert tick.at == DUE + asked
    assert tick.verdicts is not None


async def test_a_difference_of_clocks_on_the_verge_does_not_make_ticks_jump(api: Api, client: Client,
                                                                           clock: FakeClock) -> None:
    made, _ = history(client, clock)
    found = []
    for number, ahead in enumerate((-3.0, -6.0, -5.0, -4.0, -6.0)):
        api.ahead = ahead
        found.append((await made.tick(DUE + 60 * number)).at)
    assert np.diff(found).tolist() == [60.0] * 4


async def test_a_snapshot_goes_on_where_it_was_and_the_gap_is_filled(api: Api, client: Client, clock: FakeClock,
                                                                    tmp_path: Path) -> None:
    made, _ = history(client, clock)
    await made.fill()
    made.save(tmp_path / "deep" / "history.npz")
    await clock.advance(180)
    again, _ = history(client, clock)
    again.load(tmp_path / "deep" / "history.npz")
    assert again.ids == made.ids
    await again.tick(again.due())
    assert np.diff(recorder(again).times)[-4:].tolist() == [60.0] * 4
    assert not np.isnan(recorder(again).past).any()


@pytest.mark.parametrize(("watches", "scope"), [
    ((COST,), SHORT), ((Watch(name="load", query="load", kind="count"),), SHORT),
    ((LOAD,), Scope(past=DAY, interval=30.0)), ((LOAD,), Scope(past=DAY, shard=(1, 2))),
])
async def test_a_snapshot_of_something_else_is_refused(client: Client, clock: FakeClock, tmp_path: Path,
                                                      watches: tuple[Watch, ...], scope: Scope) -> None:
    made, _ = history(client, clock)
    await made.tick(DUE)
    made.save(tmp_path / "history.npz")
    other, _ = history(client, clock, *watches, scope=scope)
    with pytest.raises(SnapshotRefused, match="other watches"):
        other.load(tmp_path / "history.npz")


async def test_a_snapshot_that_is_too_old_is_refused(client: Client, clock: FakeClock, tmp_path: Path) -> None:
    made, _ = history(client, clock)
    await made.tick(DUE)
    made.save(tmp_path / "history.npz")
    clock.jump(0.6 * DAY)
    with pytest.raises(SnapshotRefused, match="too old"):
        made.load(tmp_path / "history.npz")


async def test_a_snapshot_from_the_future_is_refused(client: Client, clock: FakeClock, tmp_path: Path) -> None:
    made, _ = history(client, clock)
    await made.tick(DUE)
    made.save(tmp_path / "history.npz")
    clock.jump(-DAY)
    made, _ = history(client, clock)
    with pytest.raises(SnapshotRefused, match="future"):
        made.load(tmp_path / "history.npz")


async def test_a_damaged_snapshot_is_refused_and_changes_nothing(client: Client, clock: FakeClock,
                                                                tmp_path: Path) -> None:
    made, _ = history(client, clock)
    await made.tick(DUE)
    made.save(tmp_path / "history.npz")
    whole = (tmp_path / "history.npz").read_bytes()
    for damaged in (b"", whole[:-100], b"text", whole[:200] + b"\0" * 200 + whole[400:]):
        (tmp_path / "history.npz").write_bytes(damaged)
        with pytest.raises(SnapshotRefused):
            made.load(tmp_path / "history.npz")
    assert len(made.ids) == made.detector.size == 1


async def test_without_a_snapshot_there_is_a_reason(client: Client, clock: FakeClock, tmp_path: Path) -> None:
    with pytest.raises(SnapshotRefused, match="none"):
        history(client, clock)[0].load(tmp_path / "history.npz")
