"""Several Alertmanagers and the outbox, seen as one."""

from __future__ import annotations

from dataclasses import replace

from sales_exporter.sidecar.desk.seen import ORIGIN, YOUNG, Poll, Seen, merged
from sales_exporter.sidecar.outbox import Alert
from tests.sidecar.desk.bench import HOUR, LABELS, LEADS, NOW, seen

OURS = Alert("SalesLeadsFell", "critical", NOW + 5, {"summary": "Ours."}, team="sales-ops", service="leads")


def poll(name: str, alert: Seen | None = None, started_at: float = NOW - HOUR) -> Poll:
    shown = {LEADS: replace(alert, instances=frozenset({name}))} if alert is not None else {}
    return Poll(name, started_at, shown)


def test_what_both_show_is_muted_only_if_it_is_muted_at_both() -> None:
    muted = seen(silenced_by=frozenset({"a"}), inhibited_by=frozenset({"x"}))
    other = seen(silenced_by=frozenset({"b"}), inhibited_by=frozenset({"y"}))
    [one] = merged([poll("one", muted), poll("two", seen())], [], NOW).alerts.values()
    assert (one.silenced_by, one.inhibited_by) == (frozenset(), frozenset())
    [one] = merged([poll("one", muted), poll("two", other)], [], NOW).alerts.values()
    assert (one.silenced_by, one.inhibited_by) == ({"a", "b"}, {"x", "y"})
    assert one.instances == {"one", "two"}


def test_the_earliest_start_holds_and_receivers_are_joined() -> None:
    first, second = seen(NOW + 60, receivers=("ml",)), seen(NOW, receivers=("exec",))
    [one] = merged([poll("one", first), poll("two", second)], [], NOW).alerts.values()
    assert (one.starts_at, one.receivers) == (NOW, ("exec", "ml"))


def test_words_and_start_of_an_alert_of_ours_are_those_of_the_outbox() -> None:
    sight = merged([poll("one", seen(receivers=("ml",)))], [OURS], NOW)
    one = sight.alerts[LEADS]
    assert (one.starts_at, one.annotations, one.receivers) == (NOW + 5, {"summary": "Ours."}, ("ml",))
    assert sight.pushed == {LEADS}
    assert sight.trusts(LEADS)


def test_a_copy_is_no_alert_but_known_as_a_copy() -> None:
    copy = Seen({**LABELS, "escalation": "1"}, {ORIGIN: LEADS}, NOW)
    sight = merged([Poll("one", NOW, {"f00d": copy})], [Alert("A", "info", NOW, {ORIGIN: LEADS})], NOW)
    assert (sight.alerts, sight.pushed, sight.copies) == ({}, frozenset(), {LEADS: {"f00d"}})


def test_one_that_has_just_begun_answers_but_is_not_settled() -> None:
    polls = [poll("one", started_at=NOW - YOUNG), poll("two", seen(), started_at=NOW - YOUNG + 1)]
    sight = merged(polls, [], NOW, ["three"])
    assert (sight.settled, set(sight.silences), sight.awaited) == ({"one"}, {"one", "two"}, {"three"})
    assert not sight.trusts(LEADS)
