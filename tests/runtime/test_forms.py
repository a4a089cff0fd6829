"""Tokens of forms: they hold for one login, one purpose and half a day."""

from __future__ import annotations

import pytest

from sales_exporter.runtime.forms import Forms
from tests.support.clocks import FakeClock

NOON = 1_700_049_600.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def forms(clock: FakeClock) -> Forms:
    return Forms(b"k" * 32, clock)


def test_a_token_holds_for_its_login_and_purpose(forms: Forms) -> None:
    assert forms.holds(forms.token("alice", "acknowledge"), "alice", "acknowledge")


def test_a_token_is_the_same_within_an_hour(forms: Forms, clock: FakeClock) -> None:
    first = forms.token("alice", "acknowledge")
    clock.jump(3599)
    assert forms.token("alice", "acknowledge") == first


@pytest.mark.parametrize(("login", "purpose"), [("bob", "acknowledge"), ("alice", "resolve"), ("", "acknowledge"),
                                                ("alicea", "cknowledge"), ("aliceacknowledge", "")])
def test_a_token_holds_for_nobody_and_nothing_else(forms: Forms, login: str, purpose: str) -> None:
    assert not forms.holds(forms.token("alice", "acknowledge"), login, purpose)


def test_a_token_of_another_key_does_not_hold(forms: Forms, clock: FakeClock) -> None:
    assert not forms.holds(Forms(b"other", clock).token("alice", "acknowledge"), "alice", "acknowledge")


@pytest.mark.parametrize(("hours", "holds"), [(0, True), (12, True), (13, False), (24 * 365, False)])
def test_a_token_holds_for_twelve_hours_after_its_own(
    forms: Forms, clock: FakeClock, hours: int, holds: bool
) -> None:
    token = forms.token("alice", "acknowledge")
    clock.jump(3600 * hours)
    assert forms.holds(token, "alice", "acknowledge") is holds


def test_a_later_hour_cannot_be_written_into_a_token(forms: Forms, clock: FakeClock) -> None:
    hour, _, seal = forms.token("alice", "acknowledge").partition(".")
    clock.jump(3600 * 13)
    assert not forms.holds(f"{int(hour) + 13}.{seal}", "alice", "acknowledge")


@pytest.mark.parametrize("token", ["", ".", "472236.", "1.abc", "a.b.c", "٤." + "0" * 64, "9" * 5000 + "." + "0" * 64,
                                   "472236." + "é" * 64, "\ud800", "472236." + "0" * 64 + "\n"])
def test_what_is_no_token_does_not_hold(forms: Forms, token: str) -> None:
    assert not forms.holds(token, "alice", "acknowledge")


def test_a_login_of_any_signs_gets_a_token(forms: Forms) -> None:
    assert forms.holds(forms.token("\ud800é", "x"), "\ud800é", "x")
