"""When a case begins and ends, by what several Alertmanagers show or fail to show."""

from __future__ import annotations

import pytest

from sales_exporter.sidecar.desk.book import BOUND, KEPT, LINGER
from sales_exporter.sidecar.desk.model import Snooze, Unacknowledge
from sales_exporter.sidecar.desk.seen import HEARTBEAT, YOUNG
from sales_exporter.sidecar.outbox import Alert
from tests.sidecar.desk.bench import ACK, LABELS, LEADS, NOW, Alertmanager, Bench, seen

PUSHED = Alert("SalesLeadsFell", "critical", NOW, {"summary": "Leads fell."}, team="sales-ops", service="leads")


@pytest.fixture
def two() -> Bench:
    return Bench(servers={"one:9093": Alertmanager(), "two:9093": Alertmanager()})


def test_an_alert_that_is_shown_is_a_case() -> None:
    bench = Bench()
    bench.fires(receivers=("sales-ops",))
    bench.look()
    assert (bench.case.fingerprint, bench.case.state, bench.case.starts_at) == (LEADS, "firing", NOW)
    assert (bench.case.receivers, bench.case.instances) == (("sales-ops",), ("one:9093",))
    assert bench.kinds == ["fired"]


def test_an_alert_that_nobody_shows_any_more_is_over() -> None:
    bench = Bench()
    bench.fires()
    bench.look()
    bench.ends()
    bench.look()
    assert (bench.case.state, bench.case.ends_at) == ("resolved", NOW + 10)
    assert bench.kinds == ["fired", "resolved"]
    assert bench.book.cases() == []


def test_an_alert_that_one_of_two_shows_is_there(two: Bench) -> None:
    two.fires()
    two.look()
    two.servers["one:9093"].alerts = []
    two.look()
    assert two.case.state == "firing"
    assert two.case.instances == ("two:9093",)


def test_one_that_does_not_answer_says_nothing_of_what_it_alone_showed(two: Bench) -> None:
    two.servers["two:9093"].alerts = [seen()]
    two.look()
    two.servers["two:9093"].answers = False
    two.look()
    assert two.case.state == "firing"


def test_an_alert_of_both_is_over_when_the_one_that_answers_says_so(two: Bench) -> None:
    two.fires()
    two.look()
    two.servers["two:9093"].answers = False
    two.ends()
    two.look()
    assert two.case.state == "resolved"


def test_without_any_answer_nothing_ends(two: Bench) -> None:
    two.fires()
    two.look()
    two.servers["one:9093"].answers = two.servers["two:9093"].answers = False
    two.look()
    assert two.case.state == "firing"


def test_an_alertmanager_that_has_just_begun_ends_nothing() -> None:
    bench = Bench()
    bench.fires()
    bench.look()
    bench.server.started_at = bench.now
    bench.ends()
    bench.look()
    assert bench.case.state == "firing"
    bench.look(YOUNG)
    assert bench.case.state == "resolved"


def test_an_alert_that_began_between_two_looks_anew_is_a_new_firing() -> None:
    bench = Bench()
    bench.fires()
    bench.look()
    bench.act(ACK)
    bench.fires(starts_at=NOW + 7)
    bench.look()
    assert bench.kinds == ["fired", "acknowledged", "resolved", "fired"]
    assert (bench.case.state, bench.case.starts_at) == ("firing", NOW + 7)


def test_a_later_start_of_one_that_has_just_begun_is_the_same_firing() -> None:
    bench = Bench()
    bench.fires()
    bench.look()
    bench.act(ACK)
    bench.server.started_at = bench.now
    bench.fires(starts_at=NOW + 7)
    bench.look()
    bench.look(2 * YOUNG)
    assert (bench.case.state, bench.case.starts_at) == ("acknowledged", NOW)
    assert "resolved" not in bench.kinds


def test_an_alert_that_is_shown_again_with_the_same_start_had_not_ended() -> None:
    bench = Bench()
    bench.fires()
    bench.look()
    bench.act(ACK)
    bench.ends()
    bench.look()
    bench.fires()
    bench.look()
    assert bench.case.state == "acknowledged"
    assert bench.events[-1].why == "it had not ended"


