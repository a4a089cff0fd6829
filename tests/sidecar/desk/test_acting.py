"""What people may do with a case, and what they are told about its end."""

from __future__ import annotations

import math

import pytest

from sales_exporter.sidecar.desk.acting import LONGEST_SNOOZE
from sales_exporter.sidecar.desk.book import HELD
from sales_exporter.sidecar.desk.model import (
    Acknowledge,
    Action,
    Assign,
    Comment,
    Resolve,
    Snooze,
    Unacknowledge,
)
from sales_exporter.sidecar.desk.seam import Impossible, UnknownAlert
from sales_exporter.sidecar.outbox import Alert
from tests.sidecar.desk.bench import ACK, BOB, EVE, HOUR, LEADS, NOW, Bench, foreign, seen

PUSHED = Alert("SalesLeadsFell", "critical", NOW, {"summary": "Leads fell."}, team="sales-ops", service="leads")


@pytest.fixture
def bench() -> Bench:
    """A rule's alert fires, and was seen."""
    bench = Bench()
    bench.fires()
    bench.look()
    return bench


@pytest.fixture
def pushed() -> Bench:
    """An alert of the outbox fires, and was seen."""
    bench = Bench(pushed=[PUSHED])
    bench.fires()
    bench.look()
    return bench


def test_whoever_acknowledges_has_it_and_owns_it(bench: Bench) -> None:
    bench.act(ACK)
    case = bench.case
    assert (case.state, case.acknowledged_by, case.acknowledged_at, case.owner, case.comment) == (
        "acknowledged", "bob", bench.now, "bob", "on it")


def test_an_owner_stays_when_somebody_else_acknowledges(bench: Bench) -> None:
    bench.act(Assign("eve"))
    bench.act(ACK)
    assert (bench.case.owner, bench.case.acknowledged_by) == ("eve", "bob")


def test_acknowledged_twice_nothing_changes_but_the_words(bench: Bench) -> None:
    bench.act(ACK)
    before = bench.case
    bench.act(ACK)
    assert bench.case is before
    bench.act(Acknowledge("nearly done"))
    assert bench.case.comment == "nearly done"
    assert bench.kinds == ["fired", "acknowledged", "commented"]


def test_another_takes_it_over_and_the_time_of_the_first_stays(bench: Bench) -> None:
    bench.act(ACK)
    first = bench.case.acknowledged_at
    bench.now += 60
    bench.act(ACK, EVE)
    assert (bench.case.acknowledged_by, bench.case.acknowledged_at) == ("eve", first)
    assert bench.kinds == ["fired", "acknowledged", "acknowledged"]


def test_given_back_it_fires_and_is_nobodys(bench: Bench) -> None:
    bench.act(ACK)
    bench.act(Unacknowledge("not mine"))
    assert (bench.case.state, bench.case.acknowledged_by, bench.case.owner) == ("firing", "", "")
    assert bench.events[-1].why == "not mine"


def test_giving_back_what_nobody_has_changes_nothing(bench: Bench) -> None:
    bench.act(Unacknowledge())
    assert bench.kinds == ["fired"]


def test_a_snooze_ends_with_a_notice_if_the_alert_still_fires(bench: Bench) -> None:
    bench.act(Snooze(60))
    bench.look(30)
    assert (bench.case.state, bench.notices) == ("snoozed", [])
    bench.look(35)
    assert (bench.case.state, bench.case.until) == ("firing", None)
    assert bench.kinds == ["fired", "snoozed", "woken"]
    [notice] = bench.notices
    assert (notice.kind, notice.text) == ("woken", "SalesLeadsFell still fires; it was snoozed by bob.")


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.inf, math.nan, LONGEST_SNOOZE + 1])
def test_a_snooze_has_a_length(bench: Bench, seconds: float) -> None:
    with pytest.raises(Impossible, match="30 days"):
        bench.act(Snooze(seconds))


def test_the_alert_of_a_rule_is_closed_until_it_ends_and_that_is_said(bench: Bench) -> None:
    bench.act(Resolve("known"))
    assert (bench.case.state, bench.case.ends_at) == ("resolved", None)
    assert bench.book.cases() == []
    assert bench.events[-1].kind == "closed"
    assert bench.events[-1].why == "known (closed by hand; a rule raised it, so that it is muted until it ends)"
    bench.ends()
    bench.look()
    assert bench.kinds == ["fired", "closed", "resolved"]
    assert bench.case.ends_at == bench.now


def test_what_is_closed_opens_again_when_it_is_unacknowledged(bench: Bench) -> None:
    bench.act(Resolve())
    with pytest.raises(Impossible, match="closed by hand"):
        bench.act(ACK)
    bench.act(Unacknowledge())
    assert [case.state for case in bench.book.cases()] == ["firing"]


def test_a_pushed_alert_really_ends(pushed: Bench) -> None:
    pushed.act(Resolve("mended"))
    assert (pushed.case.state, pushed.case.ends_at) == ("resolved", pushed.now)
    assert (pushed.events[-1].kind, pushed.events[-1].by, pushed.events[-1].why) == ("resolved", "bob", "mended")
    assert pushed.book.held() == {LEADS}


