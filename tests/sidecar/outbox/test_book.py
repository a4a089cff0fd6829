"""What is to be told to whom: the semantics of Alertmanager's API, in literal times."""

from __future__ import annotations

import pytest

from sales_exporter.sidecar.outbox.alert import Alert
from sales_exporter.sidecar.outbox.book import Book, Queue
from sales_exporter.sidecar.outbox.rows import read, written
from tests.sidecar.outbox.receiving import FAR, NOW, alert

ONE, TWO = "one:9093", "two:9093"


class Telling:
    """A book whose targets take everything at once, but for those that are away."""

    def __init__(self, *targets: str, bound: int = 10_000) -> None:
        self.book = Book(targets or (ONE,), bound=bound)
        self.away: set[str] = set()

    def raise_(self, at: float, *alerts: Alert) -> None:
        self._keep(self.book.raise_(alerts, NOW + at))

    def resolve(self, at: float, *alerts: Alert, end: float | None = None) -> None:
        names = [one.fingerprint for one in alerts]
        self._keep(self.book.resolve(names, NOW + (at if end is None else end), NOW + at))

    def tell(self, at: float, target: str = ONE, everything: bool = True) -> list[tuple[str, float, float]]:
        """What a target is sent: severity, start and end in seconds from NOW."""
        now = NOW + at
        parcels = [self.book.parcel(entry, target, now) for entry in self.book.due(target, now, at, everything)]
        if target not in self.away:
            self.book.accepted(target, parcels, now)
        return [(one.alert.severity, one.alert.starts_at - NOW, (one.alert.ends_at or 0) - NOW) for one in parcels]

    def restarted(self) -> Telling:
        again = Telling(*self.book.targets)
        again.book.restore([read(written(entry)) for entry in self.book.entries.values()])
        return again

    def _keep(self, changed: list) -> None:
        for entry in changed:
            entry.stored = True


def test_an_alert_that_lasts_ends_four_intervals_ahead_each_time() -> None:
    telling = Telling()
    telling.raise_(5, alert(starts_at=NOW))
    assert [telling.tell(at) for at in (5, 35, 65)] == [[("warning", 0, at + FAR)] for at in (5, 35, 65)]


def test_news_is_told_once_outside_the_rounds() -> None:
    telling = Telling()
    telling.raise_(0, alert())
    assert len(telling.tell(0, everything=False)) == 1
    assert telling.tell(1, everything=False) == []


def test_nothing_is_told_before_it_is_stored() -> None:
    book = Book([ONE])
    book.raise_([alert()], NOW)
    assert book.due(ONE, NOW, 0, everything=True) == []


def test_the_earliest_start_is_kept() -> None:
    telling = Telling()
    for start in (-10, 20, -60, 0):
        telling.raise_(30, alert(starts_at=NOW + start))
    assert telling.tell(30) == [("warning", -60, 30 + FAR)]


def test_a_start_in_the_future_is_now() -> None:
    telling = Telling()
    telling.raise_(0, alert(starts_at=NOW + 500))
    assert telling.tell(0) == [("warning", 0, FAR)]


def test_a_resolve_says_when_it_ended_for_15_minutes() -> None:
    telling = Telling()
    telling.raise_(0, alert())
    telling.tell(0)
    telling.resolve(100, alert(), end=90)
    assert telling.tell(100, everything=False) == [("warning", 0, 90)]
    assert telling.tell(100 + 899) == [("warning", 0, 90)]
    assert telling.tell(100 + 900) == []
    assert telling.book.forget(NOW + 1000) == [alert().fingerprint]


@pytest.mark.parametrize(("said", "end"), [(150, 100), (-50, 0)])
def test_an_end_lies_between_the_start_and_now(said: float, end: float) -> None:
    telling = Telling()
    telling.raise_(0, alert())
    telling.tell(0)
    telling.resolve(100, alert(), end=said)
    assert telling.tell(100) == [("warning", 0, end)]


def test_unknown_and_ended_alerts_are_not_resolved_again() -> None:
    telling = Telling()
    telling.raise_(0, alert())
    telling.tell(0)
    telling.resolve(10, alert(), alert("SalesUnknown"))
    telling.resolve(20, alert())
    assert telling.tell(20) == [("warning", 0, 10)]


