"""Looks at an Alertmanager that answers well, badly, too much or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sales_exporter.errors import ContractViolation, SourceError, SourceUnavailable
from sales_exporter.sidecar.desk import instances
from sales_exporter.sidecar.desk.instances import FRESH, Instance, Unsure
from sales_exporter.sidecar.desk.seen import LOST, Seen, Silence
from sales_exporter.sidecar.desk.silences import Expire, Put
from tests.sidecar.desk.bench import LABELS, LEADS, NOW
from tests.support.clocks import FakeClock

pytestmark = pytest.mark.process

ALERT = {"fingerprint": LEADS, "labels": LABELS, "annotations": {"summary": "Leads fell."},
         "startsAt": "2023-11-14T22:13:20.000Z", "endsAt": "2023-11-14T22:18:20.000Z", "generatorURL": "http://p/graph",
         "receivers": [{"name": "sales-ops"}],
         "status": {"state": "suppressed", "silencedBy": ["s1"], "inhibitedBy": []}}
SILENCE = {"id": "s1", "status": {"state": "active"}, "createdBy": "bob", "comment": "ACK! bob: on it",
           "startsAt": "2023-11-14T22:13:20.123456789Z", "endsAt": "2023-11-14T22:28:20Z",
           "matchers": [{"name": name, "value": text, "isRegex": False, "isEqual": True}
                        for name, text in LABELS.items()]}
GOOD = {"alerts": [ALERT], "silences": [SILENCE], "status": {"uptime": "2023-11-14T22:00:00.000Z"}}
PUT = Put("one", LEADS, LABELS, NOW + 900, "bob", "ACK! bob: on it")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def good(**other: Any) -> Handler:
    """Answers as Alertmanager does, but for what is given."""
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({**GOOD, **other}[request.path.rpartition("/")[2]])

    return answer


@contextlib.asynccontextmanager
async def server(handler: Handler, clock: FakeClock | None = None) -> AsyncIterator[Instance]:
    """One that is asked, for the length of a block."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    instance = Instance(f"http://127.0.0.1:{runner.addresses[0][1]}", aiohttp.ClientSession,
                        clock if clock is not None else FakeClock(NOW))
    try:
        yield instance
    finally:
        await instance.close()
        await runner.cleanup()


async def test_what_is_shown_is_read() -> None:
    async with server(good()) as instance:
        await instance.look()
        poll = instance.latest
        assert poll is not None
        assert instance.up
        assert poll.alerts == {LEADS: Seen(
            LABELS, {"summary": "Leads fell."}, NOW, frozenset({"s1"}), frozenset(), ("sales-ops",), "http://p/graph",
            frozenset({instance.name}))}
        assert poll.silences == (Silence("s1", "active", LEADS, "2023-11-14T22:13:20.123456789Z", NOW + 0.123456,
                                         NOW + 900, "bob", "ACK! bob: on it"),)
        assert poll.started_at == NOW - 800


@pytest.mark.parametrize("matcher", [
    {"name": "team", "value": ".+", "isRegex": True}, {"name": "team", "value": "exec", "isEqual": False}])
async def test_a_silence_with_a_pattern_is_about_no_single_alert(matcher: dict[str, object]) -> None:
    async with server(good(silences=[{**SILENCE, "matchers": [*SILENCE["matchers"], matcher]}])) as instance:  # type: ignore[misc]
        await instance.look()
        assert instance.latest is not None
        assert [one.fingerprint for one in instance.latest.silences] == [""]


@pytest.mark.parametrize("other", [
    {"alerts": {}}, {"alerts": [{}]}, {"alerts": ["x"]}, {"silences": [{"id": 1}]}, {"status": {}},
    {"alerts": [{**ALERT, "startsAt": "yesterday"}]}, {"alerts": [{**ALERT, "labels": []}]}, {"status": []}])
async def test_an_answer_that_is_none_shows_nothing(other: dict[str, Any]) -> None:
    async with server(good(**other)) as instance:
        await instance.look()
        if other != {"alerts": {}}:
            assert (instance.latest, instance.up, dict(instance.failures)) == (None, False, {"contract": 1})


async def test_an_answer_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "ANSWER_BYTES", 1_000)
    async with server(good(alerts=[ALERT] * 10)) as instance:
        await instance.look()
        assert dict(instance.failures) == {"contract": 1}


