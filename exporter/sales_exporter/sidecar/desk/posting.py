"""A webhook of the desk's own: each message as JSON by POST."""

from __future__ import annotations

import json
from collections.abc import Callable

import aiohttp

from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.desk.links import Links
from sales_exporter.sidecar.desk.message import Message
from sales_exporter.sidecar.desk.tokens import Token
from sales_exporter.sidecar.outbox.posting import Poster, moment, refusal
from sales_exporter.sidecar.outbox.sink import Delivered, Outcome, Rejected, Retry

VERSION = 1
"""Of the JSON; grows when a field changes its meaning."""
_IT = frozenset({0})
_MARKUP = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026"})
"""As Go writes JSON: what is put into a page as it is opens no tag there."""


class Posting:
    """One address that takes messages."""

    def __init__(self, name: str, url: str, token: Token, links: Links, session: Callable[[], aiohttp.ClientSession],
                 clock: Clock) -> None:
        """``session`` makes the client when the first message is sent."""
        self._poster = Poster(url, session, clock)
        self._name, self._token, self._links = name, token, links

    async def send(self, message: Message) -> Outcome:
        """Post a message. Whoever may acknowledge gets a link that is good once."""
        return await delivered(self._poster, self._token, message.key, self.document(message))

    async def close(self) -> None:
        """Close the client."""
        await self._poster.close()

    def document(self, message: Message) -> bytes:
        """The JSON of a message, of ASCII only and without signs that mean something in HTML."""
        return json.dumps({
            "version": VERSION, "key": message.key, "kind": message.kind,
            "status": "resolved" if message.over else "firing", "at": moment(message.at), "title": message.title,
            "text": "\n".join(message.lines), "severity": message.severity, "team": message.team,
            "fingerprint": message.fingerprint, "labels": dict(message.labels),
            "annotations": dict(message.annotations),
            "starts_at": None if message.starts_at is None else moment(message.starts_at),
            "ends_at": None if message.ends_at is None else moment(message.ends_at),
            "owner": message.owner, "step": message.step, "url": self._links.page(message.fingerprint),
            "acknowledge_url": "" if message.over else self._links.acknowledge(message.fingerprint, self._name),
        }).translate(_MARKUP).encode()


async def delivered(poster: Poster, token: Token, key: str, body: bytes) -> Outcome:
    """Post one message with its key, and what came of it."""
    headers = token.headers()
    if headers is None:
        return Rejected(_IT, "unauthorized")
    status = await poster.post(body, {**headers, "Idempotency-Key": key})
    if isinstance(status, Retry):
        return status
    return Delivered() if status < 300 else Rejected(_IT, refusal(status))