def test_r24_what_was_over_before_its_acceptance_fires_until_it_was_seen() -> None:
    telling = Telling()
    telling.away = {ONE}
    telling.raise_(0, alert())
    telling.resolve(60, alert())
    assert telling.tell(600) == [("warning", 0, 600 + FAR)]
    telling.away = set()
    assert telling.tell(630) == [("warning", 0, 630 + FAR)]
    # Long enough for the group_wait, or nobody would be told.
    assert telling.tell(660) == [("warning", 0, 660 + FAR)]
    assert telling.tell(690) == [("warning", 0, 60)]


def test_an_alert_that_was_seen_in_time_resolves_at_once() -> None:
    telling = Telling()
    telling.raise_(0, alert())
    telling.tell(0)
    telling.resolve(1, alert())
    assert telling.tell(1, everything=False) == [("warning", 0, 1)]


def test_a_changed_severity_is_told_before_the_old_one_ends() -> None:
    telling = Telling()
    telling.raise_(0, alert(severity="warning"))
    telling.tell(0)
    telling.raise_(300, alert(severity="critical"))
    assert telling.tell(300, everything=False) == [("critical", 0, 300 + FAR), ("warning", 0, 300)]
    assert [one.severity for one in telling.book.open_alerts()] == ["critical"]


def test_alerts_about_other_things_do_not_end_each_other() -> None:
    telling = Telling()
    telling.raise_(0, alert(entity="email"), alert(entity="paid", severity="critical"))
    assert len(telling.book.open_alerts()) == 2


def test_an_alert_that_comes_back_is_a_new_one_to_who_knew_the_last() -> None:
    telling = Telling(ONE, TWO)
    telling.away = {TWO}
    telling.raise_(0, alert())
    telling.tell(0)
    telling.tell(0, TWO)
    telling.resolve(60, alert())
    telling.tell(60)
    telling.raise_(200, alert(starts_at=NOW + 200))
    assert telling.tell(200) == [("warning", 200, 200 + FAR)]
    # The other has not heard of the first time yet.
    assert telling.tell(200, TWO) == [("warning", 0, 200 + FAR)]


def test_what_came_back_on_the_way_is_not_taken_for_over() -> None:
    book = Book([ONE])
    telling = Telling()
    telling.book = book
    telling.raise_(0, alert())
    telling.tell(0)
    telling.resolve(60, alert())
    parcels = [book.parcel(entry, ONE, NOW + 60) for entry in book.due(ONE, NOW + 60, 60, True)]
    telling.raise_(61, alert(starts_at=NOW + 61))
    book.accepted(ONE, parcels, NOW + 62)
    assert telling.tell(63, everything=False) == [("warning", 61, 63 + FAR)]


def test_what_ended_on_the_way_is_still_news() -> None:
    book = Book([ONE])
    telling = Telling()
    telling.book = book
    telling.raise_(0, alert())
    parcels = [book.parcel(entry, ONE, NOW) for entry in book.due(ONE, NOW, 0, True)]
    telling.resolve(1, alert())
    book.accepted(ONE, parcels, NOW + 2)
    assert len(telling.tell(3, everything=False)) == 1


def test_new_words_are_told_with_the_next_round() -> None:
    telling = Telling()
    telling.raise_(0, alert(annotations={"value": "1"}))
    telling.tell(0)
    telling.raise_(10, alert(annotations={"value": "2"}))
    assert telling.tell(10, everything=False) == []
    assert telling.book.open_alerts()[0].annotations == {"value": "2"}


def test_the_same_alert_again_is_nothing_to_write() -> None:
    book = Book([ONE])
    book.raise_([alert()], NOW)[0].stored = True
    assert book.raise_([alert(starts_at=NOW + 60)], NOW + 60) == []


def test_a_refused_alert_waits_ten_minutes() -> None:
    telling = Telling()
    telling.raise_(0, alert())
    book = telling.book
    book.parked(ONE, [book.parcel(entry, ONE, NOW) for entry in book.due(ONE, NOW, 0, True)], 0)
    assert book.queue(ONE, NOW) == Queue(0, 1, None)
    assert telling.tell(599) == []
    assert telling.tell(600) == [("warning", 0, 600 + FAR)]
    assert book.queue(ONE, NOW + 600) == Queue(0, 0, None)


