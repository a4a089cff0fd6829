"""Whether a watch may page, in the zone of the business."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from sales_exporter.sidecar.fleet.calendar import WEEKDAYS, Calendar, Hours

BERLIN = Calendar.of("Europe/Berlin", [date(2026, 5, 1), date(2026, 12, 26)])
WORK = Hours.of(WEEKDAYS[:5], (480, 1_080))


def at(text: str) -> float:
    """Epoch seconds of a local time in Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


@pytest.mark.parametrize(("days", "minutes", "expected"), [
    (WEEKDAYS[:5], (480, 1_080), Hours(frozenset({0, 1, 2, 3, 4}), 480, 1_080)),
    (("sat", "sat"), (0, 1_440), Hours(frozenset({5}), 0, 1_440)),
    (WEEKDAYS, (0, 1_440), None),
])
def test_hours_are_those_of_the_watch(days: tuple[str, ...], minutes: tuple[int, int], expected: Hours | None) -> None:
    assert Hours.of(days, minutes) == expected


@pytest.mark.parametrize(("moment", "pages"), [
    ("2026-04-30T07:59", False), ("2026-04-30T08:00", True), ("2026-04-30T17:59", True), ("2026-04-30T18:00", False),
    ("2026-05-01T12:00", False), ("2026-05-02T12:00", False),
])
def test_a_watch_pages_in_its_hours_only(moment: str, pages: bool) -> None:
    assert BERLIN.may_page(WORK, at(moment)) is pages


@pytest.mark.parametrize(("moment", "pages"), [
    ("2026-04-30T21:59", False), ("2026-04-30T22:00", True), ("2026-05-01T05:59", True), ("2026-05-01T06:00", False),
    ("2026-05-01T22:00", False), ("2026-05-02T05:00", False),
])
def test_hours_over_midnight_belong_to_the_day_on_which_they_begin(moment: str, pages: bool) -> None:
    assert BERLIN.may_page(Hours.of(WEEKDAYS[:5], (1_320, 360)), at(moment)) is pages


def test_a_watch_without_hours_always_pages() -> None:
    assert BERLIN.may_page(None, at("2026-12-26T03:00"))
