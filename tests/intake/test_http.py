"""What a stranger, a flood or a broken client can do at the intake's routes: get 4xx, or 503 when it is full."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from sales_exporter.intake.desk import Desk
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.runtime.connections import Bounds
from tests.support.clocks import FakeClock, until
from tests.support.intake import bearing, call, give, open_desk, post, settings, signed
from tests.support.web import Shown, ask, connected, parsed, site

pytestmark = pytest.mark.process

NOWHERE = "host=127.0.0.1 port=1 dbname=none"


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[tuple[Desk, tuple[str, int]]]:
    async with open_desk(settings(tmp_path, NOWHERE), writes=False) as found:
        yield found


@pytest.mark.parametrize("path", ["/ingest/signed", "/ingest/", "/ingest", "/ingest/openapi.json"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
async def test_s6_without_configuration_there_is_nothing_to_post_to(path: str, method: str, tmp_path: Path) -> None:
    desk = Desk(SystemClock())
    desk.adopt(settings(tmp_path, NOWHERE, {}))
    for intake in (None, desk):
        async with site(Shown(), intake=intake) as address:
            answer = await ask(address, path, method=method)
            assert answer.status == (405 if path.endswith("json") and method not in ("GET", "HEAD") and intake else 404)
    assert desk.report is None
    assert not (tmp_path / "state").exists()


async def test_s6_the_posts_of_the_intake_need_a_proof_and_take_no_other_method(
    opened: tuple[Desk, tuple[str, int]]
) -> None:
    desk, address = opened
    body = json.dumps(call(1)).encode()
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = await post(address, "signed", body, signed(body), method=method)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert (await post(address, "signed", body)).status == 401
    assert (await post(address, "nobody", body, signed(body))).status == 404
    assert (await post(address, "signed/", body, signed(body))).status == 404
    answer = await post(address, "signed", body, signed(body))
    assert answer.status == 202
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await ask(address, "/ingest/openapi.json")).status == 200
    assert desk.report is not None
    assert desk.report.waiting == 1


async def test_users_of_the_web_configuration_are_asked_for_the_document_and_not_of_vendors(
    opened: tuple[Desk, tuple[str, int]], tmp_path: Path
) -> None:
    desk, _ = opened
    config = tmp_path / "web.yml"
    config.write_text("basic_auth_users: {a: $2b$04$VkIMNZ2gaVfK8d9aLTpmB.wQlwmuBd5hCVEgXzQbEvlh9lKgWpnJq}")
    body = json.dumps(call(1)).encode()
    async with site(Shown(), intake=desk, config=config) as address:
        assert (await ask(address, "/ingest/openapi.json")).status == 401
        assert (await ask(address, "/ingest/nobody", method="POST")).status == 401
        assert (await post(address, "bearing", body, bearing())).status == 202


async def test_a_large_body_is_refused_before_it_is_read(opened: tuple[Desk, tuple[str, int]]) -> None:
    desk, address = opened
    head = b"POST /ingest/signed HTTP/1.1\r\nHost: x\r\n"
    chunks = b"".join(b"10000\r\n" + b"a" * 65536 + b"\r\n" for _ in range(5))
    for rest in (b"Content-Length: 300000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n" + chunks):
        async with connected(address) as (reader, writer):
            writer.write(head + rest)
            answer = parsed(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5))
            assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert desk.report is not None
    assert desk.report.events["signed", "too_large"] == 2


async def test_a_body_that_is_packed_is_not_unpacked(opened: tuple[Desk, tuple[str, int]]) -> None:
    body = json.dumps(call(1)).encode()
    answer = await post(opened[1], "bearing", body, {**bearing(), "Content-Encoding": "gzip"})
    assert answer.status in (400, 415)


async def test_r15_a_slow_body_is_cut(tmp_path: Path) -> None:
    desk = Desk(SystemClock())
    desk.adopt(settings(tmp_path, NOWHERE))
    async with site(Shown(), intake=desk, bounds=Bounds(body=0.3, idle=30, write=30)) as address:
        async with connected(address) as (reader, writer):
            writer.write(b"POST /ingest/signed HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
            loop = asyncio.get_running_loop()
            began = loop.time()
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(1), 5) == b""
            assert 0.25 < loop.time() - began < 2
        body = json.dumps(call(1)).encode()
        assert (await post(address, "signed", body, signed(body))).status == 202
    await desk.close()


async def test_a_client_that_asks_whether_to_go_on_is_told(opened: tuple[Desk, tuple[str, int]]) -> None:
    body = json.dumps(call(1)).encode()
    head = (f"POST /ingest/signed HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n"
            f"Content-Type: application/json\r\nX-Signature-256: {signed(body)['X-Signature-256']}\r\n"
            "Connection: close\r\n\r\n")
    async with connected(opened[1]) as (reader, writer):
        writer.write(head.encode())
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert parsed(await asyncio.wait_for(reader.read(-1), 5)).status == 202


async def test_more_requests_than_may_come_are_told_when_to_come_again(tmp_path: Path) -> None:
    clock = FakeClock()
    found = settings(tmp_path, NOWHERE, requests_per_second=0.5, burst=2)
    async with open_desk(found, clock, writes=False) as (desk, address):
        assert [(await give(address, call(number))).status for number in range(3)] == [202, 202, 429]
        answer = await give(address, call(3))
        assert (answer.status, answer.headers["retry-after"]) == (429, "2")
        # A stranger takes nobody's turn.
        assert (await post(address, "signed", b"{}")).status == 401
        # The other source has a bucket of its own.
        body = json.dumps(call(9)).encode()
        assert (await post(address, "bearing", body, bearing())).status == 202
        await clock.advance(2)
        assert (await give(address, call(3))).status == 202
        assert desk.report is not None
        assert desk.report.events["signed", "throttled"] == 2


async def test_a_full_spool_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    async with open_desk(settings(tmp_path, NOWHERE, spool_events=10), writes=False) as (desk, address):
        assert (await give(address, *(call(number) for number in range(9)))).status == 202
        # All of a request, or nothing.
        answer = await give(address, call(9), call(10))
        assert (answer.status, answer.headers["retry-after"]) == (503, "30")
        assert (await give(address, call(9))).status == 202
        assert (await give(address, call(10))).status == 503
        assert (await give(address, call(3))).status in (200, 503)
        assert desk.report is not None
        assert (desk.report.waiting, desk.report.limit) == (10, 10)
        assert desk.report.events["signed", "full"] >= 2


async def test_nonsense_of_one_sender_leaves_room_for_the_events_of_others(tmp_path: Path) -> None:
    async with open_desk(settings(tmp_path, NOWHERE, spool_bytes=65_536), writes=False) as (_, address):
        statuses = set()
        for number in range(8):
            body = json.dumps([number, "x" * 9000]).encode()
            statuses.add((await post(address, "signed", body, signed(body))).status)
        assert statuses == {422, 503}
        assert (await give(address, call(1))).status == 202


async def test_the_spool_is_for_its_owner_alone(opened: tuple[Desk, tuple[str, int]], tmp_path: Path) -> None:
    await give(opened[1], call(1))
    for file in (tmp_path / "state").glob("intake.sqlite*"):
        assert file.stat().st_mode & 0o077 == 0, file


async def test_a_damaged_spool_is_set_aside_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "intake.sqlite").write_bytes(b"no database at all" * 100)
    async with open_desk(settings(tmp_path, NOWHERE), writes=False) as (_, address):
        assert (await give(address, call(1))).status == 202
    assert (state / "intake.sqlite.set-aside-1").read_bytes().startswith(b"no database")
    assert "set aside" in caplog.text


async def test_s1_no_secret_and_no_payload_is_logged_or_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    dsn = "host=127.0.0.1 port=1 user=x password=canary-dsn"
    found = settings(tmp_path, dsn)
    for name in ("secret", "token"):
        (tmp_path / name).write_text(f"canary-{name}-of-the-tests")
    told = ""
    async with open_desk(found) as (desk, address):
        body = json.dumps(call(1, call_id="canary-call", reason="canary-text")).encode()
        for headers in ({}, signed(body), signed(body, "canary-secret-of-the-tests")):
            told += str(await post(address, "signed", body, headers))
        told += str(await ask(address, "/ingest/openapi.json")) + str(desk.report)
        await until(lambda: desk.report is not None and bool(desk.report.errors))
    assert "canary" not in told + caplog.text


HEADERS = st.dictionaries(
    st.sampled_from(["X-Signature-256", "Authorization", "Content-Encoding", "Content-Type", "Expect", "X-Other",
                     "X-Retell-Signature", "Accept"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40), max_size=4)


@pytest.mark.slow
@profile(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(headers=HEADERS, body=st.binary(max_size=200) | st.just(b"[]") | st.just(json.dumps(call(1)).encode()),
       source=st.sampled_from(["signed", "bearing", "other"]), proven=st.booleans())
def test_r16_whatever_is_posted_is_answered_with_2xx_or_4xx(
    headers: dict[str, str], body: bytes, source: str, proven: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> int:
        async with open_desk(settings(tmp_path, NOWHERE), writes=False) as (_, address):
            proof = {**signed(body), **bearing()} if proven else {}
            given = {name: value for name, value in headers.items() if name not in proof and name != "Content-Type"}
            media = headers.get("Content-Type", "application/json")
            return (await post(address, source, body, {**given, **proof}, media)).status

    status = asyncio.run(run())
    assert status in (200, 202, 400, 401, 404, 415, 417, 422)
    assert "Traceback" not in caplog.text
