"""Nobody takes an alert: who is told what, when, and when that stops. With a clock that tests move."""

from __future__ import annotations

from sales_exporter.sidecar.desk.model import Resolve, Snooze, Unacknowledge
from sales_exporter.sidecar.desk.seen import ORIGIN
from sales_exporter.sidecar.outbox import Alert
from tests.sidecar.desk.bench import ACK, HOUR, LABELS, LEADS, NOW, Bench, foreign, policy, seen

TEAM = {"after": "15m", "team": "platform"}
LOUDER = {"after": "1h", "raise_severity_to": "critical", "team": "exec"}
PHONES = {"after": "15m", "notify": ["phones"], "repeat": "10m"}


def firing(*steps: dict[str, object], **fields: object) -> Bench:
    """The usual alert fires under a policy, and was seen."""
    bench = Bench(policy(*steps))
    bench.fires(**fields)
    bench.look(0)
    return bench


def copy(bench: Bench) -> Alert:
    """The one copy that there is."""
    [alert] = bench.book.copies().values()
    return alert


def test_a_step_is_taken_on_time_and_not_before() -> None:
    bench = firing(TEAM, LOUDER)
    assert bench.case.next_step_at == NOW + 900
    bench.look(899)
    assert (bench.case.step, bench.book.copies()) == (0, {})
    bench.look(1)
    assert (bench.case.step, bench.case.next_step_at) == (1, NOW + HOUR)
    assert bench.kinds == ["fired", "escalated"]
    assert (bench.events[-1].by, bench.events[-1].via, bench.events[-1].why) == (
        "usual", "policy", "step 1 of usual: team platform")


def test_the_copy_is_the_alert_with_another_team_and_severity() -> None:
    bench = firing(TEAM, LOUDER)
    bench.look(900)
    assert copy(bench).labels == {**LABELS, "team": "platform", "escalation": "1"}
    bench.look(HOUR)
    assert copy(bench).labels == {**LABELS, "team": "exec", "severity": "critical", "escalation": "2"}
    assert copy(bench).annotations[ORIGIN] == LEADS
    assert copy(bench).annotations["summary"] == "Leads fell."


def test_the_copy_of_a_pushed_alert_does_not_end_the_alert() -> None:
    bench = firing(LOUDER)
    bench.look(HOUR)
    original = Alert(**LABELS, starts_at=NOW)
    assert copy(bench).subject != original.subject


def test_what_only_rules_say_of_an_alert_goes_into_the_entity() -> None:
    labels = {**LABELS, "instance": "db-1:9100", "mountpoint": "/var"}
    bench = Bench(policy(TEAM))
    bench.server.alerts = [seen(labels=labels), seen(labels={**labels, "instance": "db-2:9100"})]
    bench.look(0)
    bench.look(900)
    assert sorted(alert.entity for alert in bench.book.copies().values()) == [
        "instance=db-1:9100, mountpoint=/var", "instance=db-2:9100, mountpoint=/var"]


def test_labels_that_are_too_long_do_not_make_two_alerts_one() -> None:
    long = {**LABELS, "path": "x" * 300}
    bench = Bench(policy(TEAM))
    bench.server.alerts = [seen(labels={**long, "zone": name}) for name in "ab"]
    bench.look(0)
    bench.look(900)
    assert len(bench.book.copies()) == 2


def test_what_a_stranger_pushed_can_be_escalated_whatever_it_holds() -> None:
    bench = Bench(policy(TEAM))
    odd = {"severity": "\x00", "team": "a\nb", "été": "\u202e" * 300}
    bench.server.alerts = [seen(labels=odd, annotations={"ü": "x", "bad\n": "y"}, generator_url="javascript:alert(1)")]
    bench.look(0)
    bench.look(900)
    assert (copy(bench).alertname, copy(bench).team, copy(bench).generator_url) == ("(none)", "platform", "")
    assert set(copy(bench).annotations) == {ORIGIN, "escalation"}


def test_it_stops_when_somebody_acknowledges() -> None:
    bench = firing(TEAM, LOUDER)
    bench.look(900)
    bench.act(ACK)
    assert (bench.book.copies(), bench.case.next_step_at, bench.case.step) == ({}, None, 0)
    bench.look(HOUR)
    assert bench.kinds == ["fired", "escalated", "acknowledged"]


