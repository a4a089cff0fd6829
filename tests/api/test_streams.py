"""The streams of the API: a picture on connect, then what changed, and Prometheus is read only for who follows."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sales_exporter.api.schema import AlertPicture, FieldChange, PerformancePicture, ReadingChange
from sales_exporter.api.table import PERFORMANCE
from sales_exporter.sidecar.desk.model import Acknowledge, Actor, Resolve
from tests.api.desk import AT, case, holding
from tests.api.prometheus import Prometheus, serving
from tests.api.serving import Address, api
from tests.support.clocks import FakeClock
from tests.support.desk import MemoryDesk
from tests.support.web import ask, connected, parsed

pytestmark = pytest.mark.process

PERFORMANCE_STREAM = "/api/dashboard/stream/performance"
ALERTS_STREAM = "/api/dashboard/stream/alerts"
FIRST, SECOND = "00000000000000a1", "00000000000000b2"
ADA = Actor("ada", "api")


@pytest.fixture
async def prometheus() -> AsyncIterator[Prometheus]:
    async with serving(Prometheus()) as server:
        yield server


@pytest.fixture
def desk() -> MemoryDesk:
    return holding(case(), case(SECOND, "warning"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(AT)


@pytest.fixture
async def address(prometheus: Prometheus, desk: MemoryDesk, clock: FakeClock) -> AsyncIterator[Address]:
    async with api(prometheus.url, desk, clock) as where:
        yield where


class Following:
    """One client that reads events."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._text = b""
        self.last = ""

    async def event(self) -> tuple[str, Any]:
        """Name and data of the next event."""
        while True:
            while b"\n\n" not in self._text:
                size = int(await asyncio.wait_for(self._reader.readline(), 10), 16)
                self._text += await self._reader.readexactly(size)
                await self._reader.readline()
            block, _, self._text = self._text.partition(b"\n\n")
            lines = dict(line.partition(": ")[::2] for line in block.decode().split("\n"))
            if "event" in lines:
                self.last = lines["id"]
                return lines["event"], json.loads(lines["data"])


@contextlib.asynccontextmanager
async def following(address: Address, path: str, **headers: str) -> AsyncIterator[Following]:
    async with connected(address) as (reader, writer):
        lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1",
                 *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
        head = parsed(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10))
        assert (head.status, head.headers["content-type"]) == (200, "text/event-stream")
        yield Following(reader)


async def test_the_picture_has_every_field_and_its_reading(address: Address) -> None:
    async with following(address, PERFORMANCE_STREAM) as client:
        name, data = await client.event()
    picture = PerformancePicture.model_validate(data)
    assert name == "picture"
    assert {one.key for one in picture.states} == {
        "", *(f"{section}.{field.name}" for section, fields in PERFORMANCE.items() for field in fields)}


async def test_a_new_reading_tells_what_changed_and_its_moment_for_all(
    prometheus: Prometheus, address: Address, clock: FakeClock
) -> None:
    async with following(address, PERFORMANCE_STREAM) as client:
        await client.event()
        await clock.advance(10)
        name, data = await client.event()
        assert (name, ReadingChange.model_validate(data).state.as_of) == ("reading", AT + 10)
        prometheus.value = 2.0
        await clock.advance(10)
        found = [await client.event() for _ in range(3)]
    assert {name for name, _ in found} == {"change"}
    assert {FieldChange.model_validate(data).state.state for _, data in found} == {"ok"}


async def test_prometheus_is_read_only_while_somebody_follows(
    prometheus: Prometheus, address: Address, clock: FakeClock
) -> None:
    await clock.advance(60)
    assert prometheus.asked == []
    async with following(address, PERFORMANCE_STREAM) as client:
        await client.event()
        first = len(prometheus.asked)
        await clock.advance(10)
        await client.event()
        assert len(prometheus.asked) == 2 * first


async def test_the_streams_follow_the_desk(address: Address, desk: MemoryDesk) -> None:
    async with following(address, ALERTS_STREAM) as client:
        name, data = await client.event()
        picture = AlertPicture.model_validate(data)
        assert (name, [one.key for one in picture.states]) == ("picture", [FIRST, SECOND])
        await desk.act(FIRST, Acknowledge("mine"), ADA)
        name, data = await client.event()
        assert (name, data["key"], data["state"]["acknowledged_by"]) == ("change", FIRST, "ada")
        await desk.act(FIRST, Resolve(), ADA)
        assert await client.event() == ("change", {"name": "change", "key": FIRST, "state": None})


async def test_who_comes_back_is_told_what_was_missed(address: Address, desk: MemoryDesk) -> None:
    async with following(address, ALERTS_STREAM) as client:
        await client.event()
    await desk.act(SECOND, Acknowledge(), ADA)
    async with following(address, ALERTS_STREAM, Last_Event_ID=client.last) as client:
        name, data = await client.event()
    assert (name, data["key"], data["state"]["state"]) == ("change", SECOND, "acknowledged")


async def test_with_all_places_taken_a_client_is_told_to_come_later(prometheus: Prometheus, desk: MemoryDesk) -> None:
    async with api(prometheus.url, desk, FakeClock(AT), api={"streams": 1}) as address:
        async with following(address, ALERTS_STREAM):
            answer = await ask(address, PERFORMANCE_STREAM)
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert json.loads(answer.body)["detail"] == "all streams are taken"
        await until_free(address)


async def until_free(address: Address) -> None:
    """Follow as soon as the place is given back."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(AssertionError):
                async with following(address, ALERTS_STREAM):
                    return


async def test_other_sites_that_are_named_may_follow(prometheus: Prometheus, desk: MemoryDesk) -> None:
    ours = "https://board.example"
    async with api(prometheus.url, desk, FakeClock(AT), api={"origins": [ours]}) as address:
        async with connected(address) as (reader, writer):
            writer.write(f"GET {ALERTS_STREAM} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: {ours}\r\n\r\n".encode())
            head = parsed(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10))
        assert head.headers["access-control-allow-origin"] == ours


async def test_a_stream_takes_no_parameters(address: Address) -> None:
    assert (await ask(address, f"{ALERTS_STREAM}?team=platform")).status == 400
