"""``alerts`` on the command line, over the real API of a desk in memory."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import bcrypt
import pytest

from sales_exporter.sidecar.desk.model import Event
from tests.api.serving import Address, api
from tests.support.cases import ANOMALY, DOWN, NOW, OPEN, OVER, SNOOZED, TAKEN, case
from tests.support.clocks import FakeClock
from tests.support.command import Told, call
from tests.support.desk import MemoryDesk

Run = Callable[..., Awaitable[Told]]
NOWHERE = "http://127.0.0.1:1"
EVENTS = [Event(NOW - 60 * number, ANOMALY.fingerprint, "commented", "mara", "page", f"=words {number}",
                ANOMALY.labels, ANOMALY.starts_at, 2_000 - number) for number in range(1_500)]


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk([*OPEN, OVER], EVENTS)


@pytest.fixture
async def address(desk: MemoryDesk) -> AsyncIterator[Address]:
    async with api(NOWHERE, desk, FakeClock(NOW)) as where:
        yield where


@pytest.fixture
def run(address: Address, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    async def called(*arguments: str) -> Told:
        url = ("--sidecar.url", f"http://{address[0]}:{address[1]}")
        return await asyncio.to_thread(call, monkeypatch, capsys, "alerts", *arguments, *url)

    return called


async def test_open_alerts_are_listed_worst_first(run: Run) -> None:
    told = await run("list")
    assert told.code == 0
    lines = [line.rstrip() for line in told.out.splitlines()]
    assert lines[0].split() == ["severity", "for", "what", "who", "has", "it", "team", "fingerprint"]
    assert lines[1].startswith("critical  42 min  New leads an hour (channel=email): 3, expected 18 to 31.")
    assert "Nobody has it, escalates in 8 min" in lines[1]
    assert ANOMALY.fingerprint[:8] in lines[1]
    assert "SalesAnomaly channel=email" in lines[2]


async def test_a_list_can_be_narrowed(run: Run) -> None:
    told = await run("list", "--team", "ml")
    assert SNOOZED.fingerprint[:8] in told.out
    assert DOWN.fingerprint[:8] not in told.out
    assert (await run("list", "--team", "exec")).out == "no open alerts that match\n"


async def test_programs_get_the_answer_of_the_api(run: Run) -> None:
    answer = json.loads((await run("list", "--state", "acknowledged", "--json")).out)
    assert [one["fingerprint"] for one in answer["alerts"]] == [TAKEN.fingerprint]
    assert answer["as_of"] == NOW


async def test_the_beginning_of_a_fingerprint_is_enough(run: Run, desk: MemoryDesk) -> None:
    told = await run("ack", DOWN.fingerprint[:4], "-m", "looking at it", "--by", "mara")
    assert (told.code, told.out) == (0, f"{DOWN.fingerprint[:8]} SalesSourceDown: mara\n")
    done = await desk.case(DOWN.fingerprint)
    assert (done.state, done.acknowledged_by, done.comment) == ("acknowledged", "mara", "looking at it")


async def test_the_history_says_that_it_was_done_on_the_command_line(run: Run) -> None:
    await run("comment", ANOMALY.fingerprint, "it was the form", "--by", "mara")
    told = await run("history", "--fingerprint", ANOMALY.fingerprint[:5], "--since", "400d", "--limit", "1")
    assert "mara commented on the command line" in told.out
    assert "it was the form" in told.out


@pytest.mark.parametrize(("arguments", "field", "value"), [
    (("unack", TAKEN.fingerprint), "state", "firing"), (("resolve", TAKEN.fingerprint), "state", "resolved"),
    (("snooze", TAKEN.fingerprint, "--for", "4h"), "until", NOW + 14_400),
    (("assign", TAKEN.fingerprint, "lena"), "owner", "lena"), (("assign", TAKEN.fingerprint, ""), "owner", ""),
    (("comment", TAKEN.fingerprint, "words"), "comment", "words")])
async def test_each_command_does_what_it_says(
    run: Run, desk: MemoryDesk, arguments: tuple[str, ...], field: str, value: object
) -> None:
    assert (await run(*arguments)).code == 0
    assert getattr(await desk.case(TAKEN.fingerprint), field) == value


async def test_several_alerts_are_taken_at_once_and_a_refusal_holds_up_no_other(run: Run, desk: MemoryDesk) -> None:
    told = await run("ack", OVER.fingerprint, DOWN.fingerprint)
    assert told.code == 1
    assert told.err == f"sales-exporter: {OVER.fingerprint}: the alert is over\n"
    assert (await desk.case(DOWN.fingerprint)).state == "acknowledged"


@pytest.mark.parametrize(("arguments", "said"), [
    (("ack", "abc"), "abc: give at least 4 signs"), (("ack", "wxyz"), "wxyz: no fingerprint"),
    (("ack", "0" * 17), "no fingerprint"), (("ack", "0000"), "0000: no open alert; of one that is over"),
    (("snooze", DOWN.fingerprint, "--for", "soon"), "--for soon: expected a number and s, m, h, d or w"),
    (("history", "--json", "--csv"), "--json or --csv, not both"),
    (("history", "--since", "-1d"), "--since -1d: expected"),
    (("list", "--user", "mara"), "give --user and --password-file together"),
    (("list", "--user", "mara", "--password-file", "nothing"), "--password-file nothing: cannot be read"),
    (("list", "--ca-file", "nothing"), "--ca-file nothing: no certificates")])
async def test_bad_input_is_one_line(run: Run, arguments: tuple[str, ...], said: str) -> None:
    told = await run(*arguments)
    assert told.code == 2
    assert said in told.err
    assert told.err.count("\n") == 1


async def test_a_beginning_that_several_alerts_share_names_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    twins = [case(fingerprint=f"abcd{number:012x}") for number in (1, 2)]
    async with api(NOWHERE, MemoryDesk(twins), FakeClock(NOW)) as (host, port):
        told = await asyncio.to_thread(call, monkeypatch, capsys, "alerts", "ack", "abcd", "--sidecar.url",
                                       f"http://{host}:{port}")
    assert told.code == 2
    assert "abcd: the beginning of abcd000000000001, abcd000000000002; give more signs" in told.err


async def test_the_whole_history_comes_as_a_table_without_formulas(run: Run) -> None:
    told = await run("history", "--since", "400d", "--csv")
    rows = list(csv.DictReader(io.StringIO(told.out, newline="")))
    assert len(rows) == len(EVENTS)
    assert rows[0]["why"] == "'=words 0"


async def test_the_whole_history_comes_as_lines_of_json(run: Run) -> None:
    told = await run("history", "--since", "400d", "--json", "--kind", "commented")
    assert [json.loads(line)["number"] for line in told.out.splitlines()] == [one.number for one in EVENTS]


async def test_people_get_the_newest_hundred(run: Run) -> None:
    assert (await run("history", "--since", "400d")).out.count("=words") == 100
    assert "nothing happened" in (await run("history", "--alert", "Nothing")).out


async def test_words_of_others_are_no_markup_and_no_control_signs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = case(annotations={"summary": "[bold red]x[/] \x1b]0;owned\x07\x1b[2J"})
    async with api(NOWHERE, MemoryDesk([hostile]), FakeClock(NOW)) as (host, port):
        told = await asyncio.to_thread(call, monkeypatch, capsys, "alerts", "list", "--sidecar.url",
                                       f"http://{host}:{port}")
    assert "[bold red]x[/]" in told.out
    assert "\x1b" not in told.out
    assert "\x07" not in told.out


async def test_a_login_is_shown_and_who_may_only_look_is_refused(
    desk: MemoryDesk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config, password = tmp_path / "web.yml", tmp_path / "password"
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    config.write_text(json.dumps({"basic_auth_users": {"mara": hashed, "guest": hashed}}))
    password.write_text("secret\n")
    async with api(NOWHERE, desk, FakeClock(NOW), config, desk_={"responders": ["mara"]}) as (host, port):
        async def run(user: str | None) -> Told:
            login = ("--user", user, "--password-file", str(password)) if user else ()
            return await asyncio.to_thread(call, monkeypatch, capsys, "alerts", "ack", DOWN.fingerprint, "--by", "eve",
                                           "--sidecar.url", f"http://{host}:{port}", *login)

        assert (await run(None)).code == 2
        guest = await run("guest")
        assert (guest.code, "needs the role responder" in guest.err) == (1, True)
        assert (await run("mara")).code == 0
    assert (await desk.case(DOWN.fingerprint)).acknowledged_by == "mara"


@pytest.mark.parametrize("url", [NOWHERE, "ftp://127.0.0.1", "http://127.0.0.1:99999", "http://a b"])
def test_an_address_where_nobody_is_names_the_flag(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    told = call(monkeypatch, capsys, "alerts", "list", "--sidecar.url", url)
    assert told.code == 2
    assert told.err.startswith(f"sales-exporter: --sidecar.url {url}: ")


@pytest.mark.parametrize("command", ["list", "ack", "unack", "resolve", "snooze", "assign", "comment", "history"])
def test_help_teaches_each_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    told = call(monkeypatch, capsys, "alerts", command, "--help")
    assert told.code == 0
    assert "--sidecar.url" in told.out
