"""The behaviour table of the aiohttp middleware, over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, WSMsgType, web
from aiohttp.test_utils import TestServer

from sales_exporter.instrumentation.aiohttp import instrument
from sales_exporter.instrumentation.meter import Meter
from tests.instrumentation.counted import Counted, Poisoned

LEAD = "/api/v1/leads/{lead}"


class Shop:
    """An application with a sub-application, and what the tests hold on to."""

    def __init__(self, folder: Path | None = None) -> None:
        self.begun = asyncio.Event()
        self.folder = folder
        self.left: list[str] = []

    def application(self) -> web.Application:
        """The routes."""
        app, api = web.Application(), web.Application()
        api.add_routes([
            web.get(r"/leads/{lead:\d+}", self.ok), web.post(r"/leads/{lead:\d+}", self.read)])
        app.add_subapp("/api/v1", api)
        app.add_routes([
            web.get("/boom", self.boom), web.get("/teapot", self.teapot), web.get("/pieces", self.pieces),
            web.get("/events", self.pieces), web.get("/made", self.made), web.get("/endless", self.endless),
            web.get("/socket", self.socket), web.get("/broken", self.broken), web.get("/report", self.report)])
        return app

    async def ok(self, request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def read(self, request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    async def boom(self, request: web.Request) -> web.Response:
        raise LookupError("boom")

    async def teapot(self, request: web.Request) -> web.Response:
        raise web.HTTPPaymentRequired(text="pay")

    async def pieces(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if request.path == "/events":
            response.content_type = "text/event-stream"
        await response.prepare(request)
        for piece in (b"one,", b"two,", b"three"):
            await response.write(piece)
        return response

    async def made(self, request: web.Request) -> web.Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one,"
            yield b"two"

        return web.Response(body=pieces())

    async def endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 1000)
            self.begun.set()
            await asyncio.sleep(0)

    async def broken(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "99"})
        await response.prepare(request)
        await response.write(b"begun")
        raise LookupError

    async def report(self, request: web.Request) -> web.FileResponse:
        assert self.folder is not None
        return web.FileResponse(self.folder / "report.csv")

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.begun.set()
        async for message in socket:
            if message.data == "boom":
                raise LookupError
            await socket.send_json({"echo": message.data})
        return socket


@asynccontextmanager
async def served(shop: Shop, meter: Meter | None = None, **options: Any
                 ) -> AsyncIterator[tuple[ClientSession, Counted, str]]:
    """A server, a client for it, what is counted, and the address."""
    app = shop.application()
    counted = Counted(instrument(app, meter, registry=None))
    async with TestServer(app, **options) as server, ClientSession(timeout=ClientTimeout(10)) as client:
        yield client, counted, str(server.make_url("")).rstrip("/")


async def settled(counted: Counted) -> None:
    """Wait until nothing goes on: the server ends a request a moment after the client has seen its end."""
    async with asyncio.timeout(5):
        # Nothing of the server tells that it is done with a request.
        while counted.going_on:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def got(client: ClientSession, method: str, url: str, **more: Any) -> tuple[int, bytes]:
    """Status and body."""
    async with client.request(method, url, **more) as answer:
        return answer.status, await answer.read()


async def test_a_request_counts_under_its_template_with_the_prefix_of_its_application() -> None:
    async with served(Shop()) as (client, counted, base):
        for lead in ("1", "2", "3"):
            assert await got(client, "GET", f"{base}/api/v1/leads/{lead}") == (200, b"ok")
        await settled(counted)
    assert counted.durations == {("GET", LEAD, "200", "http", ""): 3}
    assert counted.sent == {("GET", LEAD, "200", "http"): 6}
    assert counted.counts("http_server_time_to_first_byte_seconds") == {("GET", LEAD, "200", "http"): 3}


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/nowhere", 404), ("DELETE", "/boom", 405), ("GET", "/api/v1/leads/none", 404)])
async def test_what_matches_no_route_is_unmatched(method: str, path: str, status: int) -> None:
    async with served(Shop()) as (client, counted, base):
        assert (await got(client, method, base + path))[0] == status
        await settled(counted)
    assert counted.durations == {(method, "unmatched", str(status), "http", ""): 1}


async def test_r21_invented_verbs_and_hosts_make_no_series() -> None:
    async with served(Shop()) as (client, counted, base):
        await got(client, "PROPFIND", f"{base}/nowhere")
        await settled(counted)
        series = len(counted.meter.samples())
        for number, method in enumerate(("REPORT", "MKCOL", "LOCK", "PURGE", "MERGE")):
            await got(client, method, f"{base}/nowhere/{number}", headers={"Host": f"{number}.example"})
        # aiohttp itself refuses what is no method at all.
        assert (await got(client, "BREW", f"{base}/nowhere"))[0] == 400
        await settled(counted)
        assert len(counted.meter.samples()) == series
    assert counted.durations == {("_OTHER", "unmatched", "404", "http", ""): 6}


async def test_r12_and_r21_random_paths_make_a_constant_number_of_series() -> None:
    async with served(Shop()) as (client, counted, base):
        for path in ("nowhere", "api/v1/leads/1"):
            await got(client, "GET", f"{base}/{path}")
        await settled(counted)
        series = len(counted.meter.samples())
        for number in range(60):
            await got(client, "GET", f"{base}/{number * 7919 % 1000}/{number}")
            await got(client, "GET", f"{base}/api/v1/leads/{number}")
        await settled(counted)
        assert len(counted.meter.samples()) == series


@pytest.mark.parametrize(("path", "labels"), [
    ("/boom", ("500", "http", "LookupError")), ("/teapot", ("402", "http", ""))])
async def test_exceptions_count_as_what_the_server_makes_of_them(path: str, labels: tuple[str, ...]) -> None:
    async with served(Shop()) as (client, counted, base):
        assert str((await got(client, "GET", base + path))[0]) == labels[0]
        await settled(counted)
    assert counted.durations == {("GET", path, *labels): 1}


async def test_bytes_of_bodies_and_head_count() -> None:
    async with served(Shop()) as (client, counted, base):
        assert await got(client, "POST", f"{base}/api/v1/leads/1", data=b"x" * 3000) == (200, b"3000")
        await got(client, "HEAD", f"{base}/api/v1/leads/1")
        await settled(counted)
    assert counted.received == {("POST", LEAD, "200", "http"): 3000}
    assert counted.sent == {("POST", LEAD, "200", "http"): 4}
    assert ("HEAD", LEAD, "200", "http", "") in counted.durations


@pytest.mark.parametrize(("path", "kind", "pieces", "size"), [
    ("/pieces", "chunked", 3, 13), ("/events", "sse", 3, 13), ("/made", "chunked", 2, 7)])
async def test_streamed_answers_are_streams(path: str, kind: str, pieces: int, size: int) -> None:
    async with served(Shop()) as (client, counted, base):
        assert len((await got(client, "GET", base + path))[1]) == size
        await settled(counted)
    assert counted.streams == {(path, kind, "200"): 1}
    assert counted.counts("http_server_stream_messages_total") == {(path, kind): pieces}
    assert counted.sent == {("GET", path, "200", "http"): size}
    assert counted.durations == {}


@pytest.mark.parametrize("cancels", [False, True], ids=["write fails", "handler is cancelled"])
async def test_a_client_that_goes_away_amid_a_stream_is_499(cancels: bool) -> None:
    shop = Shop()
    app = shop.application()
    counted = Counted(instrument(app, registry=None))
    runner = web.AppRunner(app, handler_cancellation=cancels)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        _, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(b"GET /endless HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        await shop.begun.wait()
        writer.transport.abort()
        async with asyncio.timeout(5):
            while not counted.streams:  # noqa: ASYNC110
                await asyncio.sleep(0)
    finally:
        await runner.cleanup()
    assert counted.streams == {("/endless", "chunked", "499"): 1}
    assert counted.going_on == 0


async def test_an_exception_amid_an_answer_counts_with_what_was_sent() -> None:
    async with served(Shop()) as (client, counted, base):
        with pytest.raises(Exception, match="payload"):
            await got(client, "GET", f"{base}/broken")
        await settled(counted)
    assert counted.durations == {("GET", "/broken", "200", "http", "LookupError"): 1}


async def test_a_file_counts_with_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "report.csv").write_bytes(b"lead\n" * 100_000)
    async with served(Shop(tmp_path)) as (client, counted, base):
        assert len((await got(client, "GET", f"{base}/report"))[1]) == 500_000
        await settled(counted)
    assert counted.sent == {("GET", "/report", "200", "http"): 500_000}
    assert counted.streams == {}


async def test_a_websocket_counts_with_its_messages_and_how_it_was_closed() -> None:
    async with served(Shop()) as (client, counted, base):
        async with client.ws_connect(f"{base}/socket") as socket:
            await socket.send_str("a")
            await socket.send_str("b")
            assert [(await socket.receive_json())["echo"] for _ in range(2)] == ["a", "b"]
            assert counted.counts("websocket_server_connections_open") == {("/socket",): 1}
            assert counted.counts("http_server_active_requests") == {}
            await socket.close(code=1001)
        await settled(counted)
    assert counted.counts("websocket_server_connection_duration_seconds") == {("/socket", "1001"): 1}
    assert counted.counts("websocket_server_messages_total") == {("/socket", "received"): 2, ("/socket", "sent"): 2}
    assert counted.durations == {}


@pytest.mark.parametrize(("code", "label"), [(4711, "(other)"), (1000, "1000")])
async def test_r21_codes_that_clients_choose_make_no_series(code: int, label: str) -> None:
    async with served(Shop()) as (client, counted, base):
        async with client.ws_connect(f"{base}/socket") as socket:
            await socket.close(code=code)
        await settled(counted)
    assert counted.counts("websocket_server_connection_duration_seconds") == {("/socket", label): 1}


async def test_a_websocket_whose_handler_fails_is_closed_abnormally() -> None:
    async with served(Shop()) as (client, counted, base):
        async with client.ws_connect(f"{base}/socket") as socket:
            await socket.send_str("boom")
            assert (await socket.receive()).type in (WSMsgType.CLOSED, WSMsgType.CLOSE, WSMsgType.ERROR)
        await settled(counted)
    assert counted.counts("websocket_server_connection_duration_seconds") == {("/socket", "1006"): 1}


async def test_requests_at_once_count_exactly() -> None:
    async with served(Shop()) as (client, counted, base):
        await asyncio.gather(*(got(client, "GET", f"{base}/api/v1/leads/{number}") for number in range(200)))
        await settled(counted)
    assert counted.durations == {("GET", LEAD, "200", "http", ""): 200}


async def test_instrumenting_an_application_and_its_part_counts_once() -> None:
    app, part = web.Application(), web.Application()
    part.add_routes([web.get("/leads", Shop().ok)])
    inner = Counted(instrument(part, metrics_path=None))
    app.add_subapp("/api", part)
    outer = Counted(instrument(app, metrics_path=None))
    async with TestServer(app) as server, ClientSession() as client:
        assert await got(client, "GET", str(server.make_url("/api/leads"))) == (200, b"ok")
        await settled(outer)
    assert outer.durations == {("GET", "/api/leads", "200", "http", ""): 1}
    assert inner.durations == {}


@pytest.mark.parametrize("path", ["/api/v1/leads/1", "/pieces", "/made", "/teapot", "/boom", "/nowhere"])
async def test_r20_a_store_that_fails_leaves_answers_untouched(path: str) -> None:
    async with served(Shop()) as (client, _, base):
        wanted = await got(client, "GET", base + path)
    store = Poisoned()
    async with served(Shop(), Meter(store)) as (client, _, base):
        store.poisoned = True
        assert await got(client, "GET", base + path) == wanted


async def test_r20_a_store_that_fails_leaves_a_websocket_untouched() -> None:
    store = Poisoned()
    async with served(Shop(), Meter(store)) as (client, _, base):
        store.poisoned = True
        async with client.ws_connect(f"{base}/socket") as socket:
            await socket.send_str("a")
            assert await socket.receive_json() == {"echo": "a"}


async def test_r20_a_store_that_fails_amid_a_websocket_leaves_it_untouched() -> None:
    store, shop = Poisoned(), Shop()
    async with served(shop, Meter(store)) as (client, _, base), client.ws_connect(f"{base}/socket") as socket:
        await shop.begun.wait()
        store.poisoned = True
        await socket.send_str("a")
        assert await socket.receive_json() == {"echo": "a"}


async def test_a_scrape_is_answered_and_not_counted() -> None:
    async with served(Shop()) as (client, counted, base):
        await got(client, "GET", f"{base}/api/v1/leads/1")
        await settled(counted)
        plain = {"Accept-Encoding": "identity"}
        status, body = await got(client, "GET", f"{base}/metrics", headers=plain)
        assert (status, (await got(client, "POST", f"{base}/metrics"))[0]) == (200, 405)
        head = await client.head(f"{base}/metrics", headers=plain)
        assert int(head.headers["Content-Length"]) == len(body)
    assert b'http_route="/api/v1/leads/{lead}"' in body
    assert len(counted.durations) == 1


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def test_an_answer_that_another_middleware_puts_in_its_place_is_the_one_that_counts() -> None:
    @web.middleware
    async def replacing(request: web.Request, handler: Handler) -> web.StreamResponse:
        await handler(request)
        return web.Response(status=202, text="replaced")

    app = Shop().application()
    counted = Counted(instrument(app, metrics_path=None))
    app.middlewares.insert(0, replacing)
    async with TestServer(app) as server, ClientSession() as client:
        assert await got(client, "GET", str(server.make_url("/api/v1/leads/1"))) == (202, b"replaced")
        await settled(counted)
    assert counted.durations == {("GET", LEAD, "202", "http", ""): 1}
