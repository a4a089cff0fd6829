"""How often a caller may ask: each for himself, and by the settings of the time."""

from __future__ import annotations

from sales_exporter.api.limits import KNOWN, Callers
from sales_exporter.config import Api
from sales_exporter.runtime.connections import origin

SLOW = Api(requests_per_second=1, burst=2)


def test_one_caller_takes_nothing_from_another() -> None:
    callers = Callers()
    assert [callers.wait("ada", SLOW, 100.0) for _ in range(4)] == [0, 0, 1, 1]
    assert callers.wait("bob", SLOW, 100.0) == 0
    assert callers.wait("ada", SLOW, 101.0) == 0


def test_other_settings_hold_from_the_next_request_on() -> None:
    callers = Callers()
    assert [callers.wait("ada", SLOW, 100.0) for _ in range(3)] == [0, 0, 1]
    assert callers.wait("ada", Api(requests_per_second=1, burst=1), 100.0) == 0
    assert callers.wait("ada", Api(requests_per_second=1, burst=1), 100.0) == 1


def test_only_those_who_asked_last_are_remembered() -> None:
    callers = Callers()
    assert [callers.wait("ada", SLOW, 100.0) for _ in range(3)] == [0, 0, 1]
    for number in range(KNOWN):
        callers.wait(f"user {number}", SLOW, 100.0)
    assert callers.wait("ada", SLOW, 100.0) == 0


def test_a_host_of_ipv6_is_one_caller_with_all_its_addresses() -> None:
    callers = Callers()
    assert [callers.wait(origin(f"2001:db8::{number}"), SLOW, 100.0) for number in range(3)] == [0, 0, 1]
    assert callers.wait(origin("2001:db8:0:1::1"), SLOW, 100.0) == 0
