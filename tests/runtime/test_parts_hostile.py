"""Malformed and hostile requests to parts: refused with 4xx, and nothing that is refused reaches a part."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sales_exporter.runtime.connections import Bounds
from tests.support.parts import Notebook, responders
from tests.support.strategies import hostile_text, requests
from tests.support.web import Shown, beside, parsed, send, site

pytestmark = pytest.mark.process

QUICK = Bounds(headers=0.1, body=0.1, write=0.1, idle=0.1)
HEAD = b"POST /api/notes/one/ack HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"2\r\n{}\r\n-1\r\n\r\n",
        CHUNKED + b"2\r\n{}X\r\n0\r\n\r\n",
        CHUNKED + b"ffffffffffffffff\r\n{}",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        HEAD + b"Content-Length: +2\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nContent-Encoding: gzip\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nContent-Encoding: deflate\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nContent-Encoding: x\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nContent-Type: text/plain\r\n\r\n{}",
        HEAD + b"Content-Length: 1000000\r\n\r\n{",
        HEAD + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n{",
        HEAD.replace(b"one", b"%00") + b"Content-Length: 2\r\n\r\n{}",
        HEAD.replace(b"one", b"%ff%fe") + b"Content-Length: 1\r\n\r\n{",
        HEAD.replace(b"one", b"%2F") + b"Content-Length: 2\r\n\r\n{}",
        HEAD.replace(b"one", b"a" * 1_000_000) + b"Content-Length: 2\r\n\r\n{}",
        HEAD.replace(b"POST", b"PRI") + b"\r\n",
        HEAD + b"Origin: \xff\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Sec-Fetch-Site: \xff\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Authorization: Basic \xff\r\nContent-Length: 1\r\n\r\n{",
        HEAD.replace(b"localhost", b"[::1") + b"Content-Length: 2\r\n\r\n{}",
    ],
    ids=["chunk size", "negative chunk", "chunk end", "huge chunk", "smuggling", "signed length",
         "gzip", "deflate", "unknown coding", "two types", "large", "never continues", "nul", "no utf-8", "slash",
         "1 MB path", "method", "origin", "fetch site", "login", "host"],
)
async def test_r16_malformed_request_to_a_part_is_refused_with_4xx(request_: bytes) -> None:
    book = Notebook()
    async with site(Shown(), parts=[book], roles=responders, bounds=QUICK) as address:
        answer = await send(address, request_)
    assert answer.status == 0 or 400 <= answer.status < 500
    assert book.calls == []


async def test_r15_a_slow_body_of_a_part_is_cut() -> None:
    book = Notebook()
    async with site(Shown(), parts=[book], roles=responders, bounds=Bounds(body=0.2, idle=30, write=30)) as address:
        assert (await send(address, HEAD + b"Content-Length: 10\r\n\r\n{")).status == 0
    assert book.calls == []


@pytest.fixture(scope="module")
def hunted() -> Iterator[tuple[tuple[str, int], Notebook]]:
    """A server with a part that takes everything."""
    book = Notebook()
    with beside(Shown(), parts=[book], roles=responders, bounds=QUICK) as address:
        yield address, book


def status(address: tuple[str, int], request: bytes) -> int:
    """The status of the first answer; 0 without one."""
    with socket.create_connection(address, timeout=10) as client, contextlib.suppress(ConnectionError):
        client.sendall(request)
        return parsed(b"".join(iter(lambda: client.recv(1 << 16), b""))).status
    return 0


KINDS = ["application/json", "application/x-www-form-urlencoded", "text/plain", "application/json; charset=x", ""]


values = st.recursive(
    st.none() | st.floats() | st.integers() | hostile_text.map(lambda text: text[:50]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6)


@st.composite
def posts(draw: st.DrawFn) -> bytes:
    """A post to a part that is framed as HTTP says and holds anything."""
    body = draw(st.one_of(
        st.binary(max_size=200), hostile_text.map(lambda text: json.dumps(text).encode()[:5000]),
        values.map(lambda value: json.dumps(value).encode())))
    path = draw(st.sampled_from(["/api/notes/one/ack", "/notes/one", "/api/told", "/act/x", "/notes"]))
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}",
             f"Content-Type: {draw(st.sampled_from(KINDS))}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@settings(max_examples=100, deadline=None)
@given(request_=posts())
@example(request_=HEAD + b"Connection: close\r\nContent-Length: 8\r\n\r\n" + b'"\\ud800"')
def test_r16_no_body_gives_5xx(hunted: tuple[tuple[str, int], Notebook], request_: bytes) -> None:
    address, _ = hunted
    assert 200 <= status(address, request_) < 500


@settings(max_examples=100, deadline=None)
@given(request_=requests())
def test_r16_nothing_that_is_sent_to_a_server_with_parts_gives_5xx(
    hunted: tuple[tuple[str, int], Notebook], request_: bytes
) -> None:
    address, book = hunted
    book.calls.clear()
    got = status(address, request_)
    assert got == 0 or 200 <= got < 500
    assert book.calls == []