def test_a_snooze_that_ran_out_while_the_alert_was_away_is_over() -> None:
    bench = Bench()
    bench.fires()
    bench.look()
    bench.act(Snooze(60))
    bench.ends()
    bench.look()
    bench.fires()
    bench.look(120)
    assert bench.case.state == "firing"


def test_the_heartbeat_is_nobodys_case() -> None:
    bench = Bench()
    bench.server.alerts = [seen(labels={"alertname": HEARTBEAT, "severity": "info"})]
    bench.look()
    assert bench.book.cases() == []


def test_an_alert_of_the_outbox_is_a_case_before_anybody_shows_it() -> None:
    bench = Bench(pushed=[PUSHED])
    bench.look()
    assert (bench.case.pushed, bench.case.instances) == (True, ())


def test_an_alert_of_the_outbox_is_over_when_the_outbox_says_so() -> None:
    bench = Bench(pushed=[PUSHED])
    bench.fires()
    bench.look()
    bench.pushed = []
    bench.look()
    assert bench.case.state == "resolved"
    bench.look()
    assert bench.kinds == ["fired", "resolved"]


def test_an_alert_that_somebody_else_pushes_too_is_there_again_after_a_while() -> None:
    bench = Bench(pushed=[PUSHED])
    bench.fires()
    bench.look()
    bench.pushed = []
    bench.look()
    bench.look(LINGER)
    bench.look()
    assert bench.case.state == "firing"
    assert bench.kinds == ["fired", "resolved", "fired"]


def test_the_worst_case_comes_first() -> None:
    bench = Bench()
    names = {"old": ("warning", NOW - 60), "new": ("warning", NOW), "bad": ("critical", NOW), "odd": ("none", NOW)}
    bench.server.alerts = [seen(start, {"alertname": name, "severity": severity})
                           for name, (severity, start) in names.items()]
    bench.look()
    assert [case.alertname for case in bench.book.cases()] == ["bad", "old", "new", "odd"]


def test_a_version_grows_with_each_change_of_any_case() -> None:
    bench = Bench()
    bench.server.alerts = [seen(), seen(labels={**LABELS, "service": "spend"})]
    bench.look()
    first = {case.version for case in bench.book.cases()}
    bench.act(ACK)
    assert bench.case.version == max(first) + 1
    bench.restart()
    bench.ends()
    bench.look()
    assert bench.case.version > max(first) + 1


def test_what_a_file_held_that_could_not_be_read_before_is_taken_in() -> None:
    bench = Bench()
    bench.fires()
    bench.look()
    bench.act(ACK)
    [kept] = bench.book.records.values()
    bench.book.records.clear()
    bench.look()
    assert bench.case.state == "firing"
    bench.took(bench.book.restore([kept]))
    assert bench.case.state == "acknowledged"
    bench.act(Unacknowledge())
    bench.took(bench.book.restore([kept]))
    assert bench.case.state == "firing"


def test_a_look_that_shows_nothing_new_changes_nothing() -> None:
    bench = Bench()
    bench.fires()
    bench.look()
    before = bench.book.records[LEADS]
    bench.look()
    assert bench.book.records[LEADS] is before


def test_what_has_been_over_for_long_is_forgotten_and_what_lasts_is_not() -> None:
    bench = Bench()
    bench.server.alerts = [seen(), seen(labels={**LABELS, "service": "spend"})]
    bench.look()
    bench.server.alerts = [seen(labels={**LABELS, "service": "spend"})]
    bench.look()
    assert bench.book.forget(bench.now + KEPT - 1) == []
    assert bench.book.forget(bench.now + KEPT) == [LEADS]
    assert len(bench.book.cases()) == 1


def test_above_a_bound_the_oldest_that_are_over_are_forgotten() -> None:
    bench = Bench()
    bench.server.alerts = [seen(labels={**LABELS, "service": str(number)}) for number in range(BOUND + 1)]
    bench.look()
    bench.ends()
    bench.look()
    assert len(bench.book.forget(bench.now)) == 1