def test_a_refused_alert_is_forgotten_15_minutes_after_its_end() -> None:
    telling = Telling()
    telling.raise_(0, alert())
    book = telling.book
    book.parked(ONE, [book.parcel(entry, ONE, NOW) for entry in book.due(ONE, NOW, 0, True)], 0)
    telling.resolve(60, alert())
    assert book.forget(NOW + 959) == []
    assert book.forget(NOW + 960) == [alert().fingerprint]


def test_a_queue_counts_what_was_not_taken_yet() -> None:
    telling = Telling()
    assert telling.book.queue(ONE, NOW) == Queue(0, 0, None)
    telling.raise_(0, alert())
    assert telling.book.queue(ONE, NOW) == Queue(1, 0, NOW)
    telling.tell(0)
    assert telling.book.queue(ONE, NOW) == Queue(0, 0, None)
    telling.resolve(40, alert())
    assert telling.book.queue(ONE, NOW + 50) == Queue(1, 0, NOW + 40)


def test_above_the_bound_the_oldest_resolved_go_first() -> None:
    telling = Telling(bound=3)
    telling.away = {ONE}
    for number in range(3):
        telling.raise_(number, alert(f"A{number}", starts_at=NOW + number))
    telling.resolve(20, alert("A2"))
    telling.resolve(30, alert("A1"))
    telling.raise_(40, alert("A3", starts_at=NOW + 40))
    assert telling.book.forget(NOW + 40) == [alert("A2").fingerprint]
    telling.raise_(50, alert("A4"), alert("A5"))
    assert telling.book.forget(NOW + 50) == [alert("A1").fingerprint, alert("A0").fingerprint]
    assert telling.book.dropped == {"resolved": 2, "open": 1}


def test_above_the_bound_what_is_known_to_be_over_goes_before_what_is_not() -> None:
    telling = Telling(bound=2)
    telling.raise_(0, alert("A0"), alert("A1"))
    telling.tell(0)
    telling.resolve(10, alert("A0"))
    telling.resolve(20, alert("A1"))
    telling.book.accepted(ONE, [telling.book.parcel(telling.book.entries[alert("A1").fingerprint], ONE, NOW)], NOW + 20)
    telling.raise_(30, alert("A2"))
    assert telling.book.forget(NOW + 30) == [alert("A1").fingerprint]


@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_r10_a_clock_that_jumps_neither_repeats_a_resolve_for_a_day_nor_ends_in_the_future(jump: float) -> None:
    telling = Telling()
    telling.raise_(0, alert())
    telling.tell(0)
    telling.resolve(100, alert())
    telling.tell(100)
    assert telling.tell(jump + 100) == []


def test_a_clock_that_was_set_back_still_resolves() -> None:
    telling = Telling()
    telling.raise_(0, alert())
    telling.tell(0)
    telling.resolve(100, alert())
    assert telling.tell(-86_400) == [("warning", 0, 0)]


def test_after_a_restart_everything_goes_on_where_it_was() -> None:
    telling = Telling()
    telling.raise_(0, alert("A0", annotations={"value": "7"}, generator_url="/d/x"), alert("A1"), alert("A2"))
    telling.tell(0)
    telling.resolve(50, alert("A1"))
    again = telling.restarted()
    assert again.book.open_alerts() == telling.book.open_alerts()
    assert sorted(again.tell(60)) == [("warning", 0, 50), ("warning", 0, 180), ("warning", 0, 180)]


def test_a_target_that_is_new_hears_of_what_lasts_and_a_removed_one_holds_nothing_up() -> None:
    telling = Telling(ONE)
    telling.away = {ONE}
    telling.raise_(0, alert("A0"), alert("A1"))
    telling.resolve(10, alert("A1"))
    book = Book([TWO])
    book.restore([read(written(entry)) for entry in telling.book.entries.values()])
    assert [entry.alert.alertname for entry in book.due(TWO, NOW + 20, 0, True)] == ["A0"]
    assert book.forget(NOW + 20) == [alert("A1").fingerprint]