async def test_a_redirect_is_not_followed() -> None:
    async def elsewhere(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("http://127.0.0.1:9/")

    async with server(elsewhere) as instance:
        await instance.look()
        assert dict(instance.failures) == {"contract": 1}
        with pytest.raises(ContractViolation, match="HTTP 302"):
            await instance.carry_out(PUT)


async def test_nobody_there_is_known_not_to_have_done_it() -> None:
    async with server(good()) as gone:
        pass
    with pytest.raises(SourceUnavailable, match="is not reached"):
        await gone.carry_out(PUT)
    await gone.close()


async def test_one_that_hangs_may_have_done_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "TIMEOUT", 0.05)

    async def hang(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(10)
        return web.Response()

    async with server(hang) as instance:
        with pytest.raises(Unsure, match="did not answer within"):
            await instance.carry_out(PUT)


async def test_a_silence_is_asked_for_in_full_and_changed_with_its_own_start() -> None:
    bodies: list[Any] = []

    async def take(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        return web.json_response({"silenceID": "s1"})

    async with server(take) as instance:
        assert await instance.carry_out(PUT) == "s1"
        await instance.carry_out(Put("one", LEADS, LABELS, NOW + 900, "bob", "ACK! bob", "s1", "then"))
    first, second = bodies
    assert first == {"matchers": sorted(SILENCE["matchers"], key=lambda one: one["name"]),  # type: ignore[arg-type,index,return-value]
                     "startsAt": "2023-11-14T22:13:20.000+00:00", "endsAt": "2023-11-14T22:28:20.000+00:00",
                     "createdBy": "bob", "comment": "ACK! bob: on it"}
    assert (second["id"], second["startsAt"]) == ("s1", "then")


@pytest.mark.parametrize("status", [200, 404])
async def test_a_silence_that_is_not_there_is_ended(status: int) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert (request.method, request.path) == ("DELETE", "/api/v2/silence/s1")
        return web.Response(status=status)

    async with server(answer) as instance:
        assert await instance.carry_out(Expire("one", LEADS, "s1")) == "s1"


@pytest.mark.parametrize("body", ["", "[]", "{}", "nonsense"])
async def test_an_answer_without_an_id_leaves_it_open(body: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=body)

    async with server(answer) as instance:
        with pytest.raises(SourceError):
            await instance.carry_out(PUT)


async def test_what_was_shown_before_an_order_is_not_taken_for_the_present() -> None:
    async with server(good()) as instance:
        await instance.look()
        await instance.carry_out(Expire("one", LEADS, "alerts"))
        assert instance.latest is None


async def test_a_look_that_an_order_overtook_shows_nothing() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        if request.method == "DELETE":
            return web.Response()
        entered.set()
        await leave.wait()
        return await good()(request)

    async with server(slow) as instance:
        look = asyncio.create_task(instance.look())
        await entered.wait()
        await instance.carry_out(Expire("one", LEADS, "s1"))
        leave.set()
        await look
        assert (instance.latest, instance.up) == (None, True)


async def test_an_answer_stands_for_the_present_for_a_while() -> None:
    clock = FakeClock(NOW)
    async with server(good(), clock) as instance:
        await instance.look()
        await clock.advance(FRESH)
        assert instance.latest is not None
        await clock.advance(1)
        assert (instance.latest, instance.awaited) == (None, True)
        await clock.advance(LOST)
        assert not instance.awaited


async def test_it_looks_every_few_seconds_and_at_once_when_it_is_told_to() -> None:
    clock, looks = FakeClock(NOW), asyncio.Semaphore(0)
    async with server(good(), clock) as instance:
        running = asyncio.create_task(instance.run(looks.release))
        await looks.acquire()
        instance.wake()
        await looks.acquire()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_hostile_text_is_sent_as_text() -> None:
    bodies: list[bytes] = []

    async def take(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.read())
        return web.json_response({"silenceID": "s1"})

    labels = {"alertname": 'a"}],"x":[{', "entity": "line\nline\u202e"}
    async with server(take) as instance:
        await instance.carry_out(Put("one", LEADS, labels, NOW + 900, "bob", "ACK! bob"))
    matchers = json.loads(bodies[0])["matchers"]
    assert {one["name"]: one["value"] for one in matchers} == labels
