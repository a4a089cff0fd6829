"""What a tick judges, and in whose time it asks."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.series import SeriesId
from tests.sidecar.history.api import Api
from tests.sidecar.history.making import (
    DAY,
    DUE,
    LONG,
    history,
    recorder,
    steady,
    within,
)
from tests.support.clocks import FakeClock


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