def test_given_back_it_begins_anew() -> None:
    bench = firing(TEAM)
    bench.look(600)
    bench.act(ACK)
    bench.look(600)
    bench.act(Unacknowledge())
    bench.look(899)
    assert bench.case.step == 0
    bench.look(1)
    assert bench.case.step == 1


def test_it_ends_with_the_alert() -> None:
    bench = firing(TEAM)
    bench.look(900)
    bench.ends()
    bench.look()
    assert bench.book.copies() == {}


def test_a_snoozed_and_a_closed_alert_do_not_escalate() -> None:
    for action in (Snooze(2 * HOUR), Resolve()):
        bench = firing(TEAM)
        bench.act(action)
        bench.look(HOUR)
        assert bench.case.step == 0


def test_the_clock_stands_while_a_silence_of_somebody_else_mutes_it() -> None:
    bench = firing(TEAM)
    bench.server.silences["theirs"] = foreign()
    bench.server.alerts = [seen(silenced_by=frozenset({"theirs"}))]
    bench.look(600)
    bench.look(900)
    bench.fires()
    bench.look()
    assert bench.case.next_step_at == bench.now + 900


def test_the_clock_stands_while_another_alert_explains_it() -> None:
    bench = firing(TEAM)
    bench.fires(inhibited_by=frozenset({"0123456789abcdef"}))
    bench.look(600)
    bench.look(900)
    assert (bench.case.step, bench.case.inhibited) == (0, True)


def test_its_own_copy_does_not_mute_it() -> None:
    bench = firing(TEAM, LOUDER)
    bench.look(900)
    mine = copy(bench)
    bench.server.alerts = [seen(inhibited_by=frozenset({mine.fingerprint})),
                           seen(labels=mine.labels, annotations=mine.annotations)]
    bench.look(HOUR)
    assert (bench.case.inhibited, bench.case.step) == (False, 2)
    assert len(bench.book.cases()) == 1


def test_receivers_are_told_and_told_again_until_somebody_has_it() -> None:
    bench = firing(PHONES)
    bench.look(900)
    for _ in range(12):
        bench.look(100)
    assert [(notice.kind, notice.at - NOW, notice.step, notice.to) for notice in bench.notices] == [
        ("escalated", 900, 1, ("phones",)), ("escalated", 1500, 1, ("phones",)), ("escalated", 2100, 1, ("phones",))]
    assert len({notice.key for notice in bench.notices}) == 3
    bench.act(ACK)
    bench.look(HOUR)
    assert len(bench.notices) == 3
    assert bench.kinds == ["fired", "escalated", "acknowledged"]


def test_those_who_were_told_hear_of_the_end() -> None:
    bench = firing(PHONES)
    bench.look(900)
    bench.ends()
    bench.look()
    assert [(notice.kind, notice.to) for notice in bench.notices[1:]] == [("resolved", ("phones",))]


def test_steps_that_came_due_while_nobody_ran_are_taken_one_a_look() -> None:
    bench = firing(TEAM, LOUDER)
    bench.restart()
    bench.look(2 * HOUR)
    bench.look()
    assert bench.case.step == 2


def test_taken_again_after_a_crash_a_step_has_the_same_notice() -> None:
    bench = firing(PHONES)
    before = bench.book.records[LEADS]
    bench.look(900)
    bench.book.records[LEADS] = before
    bench.look()
    assert bench.notices[0].key == bench.notices[1].key


def test_the_first_policy_that_fits_holds_and_none_is_none() -> None:
    bench = Bench(policy(TEAM, severity="info"))
    bench.fires()
    bench.look()
    assert bench.case.next_step_at is None


def test_another_policy_holds_for_alerts_that_last() -> None:
    bench = firing(TEAM)
    bench.took(bench.book.follow(policy({"after": "5m", "team": "exec"}), bench.now))
    assert bench.case.next_step_at == NOW + 300
    bench.took(bench.book.follow(policy({"after": "5m", "team": "exec"}, severity="info"), bench.now))
    assert bench.case.next_step_at is None
