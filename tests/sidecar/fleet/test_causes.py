"""Alarms that belong together are one cause, which keeps its name as long as it lasts."""

from __future__ import annotations

import json

import pytest

from sales_exporter.sidecar.fleet.causes import WINDOW, Alarming, Causes, Fleet, entities
from sales_exporter.sidecar.series import SeriesId


def series(watch: str, **labels: str) -> SeriesId:
    return SeriesId.of(watch, labels)


def alarm(which: SeriesId, since: float = 0, effect: float = 5, family: str = "", **rest: float) -> Alarming:
    return Alarming(which, family, since, effect, **rest)


EMAIL, PHONE = series("leads", channel="email"), series("leads", channel="phone")
SPEND, LATENCY, ERRORS = series("spend", channel="email"), series("latency", route="/a"), series("errors", route="/b")
OTHERS = [(series(f"other {number}", tenant="acme"), "") for number in range(20)]
FLEET = Fleet([(EMAIL, "leads"), (PHONE, "leads"), (SPEND, "money"), (LATENCY, "api"), (ERRORS, "api"), *OTHERS])


def found(*alarms: Alarming, fleet: Fleet = FLEET) -> list[list[SeriesId]]:
    return [[one.series for one in cause.members] for cause in Causes().update(alarms, fleet)]


def test_alarms_of_one_channel_are_one_cause_across_watches() -> None:
    assert found(alarm(EMAIL), alarm(SPEND, 60)) == [[EMAIL, SPEND]]


def test_alarms_of_one_watch_are_one_cause_across_channels() -> None:
    assert found(alarm(EMAIL), alarm(PHONE, 60)) == [[EMAIL, PHONE]]


def test_alarms_of_one_family_are_one_cause() -> None:
    assert found(alarm(LATENCY, family="api"), alarm(ERRORS, 60, family="api")) == [[ERRORS, LATENCY]]


def test_alarms_that_share_nothing_are_two_causes() -> None:
    assert found(alarm(EMAIL), alarm(LATENCY)) == [[LATENCY], [EMAIL]]


def test_a_chain_of_ties_is_one_cause() -> None:
    assert found(alarm(PHONE), alarm(EMAIL, 60), alarm(SPEND, 120)) == [[EMAIL, PHONE, SPEND]]


def test_alarms_that_began_far_apart_are_two_causes() -> None:
    assert found(alarm(EMAIL), alarm(SPEND, WINDOW + 1)) == [[EMAIL], [SPEND]]


def test_alarms_of_one_watch_are_one_cause_however_late_one_joins() -> None:
    assert found(alarm(EMAIL), alarm(PHONE, 20 * WINDOW)) == [[EMAIL, PHONE]]


def test_what_most_of_the_fleet_shares_ties_nothing() -> None:
    assert len(found(alarm(OTHERS[0][0]), alarm(OTHERS[1][0]))) == 2


def test_when_half_of_a_tenant_alarms_it_is_the_tenant() -> None:
    causes = Causes().update([alarm(one) for one, _ in OTHERS[:10]], FLEET)
    assert len(causes) == 1
    assert causes[0].shared == (("tenant", "acme"),)


def test_the_heaviest_contributors_are_named_by_effect_weight_and_money() -> None:
    some = [alarm(series("leads", channel=name), effect=effect, weight=weight, money=money)
            for name, effect, weight, money in (("a", 9, 1, 1), ("b", -4, 5, 1), ("c", 3, 1, 10), ("d", 8, 1, 1))]
    top = Causes().update(some, Fleet([(one.series, "") for one in some] + OTHERS))[0].top
    assert [one.series.label("channel") for one in top] == ["c", "b", "a"]


def test_a_cause_keeps_its_name_when_its_first_alarm_ends() -> None:
    causes = Causes()
    first = causes.update([alarm(EMAIL), alarm(SPEND, 60)], FLEET)[0]
    later = causes.update([alarm(SPEND, 60)], FLEET)[0]
    assert (later.lead, later.since) == (first.lead, first.since) == (EMAIL, 0)


def test_an_alarm_stays_with_its_cause_when_a_tie_appears() -> None:
    causes = Causes()
    causes.update([alarm(PHONE), alarm(SPEND)], FLEET)
    after = causes.update([alarm(PHONE), alarm(SPEND), alarm(EMAIL, 60)], FLEET)
    assert [[one.series for one in cause.members] for cause in after] == [[EMAIL, PHONE], [SPEND]]


def test_a_cause_ends_with_its_last_alarm() -> None:
    causes = Causes()
    causes.update([alarm(EMAIL)], FLEET)
    assert causes.update([], FLEET) == []
    assert causes.update([alarm(SPEND, 120)], FLEET)[0].lead == SPEND


def test_restored_causes_go_on() -> None:
    causes = Causes()
    causes.update([alarm(EMAIL), alarm(SPEND, 60)], FLEET)
    restored = Causes().restore(json.loads(json.dumps(causes.state())))
    assert restored.update([alarm(SPEND, 60)], FLEET)[0].lead == EMAIL


@pytest.mark.parametrize("state", [[1], [[{}, {}, 0]], [[{"watch": "a"}, {"watch": "a"}, 0]]])
def test_what_is_no_state_is_refused(state: list[object]) -> None:
    with pytest.raises(ValueError, match="no state of causes"):
        Causes().restore(state)


def test_entities_are_the_labels_that_can_be_a_cause() -> None:
    assert entities(series("x", channel="email", le="5", job="a")) == (("channel", "email"),)
