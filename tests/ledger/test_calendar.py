"""Reporting days over clock changes: the vectorised calendar agrees with zoneinfo, one moment at a time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.ledger.calendar import DAY, HOUR, SECOND, Calendar

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = ("America/New_York", "Asia/Kolkata", "Pacific/Apia", "America/Havana",
         *(pytest.param(zone, marks=pytest.mark.slow)
           for zone in ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut", "Australia/Lord_Howe",
                        "Africa/Casablanca")))
moments = st.integers(0, 130 * 365 * 86_400 * SECOND)


def one_by_one(zone: str, at: int) -> int:
    local = (EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(zone))
    return max(0, (local.date() - date(1970, 1, 1)).days)


def micro(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * SECOND


@cache
def calendar_of(zone: str) -> Calendar:
    """A calendar looks at every day of 130 years: each zone is asked once."""
    return Calendar(zone)


def number(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
@given(at=st.lists(moments, min_size=1, max_size=20))
def test_days_of_many_moments_are_those_that_zoneinfo_gives_each(zone: str, at: list[int]) -> None:
    assert calendar_of(zone).days(np.array(at)).tolist() == [one_by_one(zone, one) for one in at]


@pytest.mark.parametrize("zone", ZONES)
@given(at=moments)
def test_a_day_begins_on_itself_and_the_moment_before_is_an_earlier_day(zone: str, at: int) -> None:
    calendar = calendar_of(zone)
    day = calendar.days(np.array([at + 2 * DAY]))
    start = calendar.starts(day)
    assert calendar.days(start).tolist() == day.tolist()
    assert calendar.days(start - 1)[0] < day[0]


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        pytest.param("Europe/Berlin", "2024-03-31", "2024-03-31T00:00+01:00", 23, id="Berlin in spring",
                     marks=pytest.mark.slow),
        pytest.param("Europe/Berlin", "2024-10-27", "2024-10-27T00:00+02:00", 25, id="Berlin in autumn",
                     marks=pytest.mark.slow),
        pytest.param("America/New_York", "2024-03-10", "2024-03-10T00:00-05:00", 23, id="New York in spring"),
        pytest.param("America/New_York", "2024-11-03", "2024-11-03T00:00-04:00", 25, id="New York in autumn"),
        pytest.param("Asia/Kolkata", "2024-06-01", "2024-06-01T00:00+05:30", 24, id="half an hour off"),
        pytest.param("America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00-02:00", 23, id="no midnight",
                     marks=pytest.mark.slow),
        pytest.param("America/Havana", "2018-11-04", "2018-11-04T00:00-04:00", 25, id="two midnights"),
        pytest.param("Pacific/Apia", "2011-12-30", "2011-12-31T00:00+14:00", 0, id="the day that was not"),
    ],
)
def test_days_begin_and_last_as_clocks_change(zone: str, day: str, start: str, hours: int) -> None:
    calendar = calendar_of(zone)
    starts = calendar.starts(np.array([number(day), number(day) + 1]))
    assert starts.tolist() == [micro(start), micro(start) + hours * HOUR]


def test_no_moment_falls_on_the_day_that_apia_skipped() -> None:
    every = np.arange(micro("2011-12-28T00:00+00:00"), micro("2012-01-02T00:00+00:00"), HOUR // 4)
    days = set(calendar_of("Pacific/Apia").days(every).tolist())
    assert number("2011-12-30") not in days
    assert {number("2011-12-29"), number("2011-12-31")} <= days


@pytest.mark.parametrize("zone", ZONES)
def test_moments_out_of_range_count_on_the_nearest_day(zone: str) -> None:
    calendar, limits = calendar_of(zone), np.iinfo(np.int64)
    low, high = calendar.days(np.array([limits.min, limits.max])).tolist()
    assert low == 0
    assert abs(high - number("2100-12-31")) <= 1
    assert calendar.days(np.array([-1, micro("1601-01-01T00:00+00:00"), micro("9999-01-01T00:00+00:00")])).tolist() == [
        low, low, high]


def test_hours_are_of_universal_time_and_kept_within_range() -> None:
    hours = calendar_of("Asia/Kolkata").hours(np.array([0, HOUR - 1, HOUR, -5, np.iinfo(np.int64).max]))
    assert hours.tolist()[:4] == [0, 0, 1, 0]
    assert hours[4] == (datetime(2100, 12, 31, tzinfo=UTC) - EPOCH) // timedelta(hours=1)


def test_a_moment_and_a_day_by_themselves() -> None:
    calendar = calendar_of("America/New_York")
    day = number("2024-06-01")
    start = datetime(2024, 6, 1, 4, tzinfo=UTC).timestamp()
    assert (calendar.start(day), calendar.day(start), calendar.day(start - 0.000001)) == (start, day, day - 1)
