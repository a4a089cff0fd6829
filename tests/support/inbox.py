"""A server on loopback that notes what it is sent, and answers as a test says."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Letter:
    """One request. Header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


Answer = Callable[[Letter], web.Response]


def accept(_letter: Letter) -> web.Response:
    """200."""
    return web.Response()


@dataclass
class Inbox:
    """What came, in order."""

    answer: Answer = accept
    letters: list[Letter] = field(default_factory=list)
    url: str = ""

    @property
    def keys(self) -> list[str]:
        """The keys of what came."""
        return [letter.headers["idempotency-key"] for letter in self.letters]

    async def take(self, request: web.Request) -> web.Response:
        """Note a request and answer it."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        letter = Letter(request.path, headers, await request.read())
        self.letters.append(letter)
        return self.answer(letter)


@contextlib.asynccontextmanager
async def inbox(answer: Answer = accept) -> AsyncIterator[Inbox]:
    """One that takes POST on every path."""
    found = Inbox(answer)
    app = web.Application()
    app.router.add_post("/{path:.*}", found.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield found
    finally:
        await runner.cleanup()
