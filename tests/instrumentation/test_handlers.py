"""The /metrics handlers: who may read, which methods, which headers, in every framework alike."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from sales_exporter.errors import ConfigError
from sales_exporter.instrumentation.access import WAITING, Access, hash_password
from sales_exporter.instrumentation.handlers import (
    metrics_aiohttp,
    metrics_asgi,
    metrics_wsgi,
)
from sales_exporter.instrumentation.meter import Meter
from tests.instrumentation.counted import Poisoned

Answer = tuple[int, dict[str, str], bytes]
Ask = Callable[..., Awaitable[Answer]]
HASH = "scrypt$16$8$1$c2l4dGVlbiBieXRlcyBvaw==$dFfdviGhgSoh8ecMqHWw0Q2wAB2vJe4TWpOy1mYeyv4="
"""Of ``s3cret:word``, with so little work that each test can ask many times."""
STRICT = {
    "cache-control": "no-store",
    "content-security-policy":
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff", "x-frame-options": "deny", "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


def basic(user: str, password: str) -> str:
    """An Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def by_asgi(meter: Meter, **options: Any) -> Ask:
    """Ask the ASGI application."""
    app = metrics_asgi(meter, registry=None, **options)

    async def ask(method: str = "GET", query: str = "", **headers: str) -> Answer:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            sent.append(message)

        given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await app({"type": "http", "method": method, "path": "/metrics", "query_string": query.encode(),
                   "headers": given}, receive, send)
        return (sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]},
                b"".join(message["body"] for message in sent[1:]))

    return ask


def by_wsgi(meter: Meter, **options: Any) -> Ask:
    """Ask the WSGI application."""
    app = metrics_wsgi(meter, registry=None, **options)

    async def ask(method: str = "GET", query: str = "", **headers: str) -> Answer:
        found: list[Any] = []
        given = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        body = await asyncio.to_thread(app, {
            "REQUEST_METHOD": method, "PATH_INFO": "/metrics", "QUERY_STRING": query, "wsgi.input": io.BytesIO(),
            **given}, lambda status, headers: found.extend((status, headers)))
        return int(found[0][:3]), {name.lower(): value for name, value in found[1]}, b"".join(body)

    return ask


def by_aiohttp(meter: Meter, **options: Any) -> Ask:
    """Ask the handler for aiohttp."""
    handler = metrics_aiohttp(meter, registry=None, **options)

    async def ask(method: str = "GET", query: str = "", **headers: str) -> Answer:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await handler(make_mocked_request(method, f"/metrics?{query}", headers=given))
        assert isinstance(answer, web.Response)
        body = answer.body if isinstance(answer.body, bytes) else b""
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, body

    return ask


HANDLERS = {"asgi": by_asgi, "wsgi": by_wsgi, "aiohttp": by_aiohttp}


@pytest.fixture(params=sorted(HANDLERS))
def handler(request: pytest.FixtureRequest) -> Callable[..., Ask]:
    """One of the three."""
    return HANDLERS[request.param]


def counting() -> Meter:
    """A meter that has something to show."""
    meter = Meter()
    meter.failed("test", ValueError())
    return meter


