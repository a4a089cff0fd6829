"""Forecasts in turn, and alerts of what runs out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from sales_exporter.config import Limits, QueryApi
from sales_exporter.errors import SourceError
from sales_exporter.sidecar.forecasts.samples import EXHAUSTION
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.judging.forecasting import Forecasting, room, split
from sales_exporter.sidecar.judging.standing import Place, Standing
from sales_exporter.sidecar.watches.watch import Watch
from tests.sidecar.history.api import Api, Series, refusing, serving
from tests.sidecar.judging.judgements import DAY, HOUR, NOON, watch
from tests.support.clocks import FakeClock

PLACE = Place("shop", "default")
DISK = watch("disk", title="Disk used", forecast=True, resource="disk", limit="disk_size", unit="bytes")


def line(at_noon: float, per_day: float) -> Callable[[float], float]:
    """Grows evenly."""
    return lambda at: at_noon + per_day * (at - NOON) / DAY


def steady(value: float) -> Callable[[float], float]:
    return lambda at: value


class Shown:
    """Forecasting over series that a test changes between its ticks."""

    def __init__(self, series: dict[str, list[Series]], *watches: Watch, room: int = 100) -> None:
        self.clock, self.past = FakeClock(NOON), 7 * DAY
        self.api = Api(self.clock, series)
        self.watches, self.room = watches, room

    async def ticks(self, *moments: float, between: Callable[[int], None] = lambda _: None) -> list[list[Standing]]:
        """What stands after each tick."""
        found = []
        async with serving(self.api), Client(QueryApi(url=self.api.url), self.clock) as client:
            self.made = Forecasting(client, self.watches, PLACE, self.past, (), self.room)
            for number, at in enumerate(moments):
                between(number)
                await self.made.tick(at)
                found.append(list(self.made.standing()))
        return found

    async def forecasts(self, *moments: float, between: Callable[[int], None] = lambda _: None) -> list[list[Standing]]:
        """What stands after each pair of ticks from a moment on."""
        pairs = [at + after for at in moments for after in (0, 60)]
        return (await self.ticks(*pairs, between=lambda number: between(number // 2)))[1::2]

    def names(self) -> set[str]:
        """Of what is published."""
        return {sample.metric.name for sample in self.made.samples()}


async def test_one_watch_is_read_or_forecast_a_tick_and_each_once_an_hour() -> None:
    one, other, never = watch("one", forecast=True), watch("other", forecast=True), watch("never")
    shown = Shown({"one": [({}, steady(1))], "other": [({}, steady(2))], "never": [({}, steady(3))]}, one, other, never)
    told: list[tuple[dict[str, int], set[str]]] = []

    def between(number: int) -> None:
        told.append((dict(shown.api.asked), {sample.labels[0] for sample in shown.made.samples()}))

    await shown.ticks(NOON, NOON + 60, NOON + 120, NOON + 180, NOON + 240, NOON + HOUR, between=between)
    both = {"one": 1, "other": 1}
    assert told == [({}, set()), ({"one": 1}, set()), ({"one": 1}, {"one"}), (both, {"one"}),
                    (both, {"one", "other"}), (both, {"one", "other"})]
    assert shown.api.asked == {"one": 2, "other": 1}


async def test_the_past_is_read_week_by_week_and_put_together() -> None:
    shown = Shown({"one": [({"n": "1"}, line(5, 1)), ({"n": "2"}, lambda at: 3.0 if at < NOON - 8 * DAY else 4.0)]},
                  watch("one", forecast=True))
    async with serving(shown.api), Client(QueryApi(url=shown.api.url), shown.clock) as client:
        made = Forecasting(client, shown.watches, PLACE, 10 * DAY, ())
        await made.tick(NOON)
        past = made._past
    assert past is not None
    assert shown.api.asked == {"one": 2}
    assert shown.api.longest == 168
    assert past.values.shape == (2, 240)
    assert past.values[0].tolist() == pytest.approx([5 - (239 - hour) / 24 for hour in range(240)])
    assert past.values[1].tolist() == [3.0] * 47 + [4.0] * 193


async def test_trends_of_the_business_are_for_insights_and_those_of_machines_are_not() -> None:
    revenue = watch("revenue", title="revenue a day", category="business", forecast=True, money=2)
    shown = Shown({"revenue": [({"channel": "email"}, line(100, -5))], "cpu": [({}, line(50, 1))]}, revenue,
                  watch("cpu", forecast=True))
    shown.past = 14 * DAY
    await shown.forecasts(NOON, NOON + 120)
    [found] = shown.made.lasting("EUR")
    assert (found.what, found.entity, found.currency) == ("revenue a day", 'channel="email"', "EUR")
    assert (found.per_week, found.money) == pytest.approx((-35, 70), rel=0.01)


async def test_it_is_settled_when_each_watch_was_answered() -> None:
    shown = Shown({}, watch("one", forecast=True), watch("other", forecast=True))
    settled: list[bool] = []
    await shown.ticks(*(NOON + 60 * number for number in range(5)),
                      between=lambda _: settled.append(shown.made.settled))
    assert settled == [False] * 4 + [True]


async def test_a_watch_that_is_not_answered_is_asked_three_times_and_only_then_taken_as_settled() -> None:
    shown = Shown({}, watch("one", forecast=True))
    shown.api.faults["one"] = refusing(422, "execution", "too much")
    found = []
    async with serving(shown.api), Client(QueryApi(url=shown.api.url), shown.clock) as client:
        made = Forecasting(client, shown.watches, PLACE, DAY, ())
        for at in (NOON, NOON + 60, NOON + 300, NOON + 600, NOON + 900):
            with contextlib.suppress(SourceError):
                await made.tick(at)
            found.append((shown.api.asked["one"], made.settled))
    assert found == [(1, False), (1, False), (2, False), (3, True), (3, True)]


async def test_a_watch_whose_query_fails_leaves_its_turn_to_the_next_and_keeps_its_series() -> None:
    shown = Shown({"one": [({}, steady(1))], "other": [({}, steady(2))]}, watch("one", forecast=True),
                  watch("other", forecast=True))
    async with serving(shown.api), Client(QueryApi(url=shown.api.url), shown.clock) as client:
        made = Forecasting(client, shown.watches, PLACE, 7 * DAY, ())
        await made.tick(NOON)
        await made.tick(NOON + 60)
        before = list(made.samples())
        shown.api.faults["other"] = refusing(422, "execution", "too much")
        with pytest.raises(SourceError):
            await made.tick(NOON + 120)
        await made.tick(NOON + 180)
        assert list(made.samples()) == before != []
        assert shown.api.asked == {"one": 1, "other": 1}


@pytest.mark.slow
async def test_a_resource_that_is_used_up_within_a_week_is_an_alert() -> None:
    shown = Shown({"disk": [({"device": "sda"}, line(900, 20)), ({"device": "sdb"}, line(100, 0.01))],
                   "disk_size": [({"device": "sda"}, steady(1000)), ({"device": "sdb"}, steady(1000))]}, DISK)
    (found,), = await shown.forecasts(NOON)
    alert = found.alert
    assert found.kind == "capacity"
    assert (alert.alertname, alert.severity, alert.starts_at) == ("SalesCapacityExhaustion", "warning", NOON)
    assert (alert.category, alert.cluster, alert.watch) == ("capacity", "shop", "disk")
    assert "sda" in alert.entity
    assert alert.annotations["expected"] == "below 1000"
    assert "2026-01-10" in alert.annotations["description"]
    assert alert.annotations["runbook_url"] == "alert_rules/runbooks/SalesCapacityExhaustion.md"
    assert EXHAUSTION.name in shown.names()


@pytest.mark.slow
async def test_two_days_before_it_is_used_up_the_alert_is_critical_as_far_as_the_watch_allows() -> None:
    shown = Shown({"disk": [({}, line(980, 20))], "mild": [({}, line(980, 20))]},
                  DISK.model_copy(update={"limit": 1000.0}),
                  watch("mild", forecast=True, resource="pool", limit=1000.0, max_severity="warning"))
    _, both = await shown.forecasts(NOON, NOON + 120)
    assert [one.alert.severity for one in both] == ["critical", "warning"]


@pytest.mark.slow
async def test_an_alert_begins_below_7_days_and_ends_only_above_a_quarter_more() -> None:
    # 20 a day: a limit that moves is a date that moves.
    limits = [1160.0, 1120.0, 1160.0, 1200.0, 1160.0]
    shown = Shown({"disk": [({}, line(1000, 20))]}, DISK)

    def between(number: int) -> None:
        # What was used meanwhile is added, so that the days left are those of the list.
        shown.api.series["disk_size"] = [({}, steady(limits[number] + 20 * number / 24))]

    found = await shown.forecasts(*(NOON + HOUR * number for number in range(5)), between=between)
    assert [[one.alert.starts_at for one in each] for each in found] == [[], [NOON + HOUR], [NOON + HOUR], [], []]


@pytest.mark.parametrize(("room", "shares"), [(10, {"a": 1, "b": 4, "c": 5}), (3, {"a": 1, "b": 1, "c": 1}),
                                              (100, {"a": 1, "b": 4, "c": 9})])
def test_a_watch_with_few_series_has_all_of_them_and_the_others_share_what_is_left(
        room: int, shares: dict[str, int]) -> None:
    assert split(room, {"c": 9, "a": 1, "b": 4}) == shares


@pytest.mark.parametrize(("series", "each", "shown"), [(20_000, 1_000, 66), (2_000, 1_000, 24), (100, 10, 0)])
def test_r12_no_more_series_are_forecast_for_show_than_the_limits_have_room_for(
        series: int, each: int, shown: int) -> None:
    assert room(Limits(series=series, series_per_metric=each)) == shown


async def test_what_has_no_room_is_not_published_but_judged_all_the_same() -> None:
    shown = Shown({"disk": [({"device": f"sd{letter}"}, line(980, 20)) for letter in "abc"]},
                  DISK.model_copy(update={"limit": 1000.0}), room=2)
    found, = await shown.forecasts(NOON)
    assert len(found) == 3
    assert {sample.labels[1] for sample in shown.made.samples()} == {'device="sda"', 'device="sdb"'}
