"""Silences of the desk: made once, kept while they are wanted, found again, and never those of others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sales_exporter.sidecar.desk.model import Acknowledge, Resolve, Snooze, Unacknowledge
from sales_exporter.sidecar.desk.silences import EXTEND, GOSSIP, LENGTH, Expire, Put
from tests.sidecar.desk.bench import ACK, BOB, EVE, HOUR, LABELS, LEADS, NOW, Alertmanager, Bench, foreign, seen


@pytest.fixture
def bench() -> Bench:
    """The alert fires, and was seen."""
    bench = Bench()
    bench.fires()
    bench.look()
    return bench


def two(clustered: bool) -> Bench:
    bench = Bench(servers={"one:9093": Alertmanager(), "two:9093": Alertmanager()}, clustered=clustered)
    bench.fires()
    bench.look()
    return bench


def test_an_acknowledgement_silences_the_exact_labels_for_a_quarter_of_an_hour(bench: Bench) -> None:
    bench.act(ACK)
    bench.look()
    [order] = bench.orders
    assert isinstance(order, Put)
    assert (order.labels, order.by, order.comment) == (LABELS, "bob", "ACK! bob: on it")
    assert bench.standing == [("ACK! bob: on it", LENGTH)]


def test_it_is_extended_every_five_minutes_with_its_id_and_start_while_the_alert_lasts(bench: Bench) -> None:
    bench.act(ACK)
    for _ in range(12 * 60):
        bench.look()
    first, *others = bench.orders
    assert isinstance(first, Put)
    assert len(others) == 60 * 60 // (LENGTH - EXTEND) - 1
    assert {(order.id, order.began) for order in others if isinstance(order, Put)} == {
        (bench.book.records[LEADS].silences[0], f"at {NOW + 10}")}
    [(_, left)] = bench.standing
    assert left > EXTEND - 5


def test_it_runs_out_by_itself_when_the_alert_is_over(bench: Bench) -> None:
    bench.act(ACK)
    bench.look()
    bench.ends()
    for _ in range(10):
        bench.look()
    assert len(bench.orders) == 1
    bench.look(LENGTH)
    assert bench.standing == []


def test_an_alert_that_fires_anew_is_not_muted_by_what_is_left_of_the_last_time(bench: Bench) -> None:
    bench.act(ACK)
    bench.look()
    bench.ends()
    bench.look()
    bench.fires(starts_at=bench.now)
    bench.look()
    assert bench.case.state == "firing"
    assert bench.standing == []


def test_giving_it_back_ends_the_silence(bench: Bench) -> None:
    bench.act(ACK)
    bench.look()
    bench.act(Unacknowledge())
    bench.look()
    assert isinstance(bench.orders[-1], Expire)
    assert bench.standing == []
    bench.look()
    assert bench.kinds == ["fired", "acknowledged", "unacknowledged"]


def test_acknowledged_again_at_once_the_silence_stays(bench: Bench) -> None:
    bench.act(ACK)
    bench.look()
    bench.act(Unacknowledge())
    bench.act(Acknowledge("after all"), EVE)
    bench.look()
    assert bench.case.state == "acknowledged"
    assert bench.standing == [("ACK! eve: after all", LENGTH)]


def test_acknowledged_again_after_its_silence_was_ended_it_gets_another_one(bench: Bench) -> None:
    bench.act(ACK)
    bench.look()
    bench.act(Unacknowledge())
    bench.look()
    bench.act(ACK)
    bench.look(GOSSIP)
    bench.look()
    assert bench.case.state == "acknowledged"
    assert len(bench.standing) == 1


def test_a_snooze_has_a_fixed_end(bench: Bench) -> None:
    bench.act(Snooze(HOUR, "lunch"))
    for _ in range(100):
        bench.look()
    assert len(bench.orders) == 1
    assert bench.standing == [("SNOOZE! bob: lunch", HOUR - 99 * 5 - 5)]


def test_a_snooze_that_becomes_an_acknowledgement_is_the_same_silence(bench: Bench) -> None:
    bench.act(Snooze(HOUR))
    bench.look()
    bench.act(ACK)
    bench.look()
    assert [bool(order.id) for order in bench.orders if isinstance(order, Put)] == [False, True]
    assert bench.standing == [("ACK! bob: on it", LENGTH)]


def test_one_that_is_closed_by_hand_is_muted_while_it_lasts(bench: Bench) -> None:
    bench.act(Resolve("known"))
    bench.look()
    assert bench.standing == [("CLOSED! bob: known", LENGTH)]


def test_after_a_restart_the_silence_is_found_again_and_none_is_made(bench: Bench) -> None:
    bench.act(ACK)
    bench.look()
    bench.restart()
    for _ in range(3):
        bench.look()
    assert len(bench.orders) == 1


def test_a_process_that_was_killed_before_it_noted_the_silence_finds_it_too(bench: Bench) -> None:
    bench.act(ACK)
    before = bench.book.records[LEADS]
    bench.look()
    bench.book.records[LEADS] = before
    bench.look()
    assert len(bench.orders) == 1
    bench.act(Unacknowledge())
    bench.look()
    assert bench.standing == []


def test_a_process_that_has_forgotten_everything_finds_who_has_it(bench: Bench) -> None:
    bench.act(ACK)
    bench.look()
    bench.book.records.clear()
    bench.look()
    assert (bench.case.state, bench.case.acknowledged_by) == ("acknowledged", "bob")
    assert len(bench.orders) == 1


@pytest.mark.parametrize("comment", ["ACK! carol: mine", "SNOOZE! carol: mine", "CLOSED! carol: mine"])
def test_a_silence_with_our_mark_that_another_tool_made_counts(bench: Bench, comment: str) -> None:
    bench.server.silences["theirs"] = replace(foreign(fingerprint=LEADS, comment=comment), starts_at=bench.now)
    bench.look()
    assert bench.case.state in ("acknowledged", "snoozed", "resolved")
    assert (bench.events[-1].by, bench.events[-1].via, bench.events[-1].why) == ("carol", "alertmanager", "mine")


def test_a_silence_that_somebody_ended_gives_the_alert_back(bench: Bench) -> None:
    bench.act(ACK)
    bench.look()
    [silence] = bench.server.silences.values()
    bench.server.silences[silence.id] = replace(silence, state="expired", ends_at=bench.now)
    bench.look()
    assert bench.case.state == "firing"
    assert (bench.events[-1].kind, bench.events[-1].via) == ("unacknowledged", "alertmanager")


def test_a_silence_that_ran_out_while_nobody_looked_does_not(bench: Bench) -> None:
    bench.act(ACK)
    bench.look()
    bench.look(2 * LENGTH)
    bench.look(GOSSIP)
    assert bench.case.state == "acknowledged"
    assert len(bench.standing) == 1


def test_a_silence_that_an_alertmanager_has_lost_is_made_again(bench: Bench) -> None:
    bench.act(ACK)
    bench.look()
    bench.server.silences.clear()
    bench.look(GOSSIP)
    assert bench.case.state == "acknowledged"
    assert len(bench.standing) == 1


def test_in_a_cluster_one_silence_is_made() -> None:
    bench = two(clustered=True)
    bench.act(ACK)
    for _ in range(10):
        bench.look()
    assert len(bench.orders) == 1


def test_one_that_does_not_hear_of_it_gets_its_own_after_a_moment() -> None:
    bench = two(clustered=False)
    bench.act(ACK)
    bench.look()
    bench.look(GOSSIP / 2)
    assert [order.instance for order in bench.orders] == ["one:9093"]
    bench.look(GOSSIP / 2)
    assert [order.instance for order in bench.orders] == ["one:9093", "two:9093"]
    bench.look()
    assert len(bench.orders) == 2


def test_giving_it_back_ends_both() -> None:
    bench = two(clustered=False)
    bench.act(ACK)
    for _ in range(5):
        bench.look()
    bench.act(Unacknowledge())
    bench.look()
    assert [order.instance for order in bench.orders if isinstance(order, Expire)] == ["one:9093", "two:9093"]


def test_news_of_the_end_that_comes_late_is_no_new_acknowledgement() -> None:
    bench = two(clustered=True)
    bench.act(ACK)
    bench.look()
    old = dict(bench.server.silences)
    bench.act(Unacknowledge())
    bench.look()
    bench.servers["two:9093"].silences = old
    bench.look()
    assert bench.case.state == "firing"


def test_while_none_answers_nothing_is_ordered_and_then_it_is(bench: Bench) -> None:
    bench.server.answers = False
    bench.act(ACK)
    bench.look()
    assert bench.orders == []
    bench.server.answers = True
    bench.look()
    assert len(bench.orders) == 1


def test_one_that_may_have_been_made_is_not_made_again_at_once(bench: Bench) -> None:
    bench.act(ACK)
    order = Put("one:9093", LEADS, LABELS, NOW + LENGTH, "bob", "ACK! bob: on it")
    bench.took(bench.book.asked(order, bench.now))
    bench.look(GOSSIP - 1)
    assert bench.orders == []
    bench.look(1)
    assert len(bench.orders) == 1


def test_one_that_is_made_after_the_alert_was_given_back_is_ended(bench: Bench) -> None:
    bench.act(ACK)
    bench.act(Unacknowledge())
    order = Put("one:9093", LEADS, LABELS, NOW + LENGTH, "bob", "ACK! bob: on it")
    bench.server.silences["late"] = replace(
        foreign("late", LEADS, "ACK! bob: on it"), starts_at=bench.now, ends_at=NOW + LENGTH)
    bench.took(bench.book.done(order, "late", bench.now))
    bench.look()
    assert bench.case.state == "firing"
    assert bench.standing == []


def test_a_silence_of_somebody_else_is_said_and_left_alone(bench: Bench) -> None:
    bench.server.silences["theirs"] = foreign()
    bench.server.alerts = [seen(silenced_by=frozenset({"theirs"}))]
    bench.look()
    assert (bench.case.silenced, bench.case.state) == (True, "firing")
    assert (bench.events[-1].kind, bench.events[-1].by, bench.events[-1].why) == ("silenced", "carol", "maintenance")
    bench.fires()
    bench.look()
    assert not bench.case.silenced
    assert bench.kinds == ["fired", "silenced", "unsilenced"]
    assert bench.orders == []


def test_hostile_words_stay_words(bench: Bench) -> None:
    bench.act(Acknowledge("on\r\nit\x00 " + "x" * 400), BOB)
    bench.look()
    [(comment, _)] = bench.standing
    assert comment.isprintable()
    assert len(comment) == 256
