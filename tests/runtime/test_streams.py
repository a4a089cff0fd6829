"""Server-Sent Events over real sockets: pictures, deltas, resuming, heartbeats, places."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.runtime.streams import REMOVALS
from tests.support.clocks import FakeClock, until
from tests.support.streaming import Streaming, delta, listening, picture
from tests.support.web import Authority, Shown, ask, connected, parsed, site

pytestmark = pytest.mark.process


@pytest.fixture
def part() -> Streaming:
    return Streaming()


@pytest.fixture
async def address(part: Streaming) -> AsyncIterator[tuple[str, int]]:
    async with site(Shown(), parts=[part]) as found:
        yield found


async def test_a_client_gets_a_full_picture_and_then_what_changes(part: Streaming, address: tuple[str, int]) -> None:
    part.stream.publish("case", "a", {"state": "firing"})
    part.stream.publish("case", "b", 1)
    async with listening(address) as client:
        assert (await client.events(1)) == [picture(a={"state": "firing"}, b=1)]
        part.stream.publish("case", "a", {"state": "resolved"})
        part.stream.publish("case", "b", None)
        assert await client.events(2) == [delta("a", {"state": "resolved"}), delta("b", None)]


async def test_the_picture_of_nothing_is_empty(part: Streaming, address: tuple[str, int]) -> None:
    async with listening(address) as client:
        assert await client.events(1) == [picture()]


async def test_the_headers_are_strict_and_ask_proxies_not_to_buffer(address: tuple[str, int]) -> None:
    async with connected(address) as (reader, writer):
        writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = parsed(await reader.readuntil(b"\r\n\r\n"))
    assert head.headers["content-type"] == "text/event-stream"
    assert head.headers["x-accel-buffering"] == "no"
    assert (head.headers["cache-control"], head.headers["x-content-type-options"]) == ("no-store", "nosniff")


async def test_a_state_that_is_the_same_is_not_sent_again(part: Streaming, address: tuple[str, int]) -> None:
    part.stream.publish("case", "a", 1)
    async with listening(address) as client:
        await client.event()
        part.stream.publish("case", "a", 1)
        part.stream.publish("case", "unknown", None)
        part.stream.publish("case", "a", 2)
        assert await client.events(1) == [delta("a", 2)]


async def test_lines_in_a_state_stay_one_line(part: Streaming, address: tuple[str, int]) -> None:
    hostile = "a\r\n\r\nevent: picture\ndata: {}\u2028\x00"
    async with listening(address) as client:
        await client.event()
        part.stream.publish("case", hostile, hostile)
        assert await client.events(1) == [delta(hostile, hostile)]


@pytest.mark.parametrize("name", ["", "picture", "a b", "a\n", "A", "x" * 33])
async def test_a_name_that_would_break_the_stream_is_refused(part: Streaming, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of an event"):
        part.stream.publish(name, "a", 1)


async def test_a_state_that_is_no_json_is_refused(part: Streaming) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        part.stream.publish("case", "a", float("nan"))


async def test_who_comes_back_is_sent_what_changed_meanwhile_and_each_key_once(
    part: Streaming, address: tuple[str, int]
) -> None:
    for key in "abc":
        part.stream.publish("case", key, 0)
    async with listening(address) as client:
        _, _, last = await client.event()
    for state in range(1, 100):
        part.stream.publish("case", "a", state)
    part.stream.publish("case", "b", None)
    async with listening(address, last) as again:
        assert await again.events(2) == [delta("a", 99), delta("b", None)]
        part.stream.publish("case", "c", 1)
        assert await again.events(1) == [delta("c", 1)]


async def test_who_comes_back_in_the_middle_of_a_delta_misses_nothing(
    part: Streaming, address: tuple[str, int]
) -> None:
    async with listening(address) as client:
        await client.event()
        for key in "abc":
            part.stream.publish("case", key, 1)
        _, _, last = await client.event()
    async with listening(address, last) as again:
        assert await again.events(2) == [delta("b", 1), delta("c", 1)]


@pytest.mark.parametrize("last", ["0123456789abcdef-1", "1", "x", "-", "0123456789abcdef-" + "9" * 300, "\u0661"])
async def test_an_id_of_another_process_or_of_nobody_gives_a_picture(
    part: Streaming, address: tuple[str, int], last: str
) -> None:
    part.stream.publish("case", "a", 1)
    async with listening(address, last) as client:
        assert await client.events(1) == [picture(a=1)]


async def test_an_id_from_the_future_gives_a_picture(part: Streaming, address: tuple[str, int]) -> None:
    part.stream.publish("case", "a", 1)
    async with listening(address) as client:
        _, _, last = await client.event()
    async with listening(address, last[:-1] + "2") as again:
        assert await again.events(1) == [picture(a=1)]


async def test_who_was_away_for_more_removals_than_are_remembered_gets_a_picture(
    part: Streaming, address: tuple[str, int]
) -> None:
    part.stream.publish("case", "stays", 1)
    async with listening(address) as client:
        _, _, last = await client.event()
    for number in range(REMOVALS + 1):
        part.stream.publish("case", str(number), 1)
        part.stream.publish("case", str(number), None)
    async with listening(address, last) as again:
        assert await again.events(1) == [picture(stays=1)]


async def test_silence_is_broken_by_a_heartbeat_every_fifteen_seconds() -> None:
    clock = FakeClock()
    part = Streaming(clock)
    async with site(Shown(), parts=[part]) as address, listening(address) as client:
        await client.event()
        for _ in range(2):
            await clock.advance(15)
            assert await client.block() == {":": ""}


async def test_places_are_counted_and_given_back() -> None:
    part = Streaming(limit=2)
    async with site(Shown(), parts=[part]) as address:
        async with listening(address) as one, listening(address) as two:
            await one.event(), await two.event()
            refused = await ask(address, "/stream")
            assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        await until(lambda: part.stream.clients == 0)
        async with listening(address) as again:
            assert await again.events(1) == [picture()]


async def test_a_client_that_leaves_leaves_no_task_behind(part: Streaming, address: tuple[str, int]) -> None:
    before = asyncio.all_tasks()
    for _ in range(20):
        async with listening(address) as client:
            await client.event()
    await until(lambda: part.stream.clients == 0)
    await until(lambda: asyncio.all_tasks() == before)


async def test_a_stream_over_tls_is_the_same(part: Streaming, tmp_path: Path) -> None:
    authority = Authority()
    authority.issue(tmp_path, "server", "localhost")
    config = tmp_path / "web.yml"
    config.write_text("tls_server_config: {cert_file: server.crt, key_file: server.key}")
    async with site(Shown(), parts=[part], config=config) as address:
        async with listening(address, tls=authority.client()) as client:
            assert await client.events(1) == [picture()]
            part.stream.publish("case", "large", "x" * 1_000_000)
            assert await client.events(1) == [delta("large", "x" * 1_000_000)]
        await until(lambda: part.stream.clients == 0)


changes = st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.integers(0, 2)), max_size=30)


@given(before=changes, meanwhile=changes)
def test_whoever_resumes_knows_what_whoever_connects_knows(
    before: list[tuple[str, int | None]], meanwhile: list[tuple[str, int | None]]
) -> None:
    async def check() -> None:
        part = Streaming()
        for key, state in before:
            part.stream.publish("case", key, state)
        async with site(Shown(), parts=[part]) as address:
            async with listening(address) as client:
                _, data, last = await client.event()
            held = {entry["key"]: entry["state"] for entry in data["states"]}
            for key, state in meanwhile:
                part.stream.publish("case", key, state)
            part.stream.publish("case", "end", 1)
            async with listening(address, last) as again:
                while "end" not in held:
                    _, change, _ = await again.event()
                    if change["state"] is None:
                        held.pop(change["key"], None)
                    else:
                        held[change["key"]] = change["state"]
            async with listening(address) as new:
                _, data, _ = await new.event()
            assert held == {entry["key"]: entry["state"] for entry in data["states"]}

    asyncio.run(check())