def test_a_look_before_the_outbox_was_told_does_not_open_it_again(pushed: Bench) -> None:
    pushed.act(Resolve())
    pushed.look()
    pushed.pushed = []
    pushed.look()
    assert pushed.kinds == ["fired", "resolved"]


def test_a_finding_that_was_resolved_by_hand_is_held_back_until_it_has_been_gone_once(pushed: Bench) -> None:
    pushed.act(Resolve())
    pushed.pushed = []
    for alerts, held in (([PUSHED], {LEADS}), ([], set())):
        pushed.took(pushed.book.release(alerts, (), pushed.now))
        assert pushed.book.held() == held


def test_it_is_held_back_while_nobody_knows_whether_it_stands(pushed: Bench) -> None:
    pushed.act(Resolve())
    pushed.took(pushed.book.release([], {"SalesLeadsFell"}, pushed.now))
    assert pushed.book.held() == {LEADS}


def test_it_is_raised_again_after_a_day_all_the_same(pushed: Bench) -> None:
    pushed.act(Resolve())
    pushed.pushed = []
    pushed.took(pushed.book.release([PUSHED], (), pushed.now + HELD))
    assert pushed.book.held() == set()
    pushed.pushed = [PUSHED.lasting(pushed.now + HELD, None)]
    pushed.look(HELD)
    assert (pushed.case.state, pushed.case.starts_at) == ("firing", pushed.now)


def test_resolved_twice_nothing_changes(pushed: Bench) -> None:
    pushed.act(Resolve())
    pushed.act(Resolve())
    assert pushed.kinds == ["fired", "resolved"]


@pytest.mark.parametrize("action", [Acknowledge(), Unacknowledge(), Snooze(60), Assign("eve")])
def test_what_is_over_cannot_be_had(bench: Bench, action: Action) -> None:
    bench.ends()
    bench.look()
    with pytest.raises(Impossible, match="over"):
        bench.act(action)


def test_what_is_over_can_be_talked_about(bench: Bench) -> None:
    bench.ends()
    bench.look()
    bench.act(Comment("it was the cache"))
    assert (bench.case.comment, bench.case.state) == ("it was the cache", "resolved")


def test_a_comment_has_words(bench: Bench) -> None:
    with pytest.raises(Impossible, match="words"):
        bench.act(Comment("  "))


def test_an_owner_is_given_and_taken_away(bench: Bench) -> None:
    bench.act(Assign("eve", "her system"))
    assert (bench.case.owner, bench.events[-1].why) == ("eve", "to eve: her system")
    bench.act(Assign(""))
    assert (bench.case.owner, bench.events[-1].why) == ("", "to nobody")


def test_nobody_acts_on_what_nobody_knows() -> None:
    with pytest.raises(UnknownAlert):
        Bench().act(ACK)


@pytest.mark.parametrize("action", [Acknowledge(), Snooze(HOUR), Resolve()])
def test_the_end_of_what_was_muted_is_told_by_the_desk(bench: Bench, action: Action) -> None:
    bench.act(action)
    bench.ends()
    bench.look()
    assert [notice.kind for notice in bench.notices] == ["resolved"]
    bench.look()
    assert len(bench.notices) == 1


def test_the_end_of_what_was_not_muted_is_told_by_alertmanager(bench: Bench) -> None:
    bench.ends()
    bench.look()
    assert bench.notices == []


def test_the_end_of_what_nobody_ever_heard_of_is_not_told() -> None:
    bench = Bench()
    bench.server.silences["theirs"] = foreign()
    bench.server.alerts = [seen(silenced_by=frozenset({"theirs"}))]
    bench.look()
    bench.ends()
    bench.look()
    assert (bench.kinds, bench.notices) == (["fired", "silenced", "resolved"], [])


def test_the_end_under_the_silence_of_somebody_else_is_told(bench: Bench) -> None:
    bench.server.silences["theirs"] = foreign()
    bench.server.alerts = [seen(silenced_by=frozenset({"theirs"}))]
    bench.look()
    bench.ends()
    bench.look()
    [notice] = bench.notices
    assert notice.text == "SalesLeadsFell is over; it was silenced."


def test_told_again_after_a_crash_a_notice_has_the_same_key(bench: Bench) -> None:
    bench.act(ACK, BOB)
    before = bench.book.records[LEADS]
    bench.ends()
    bench.look()
    bench.book.records[LEADS] = before
    bench.look(30)
    first, again = bench.notices
    assert first.key == again.key


def test_the_next_firing_has_notices_of_its_own(bench: Bench) -> None:
    for start in (NOW, NOW + HOUR):
        bench.fires(starts_at=start)
        bench.look()
        bench.act(ACK)
        bench.ends()
        bench.look()
    assert len({notice.key for notice in bench.notices}) == 2
