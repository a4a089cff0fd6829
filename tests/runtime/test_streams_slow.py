"""Clients of a stream that do not read, and the end of a server that has streams open."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from sales_exporter.runtime.connections import Bounds
from tests.support.clocks import settle, until
from tests.support.streaming import Listening, Streaming, listening, stuck
from tests.support.web import Shown, site

pytestmark = pytest.mark.process


@pytest.fixture
def part() -> Streaming:
    return Streaming()


@pytest.fixture
async def address(part: Streaming) -> AsyncIterator[tuple[str, int]]:
    async with site(Shown(), parts=[part]) as found:
        yield found


async def test_slow_clients_do_not_hold_up_the_others(part: Streaming, address: tuple[str, int]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(10):
            stack.enter_context(await asyncio.to_thread(stuck, address))
        await until(lambda: part.stream.clients == 10)
        client = await stack.enter_async_context(listening(address))
        await client.event()
        slowest = 0.0
        for number in range(100):
            began = time.monotonic()
            part.stream.publish("case", "large", [number, "x" * 20_000])
            _, data, _ = await client.event()
            assert data["state"][0] == number
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 1.0


async def test_a_slow_client_gets_the_newest_state_and_no_queue(part: Streaming, address: tuple[str, int]) -> None:
    with await asyncio.to_thread(stuck, address) as slow:
        await until(lambda: part.stream.clients == 1)
        for number in range(300):
            part.stream.publish("case", "large", [number, "x" * 20_000])
            await settle()
        reader, writer = await asyncio.open_connection(sock=slow)
        await reader.readuntil(b"\r\n\r\n")
        client, seen = Listening(reader), [-1]
        while seen[-1] != 299:
            name, data, _ = await client.event()
            if name != "picture":
                seen.append(data["state"][0])
        writer.transport.abort()
    assert seen == sorted(set(seen))
    # What the kernel had taken, and the last one.
    assert len(seen) < 40


async def test_r15_a_client_that_takes_no_write_is_cut(part: Streaming) -> None:
    async with site(Shown(), parts=[part], bounds=Bounds(write=0.3, idle=0.3, headers=0.3)) as address:
        with await asyncio.to_thread(stuck, address):
            await until(lambda: part.stream.clients == 1)
            part.stream.publish("case", "large", "x" * 1_000_000)
            began = time.monotonic()
            await until(lambda: part.stream.clients == 0)
            assert 0.2 < time.monotonic() - began < 3


async def test_r15_a_stream_lives_longer_than_an_answer_may_take(part: Streaming) -> None:
    bounds = Bounds(write=0.5, idle=0.1, headers=0.1)
    async with site(Shown(), parts=[part], bounds=bounds) as address, listening(address) as client:
        await client.event()
        began = time.monotonic()
        while time.monotonic() < began + 2 * bounds.write:
            # Large enough to be taken in several goes: each write has the limit, not all of them together.
            part.stream.publish("case", "a", [time.monotonic(), "x" * 200_000])
            await client.event()


async def test_r17_close_ends_streams_at_once(part: Streaming) -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = site(Shown(), parts=[part])
        address = await server.__aenter__()
        clients = [await stack.enter_async_context(listening(address)) for _ in range(20)]
        stack.enter_context(await asyncio.to_thread(stuck, address))
        await until(lambda: part.stream.clients == 21)
        part.stream.publish("case", "large", "x" * 1_000_000)
        for client in clients:
            assert [name for name, _ in await client.events(2)] == ["picture", "case"]
        began = time.monotonic()
        await server.__aexit__(None, None, None)
        assert time.monotonic() - began < 1.0
        for client in clients:
            with pytest.raises(EOFError):
                await client.event()
    assert part.stream.clients == 0
