"""Drives an ASGI application as a server does, and reads what was counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sales_exporter.instrumentation.asgi import SalesMetrics
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.routes import App
from sales_exporter.model import Distribution


def scope(method: str, path: str, **more: Any) -> dict[str, Any]:
    """An HTTP scope as uvicorn makes it."""
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"shop.example")], "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8000),
        "state": {}, **more,
    }


@dataclass
class Answer:
    """What a server saw of one request."""

    messages: list[Any] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def status(self) -> int:
        """The status that was sent."""
        return next(int(m["status"]) for m in self.messages if m["type"] == "http.response.start")

    @property
    def body(self) -> bytes:
        """The bytes that were sent."""
        return b"".join(m.get("body", b"") for m in self.messages if m["type"] == "http.response.body")


class Driven:
    """An application behind the middleware, with its meter."""

    def __init__(self, app: App, **options: Any) -> None:
        self.meter: Meter = options.pop("meter", None) or Meter()
        self.app = SalesMetrics(app, self.meter, **options)

    async def request(
        self, method: str, path: str, *pieces: bytes, breaks_after: int | None = None, **more: Any
    ) -> Answer:
        """One request whose body comes in pieces; after so many messages of the answer the client is gone."""
        answer, body, gone = Answer(), list(pieces or (b"",)), asyncio.Event()

        async def receive() -> Any:
            if body:
                return {"type": "http.request", "body": body.pop(0), "more_body": bool(body)}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if breaks_after is not None and len(answer.messages) >= breaks_after:
                gone.set()
                raise OSError("the client went away")
            answer.messages.append(dict(message))

        try:
            await asyncio.wait_for(self.app(scope(method, path, **more), receive, send), 5)
        except Exception as error:
            answer.error = error
        return answer

    async def websocket(self, path: str, inbox: Sequence[Any]) -> list[Any]:
        """One websocket on which these messages come in; what the application sent."""
        sent: list[Any] = []
        waiting = [{"type": "websocket.connect"}, *inbox]

        async def receive() -> Any:
            return waiting.pop(0) if waiting else {"type": "websocket.disconnect", "code": 1001}

        async def send(message: Any) -> None:
            sent.append(dict(message))

        made = scope("GET", path, type="websocket", subprotocols=[])
        del made["method"]
        await self.app({**made, "scheme": "ws"}, receive, send)
        return sent

    def counts(self, name: str) -> dict[tuple[str, ...], float]:
        """Observations (of a histogram) or values by labels; zeros left out."""
        found = {}
        for sample in self.meter.samples():
            if sample.metric.name == name:
                value = sample.value
                found[sample.labels] = float(sum(value.counts)) if isinstance(value, Distribution) else value
        return {labels: n for labels, n in found.items() if n}

    def sums(self, name: str) -> dict[tuple[str, ...], float]:
        """Sums of a histogram by labels."""
        return {sample.labels: sample.value.total for sample in self.meter.samples()
                if sample.metric.name == name and isinstance(sample.value, Distribution)}

    @property
    def durations(self) -> dict[tuple[str, ...], float]:
        """Requests by method, route, status, scheme and error_type."""
        return self.counts("http_server_request_duration_seconds")

    @property
    def active(self) -> float:
        """Requests that go on."""
        return sum(self.counts("http_server_active_requests").values())

    @property
    def series(self) -> int:
        """How many series there are, of all metrics."""
        return len(self.meter.samples())

