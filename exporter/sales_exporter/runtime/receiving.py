"""How a request with a body is taken in: bounded in size and time, and answered by who is in charge of its path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from sales_exporter.runtime.connections import Connection

PREFIX = "/ingest/"
DOCUMENT = "/ingest/openapi.json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back. After the ``last`` one the connection is closed: part of the request was left unread."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    last: bool = False


class Receiver(Protocol):
    """Who takes the requests of one path."""

    @property
    def limit(self) -> int:
        """Bytes that a body may have."""
        ...

    def refuses(self, headers: Mapping[str, str]) -> Answer | None:
        """The refusal of a request that is not worth reading."""
        ...

    def oversized(self) -> Answer:
        """The answer to a body that is too large."""
        ...

    async def take(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Take a request. Header names are in lower case."""
        ...


class Intake(Protocol):
    """Who knows the receivers."""

    @property
    def document(self) -> bytes:
        """The OpenAPI document; empty when there is nothing to post to."""
        ...

    def at(self, name: str) -> Receiver | None:
        """The receiver of a source."""
        ...


def problem(status: int, detail: str, *, last: bool = False, **headers: str) -> Answer:
    """A refusal as RFC 9457 wants it."""
    facts = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(facts).encode(), "application/problem+json", named, last)


class Refused(Exception):
    """A request that is answered with a refusal."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Oversized(Refused):
    """A body that is too large."""

    def __init__(self, limit: int) -> None:
        super().__init__(problem(413, f"a body may have {limit} bytes", last=True))


async def received(request: web.BaseRequest, connection: Connection, receiver: Receiver) -> Answer:
    """Read the body of a request, as far as it is worth it, and have it answered."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    refusal = receiver.refuses(headers)
    if refusal is not None:
        return refusal
    try:
        body = await read(request, connection, receiver.limit)
    except Oversized:
        return receiver.oversized()
    except Refused as refused:
        return refused.answer
    return await receiver.take(headers, body)


async def read(request: web.BaseRequest, connection: Connection, limit: int) -> bytes:
    """The body of a request, within its time.

    Raises:
        Oversized: it has more bytes than ``limit``.
        Refused: it is packed.
    """
    if (request.content_length or 0) > limit:
        raise Oversized(limit)
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(problem(415, "send the body as it is, without a Content-Encoding", last=True))
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What counts as part of the answer, so that it cannot be replaced any more.
        request.writer.output_size = 0
    connection.awaits_body()
    body = bytearray()
    try:
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > limit:
                raise Oversized(limit)
    finally:
        connection.has_body()
    return bytes(body)
