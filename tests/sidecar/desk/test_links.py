"""Signed links: good once, for a day, and for nothing else than what they say."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.errors import ConfigError
from sales_exporter.sidecar.desk.links import LIFE, LinkRefused, Links, page, signing_key
from sales_exporter.sidecar.desk.remembered import Remembered
from tests.sidecar.desk.telling import HOME, KEY, NOW, links
from tests.support.clocks import FakeClock
from tests.support.strategies import hostile_text

FINGERPRINT = "25c2cdb12d31dc50"
OTHER = "d2c6efc389df0927"
ANY = links()


def token(made: Links, receiver: str = "phones") -> str:
    return made.acknowledge(FINGERPRINT, receiver).removeprefix(f"{HOME}/act/")


async def test_a_link_says_what_it_is_for_and_is_good_once() -> None:
    made = links()
    sent = token(made)
    link = await made.use(sent)
    assert (link.fingerprint, link.action, link.receiver, link.ends_at) == (
        FINGERPRINT, "acknowledge", "phones", NOW + LIFE)
    with pytest.raises(LinkRefused, match="used already"):
        await made.use(sent)
    with pytest.raises(LinkRefused, match="used already"):
        made.look(sent)


async def test_looking_changes_nothing_however_often() -> None:
    made = links()
    sent = token(made)
    for _ in range(100):
        assert made.look(sent).fingerprint == FINGERPRINT
    await made.use(sent)


async def test_of_two_uses_at_once_one_is_the_first() -> None:
    made = links()
    sent = token(made)
    answers = await asyncio.gather(made.use(sent), made.use(sent), return_exceptions=True)
    assert sorted(type(one).__name__ for one in answers) == ["Link", "LinkRefused"]


async def test_each_link_is_another_one() -> None:
    made = links()
    first, second = token(made), token(made)
    assert first != second
    await made.use(first)
    await made.use(second)


@pytest.mark.parametrize(("seconds", "good"), [(LIFE - 1, True), (LIFE, False), (365 * LIFE, False), (-2, False)])
async def test_a_link_is_good_for_a_day(seconds: float, good: bool) -> None:
    clock = FakeClock(NOW)
    made = links(clock)
    sent = token(made)
    clock.jump(seconds)
    if good:
        await made.use(sent)
    else:
        with pytest.raises(LinkRefused, match="a day"):
            made.look(sent)


def test_a_link_is_good_where_it_was_made_only() -> None:
    clock = FakeClock(NOW)
    sent = token(links(clock))
    with pytest.raises(LinkRefused, match="not made here"):
        Links(HOME, b"x" * 32, Remembered(None, clock), clock).look(sent)


def pieces(sent: str) -> list[str]:
    return sent.split(".")


@pytest.mark.parametrize(("place", "text"), [
    (0, OTHER), (1, "resolve"), (1, "acknowledge "), (2, "others"), (3, f"{NOW + 2 * LIFE:.0f}"), (4, "0" * 32),
    (5, "0" * 64), (5, ""), (0, FINGERPRINT.upper()),
])
def test_a_link_that_was_changed_is_refused(place: int, text: str) -> None:
    made = links()
    changed = pieces(token(made))
    changed[place] = text
    with pytest.raises(LinkRefused, match="not made here"):
        made.look(".".join(changed))


@given(st.data())
def test_no_single_sign_of_a_link_can_be_changed(data: st.DataObject) -> None:
    made = links()
    sent = token(made)
    place = data.draw(st.integers(0, len(sent) - 1))
    sign = data.draw(st.characters(codec="ascii").filter(lambda one: one != sent[place]))
    with pytest.raises(LinkRefused):
        made.look(sent[:place] + sign + sent[place + 1:])


@given(hostile_text)
def test_s8_any_text_in_place_of_a_link_is_refused(text: str) -> None:
    with pytest.raises(LinkRefused):
        ANY.look(text)


@pytest.mark.parametrize("made", [links(home=None), links(home="")])
def test_without_an_address_there_are_no_links(made: Links) -> None:
    assert (made.page(FINGERPRINT), made.acknowledge(FINGERPRINT, "phones")) == ("", "")


def test_an_alert_without_a_fingerprint_has_no_link() -> None:
    assert links().acknowledge("", "phones") == ""
    assert links().acknowledge("../x", "phones") == ""


def test_pages_are_below_the_address_that_people_open() -> None:
    assert page("https://desk.example/sales/", FINGERPRINT) == f"https://desk.example/sales/alerts/{FINGERPRINT}"
    assert page("https://desk.example") == "https://desk.example/alerts"


@pytest.mark.process
async def test_a_restart_keeps_links_good_and_used_ones_used(tmp_path: Path) -> None:
    clock = FakeClock(NOW)

    def restarted() -> tuple[Links, Remembered]:
        used = Remembered(tmp_path, clock)
        return Links(HOME, signing_key(None, tmp_path), used, clock), used

    made, used = restarted()
    first, second = token(made), token(made)
    await made.use(first)
    await used.close()
    made, used = restarted()
    with pytest.raises(LinkRefused, match="used already"):
        await made.use(first)
    await made.use(second)
    await used.close()


@pytest.mark.process
def test_the_key_is_made_once_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        key = signing_key(None, tmp_path / "desk")
    finally:
        os.umask(before)
    assert len(key) == 64
    assert signing_key(None, tmp_path / "desk") == key
    assert {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "desk").iterdir()} == {"links.key": 0o600}


@pytest.mark.process
@pytest.mark.parametrize("left", [b"", b"short"])
def test_a_key_that_was_half_written_is_made_anew(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "links.key").write_bytes(left)
    (tmp_path / "links.new").write_bytes(left)
    assert len(signing_key(None, tmp_path)) == 64
    assert (tmp_path / "links.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.process
def test_without_a_folder_or_with_one_that_refuses_the_key_is_of_this_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("")
    caplog.set_level(logging.ERROR)
    keys = {signing_key(None, None), signing_key(None, None), signing_key(None, tmp_path / "state")}
    assert [len(key) for key in keys] == [32, 32, 32]
    assert [record.getMessage() for record in caplog.records] == [
        "the key of links cannot be kept: a restart ends all links"]


@pytest.mark.process
def test_a_key_of_your_own_is_read(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY + b"\n")
    assert signing_key(tmp_path / "key", tmp_path) == KEY


@pytest.mark.process
@pytest.mark.parametrize(("text", "told"), [
    (b"x" * 31, r"a key has at least 32 characters; make one: openssl rand -hex 32 >"), (None, "cannot be read")])
def test_a_key_of_your_own_that_is_none_is_told(tmp_path: Path, text: bytes | None, told: str) -> None:
    if text is not None:
        (tmp_path / "key").write_bytes(text)
    with pytest.raises(ConfigError, match=rf"sidecar.desk.key_file: .+: {told}") as caught:
        signing_key(tmp_path / "key", None)
    assert "xxx" not in str(caught.value)