async def test_a_page_comes_in_the_wanted_format_under_strict_headers(handler: Callable[..., Ask]) -> None:
    ask = handler(counting())
    status, headers, body = await ask()
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b'instrumentation_errors_total{where="test"} 1' in body
    assert STRICT.items() <= headers.items()
    assert int(headers["content-length"]) == len(body)
    status, headers, body = await ask(accept="application/openmetrics-text;version=1.0.0", accept_encoding="gzip")
    assert headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body).endswith(b"# EOF\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
async def test_s6_only_get_and_head(handler: Callable[..., Ask], method: str) -> None:
    status, headers, _ = await handler(counting())(method)
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert STRICT.items() <= headers.items()


async def test_head_has_the_headers_and_no_body(handler: Callable[..., Ask]) -> None:
    ask = handler(counting())
    _, wanted, _ = await ask("GET")
    assert await ask("HEAD") == (200, wanted, b"")


async def test_s6_no_parameter_changes_anything(handler: Callable[..., Ask]) -> None:
    ask = handler(counting())
    plain = await ask()
    for query in ("name[]=up", "target=http://169.254.169.254/", "match[]={}", "%00%ff", "debug=1"):
        assert await ask(query=query) == plain


@pytest.mark.parametrize(("authorization", "status"), [
    ("Bearer tok-1", 200), ("bearer tok-1", 200), (basic("prometheus", "s3cret:word"), 200),
    ("", 401), ("Bearer", 401), ("Bearer ", 401), ("Bearer tok-2", 401), ("Bearer tok-1x", 401), ("tok-1", 401),
    (basic("prometheus", "wrong"), 401), (basic("prometheus", ""), 401), (basic("nobody", "s3cret:word"), 401),
    (basic("", "s3cret:word"), 401), ("Basic !", 401), ("Basic " + base64.b64encode(b"nocolon").decode(), 401),
    ("Digest tok-1", 401), (basic("prometheus", "s" * 5000), 401)])
async def test_who_may_enter(handler: Callable[..., Ask], authorization: str, status: int) -> None:
    ask = handler(counting(), bearer="tok-1", basic_user="prometheus", basic_hash=HASH)
    for _ in range(2):
        got, headers, body = await ask(authorization=authorization) if authorization else await ask()
        assert got == status
        assert STRICT.items() <= headers.items()
        assert (b"instrumentation" in body) == (status == 200)
        if status == 401:
            assert headers["www-authenticate"] == 'Bearer realm="metrics", Basic realm="metrics"'


async def test_a_token_file_is_read_again_when_it_changes(handler: Callable[..., Ask], tmp_path: Path) -> None:
    file = tmp_path / "token"
    ask = handler(counting(), bearer_file=file)
    assert (await ask(authorization="Bearer None"))[0] == 401
    file.write_text("first\n")
    assert (await ask(authorization="Bearer first"))[0] == 200
    file.write_text("second one\n")
    assert [(await ask(authorization=f"Bearer {token}"))[0] for token in ("first", "second one")] == [401, 200]
    file.write_text("\n")
    assert [(await ask(authorization=f"Bearer{rest}"))[0] for rest in (" second one", " ", "")] == [401, 401, 401]
    file.unlink()
    assert (await ask(authorization="Bearer second one"))[0] == 401


@pytest.mark.parametrize("options", [
    {"bearer": ""}, {"bearer": " "}, {"bearer": "a", "bearer_file": "b"}, {"basic_user": "a"}, {"basic_hash": HASH},
    {"basic_user": "a:b", "basic_hash": HASH}, {"basic_user": "", "basic_hash": HASH},
    {"basic_user": "a", "basic_hash": "plain"}, {"basic_user": "a", "basic_hash": HASH.replace("$16$", "$17$")},
    {"basic_user": "a", "basic_hash": "scrypt$99999999$8$1$" + "A" * 24 + "$" + "A" * 44}])
def test_options_that_would_leave_the_door_open_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as raised:
        metrics_wsgi(Meter(), **options)  # type: ignore[arg-type]
    assert HASH not in str(raised.value)


@pytest.mark.slow
def test_hashes_of_one_password_differ_and_both_open() -> None:
    first, second = hash_password("pass"), hash_password("pass")
    assert first != second
    for stored in (first, second):
        assert Access(basic_user="a", basic_hash=stored).admits_now(basic("a", "pass")) is True


@pytest.mark.slow
async def test_guesses_beyond_those_that_wait_are_sent_away_and_the_known_still_enter() -> None:
    access = Access(basic_user="a", basic_hash=hash_password("s3cret:word"))
    assert await access.admits(basic("a", "s3cret:word")) is True
    guesses = [asyncio.ensure_future(access.admits(basic("a", str(number)))) for number in range(3 * WAITING)]
    await asyncio.sleep(0)
    assert await access.admits(basic("a", "s3cret:word")) is True
    answers = await asyncio.gather(*guesses)
    assert (answers.count(False), answers.count(None)) == (WAITING, 2 * WAITING)
    assert await access.admits(basic("a", "another")) is False


@pytest.mark.slow
async def test_too_many_logins_are_answered_503(handler: Callable[..., Ask]) -> None:
    ask = handler(counting(), basic_user="a", basic_hash=hash_password("s3cret:word"))
    answers = await asyncio.gather(*(ask(authorization=basic("a", str(number))) for number in range(4 * WAITING)))
    statuses = [status for status, _, _ in answers]
    assert set(statuses) <= {401, 503}
    assert statuses.count(401) >= WAITING
    assert all(headers["retry-after"] == "1" for status, headers, _ in answers if status == 503)


async def test_r20_a_store_that_fails_is_a_500_and_nothing_worse(handler: Callable[..., Ask]) -> None:
    store = Poisoned()
    ask = handler(Meter(store))
    store.poisoned = True
    status, headers, body = await ask()
    assert (status, body) == (500, b"the page could not be written\n")
    assert STRICT.items() <= headers.items()
    store.poisoned = False
    assert (await ask())[0] == 200


async def test_the_asgi_application_can_run_alone() -> None:
    app = metrics_asgi(Meter(), registry=None)
    inbox = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return inbox.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "lifespan"}, receive, send)
    await app({"type": "websocket", "path": "/metrics"}, receive, send)
    assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"},
                    {"type": "websocket.close", "code": 1008}]
