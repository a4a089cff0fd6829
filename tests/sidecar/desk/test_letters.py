"""Which messages wait, and which are known."""

from __future__ import annotations

import pytest

from sales_exporter.sidecar.desk.letters import GIVEN_UP_AFTER, PARKED_FOR, Letter, Letters, read, written
from tests.sidecar.desk.telling import NOW, message


def added(letters: Letters, number: int, at: float = NOW, known_for: float = 100.0) -> Letter:
    found = letters.add("phones", message(number), at, known_for)
    assert found is not None
    found.stored = True
    return found


def test_nothing_is_sent_before_it_is_stored() -> None:
    letters = Letters(["phones"])
    letter = letters.add("phones", message(), NOW, 100)
    assert letter is not None
    assert letters.next("phones", 0) is None
    letter.stored = True
    assert letters.next("phones", 0) is letter


def test_the_oldest_goes_first_and_each_receiver_has_its_own() -> None:
    letters = Letters(["phones", "pager"])
    first, second = added(letters, 1), added(letters, 2)
    assert letters.next("phones", 0) is first
    first.sent_at = NOW
    assert letters.next("phones", 0) is second
    assert letters.next("pager", 0) is None


def test_a_key_is_known_as_long_as_it_waits_and_for_its_time_after_that() -> None:
    letters = Letters(["phones"])
    letter = added(letters, 1)
    assert letters.add("phones", message(1), NOW + 10_000, 100) is None
    letter.sent_at = NOW + 1
    assert letters.add("phones", message(1), NOW + 99, 100) is None
    assert letters.add("phones", message(1), NOW + 100, 100) is not None


def test_a_clock_that_is_set_back_by_a_day_makes_no_key_known_for_that_day() -> None:
    letters = Letters(["phones"])
    added(letters, 1).sent_at = NOW
    assert letters.add("phones", message(1), NOW - 86_400, 100) is not None


def test_what_was_refused_lets_the_others_pass_and_is_tried_again() -> None:
    letters = Letters(["phones"])
    bad, good = added(letters, 1), added(letters, 2)
    letters.refused(bad, NOW, 50.0)
    assert letters.next("phones", 50.0) is good
    good.sent_at = NOW
    assert letters.next("phones", 50.0) is None
    assert letters.wait("phones", 50.0) == PARKED_FOR
    assert letters.next("phones", 50.0 + PARKED_FOR) is bad


def test_what_was_refused_for_a_day_is_given_up_and_counted() -> None:
    letters = Letters(["phones"])
    bad = added(letters, 1)
    letters.refused(bad, NOW + GIVEN_UP_AFTER - 1, 0.0)
    assert (letters.dropped.total(), len(letters.entries)) == (0, 1)
    letters.refused(bad, NOW + GIVEN_UP_AFTER, 0.0)
    assert (letters.dropped["phones"], len(letters.entries)) == (1, 0)


def test_above_the_bound_what_has_arrived_goes_first_then_the_oldest() -> None:
    letters = Letters(["phones"], bound=2)
    for number in range(4):
        added(letters, number)
    letters.entries[f"phones/{message(3).key}"].sent_at = NOW
    gone = letters.forget(NOW)
    assert gone == [f"phones/{message(number).key}" for number in (3, 0)]
    assert letters.dropped == {"phones": 1}


def test_a_queue_says_how_many_wait_and_since_when() -> None:
    letters = Letters(["phones"])
    assert letters.queue("phones").oldest is None
    added(letters, 1, NOW)
    letters.refused(added(letters, 2, NOW + 5), NOW + 6, 0.0)
    added(letters, 3, NOW + 7).sent_at = NOW + 8
    queue = letters.queue("phones")
    assert (queue.pending, queue.parked, queue.oldest) == (1, 1, NOW)


def test_letters_to_receivers_that_are_gone_are_left_out() -> None:
    before = Letters(["phones", "pager"])
    kept = [added(before, 1), Letter("pager", message(2), NOW, 100)]
    after = Letters(["pager"])
    after.restore(kept)
    assert list(after.entries) == [f"pager/{message(2).key}"]


def test_a_letter_survives_being_written() -> None:
    letter = Letter("phones", message(1, lines=("a", "b"), labels={"a": "b"}, starts_at=NOW), NOW, 100, sent_at=NOW + 1)
    found = read(written(letter))
    assert (found.message, found.receiver, found.sent_at, found.stored) == (letter.message, "phones", NOW + 1, True)


@pytest.mark.parametrize("damage", [
    lambda name, crc, text: (name, crc + 1, text),
    lambda name, crc, text: ("other", crc, text),
    lambda name, crc, text: (name, crc, text.encode()),
    lambda name, crc, text: (name, 223132457, "[]"),
])
def test_a_row_that_is_none_is_refused(damage) -> None:
    with pytest.raises(ValueError, match=r"checksum|letter"):
        read(damage(*written(Letter("phones", message(1), NOW, 100))))
