"""A query API that gives the same answer to whatever is asked, and can be told to misbehave."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from aiohttp import web

LISTS = "group by ("


@dataclass
class Prometheus:
    """One series with ``value`` for each query; each label that variables are listed from has ``listed``,
    or no series at all when that is empty."""

    value: float = 1.0
    listed: str = "demo"
    rows: int = 1
    gap: range = range(0)
    """Numbers of the samples that a course lacks."""
    status: int = 200
    broken: Callable[[str], bool] = lambda query: False
    asked: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        """One query, instant or over a range."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        query = form["query"]
        self.asked.append(query)
        if self.status != 200 or self.broken(query):
            return web.json_response({"status": "error", "errorType": "internal", "error": "told to"},
                                     status=self.status if self.status != 200 else 503)
        if request.path.endswith("query_range"):
            return self._said("matrix", [{"metric": {"row": str(row)}, "values": self._course(form)}
                                         for row in range(self.rows)])
        self.times.append(float(form["time"]))
        if query.startswith(LISTS) and not self.listed:
            return self._said("vector", [])
        labels = {query.removeprefix(LISTS).partition(")")[0]: self.listed} if query.startswith(LISTS) else {}
        return self._said("vector", [{"metric": labels, "value": [float(form["time"]), str(self.value)]}])

    def _course(self, form: dict[str, str]) -> list[list[object]]:
        start, end, step = (float(form[name]) for name in ("start", "end", "step"))
        count = round((end - start) / step) + 1
        return [[start + step * one, str(self.value + math.sin(one))] for one in range(count)
                if one not in self.gap]

    def _said(self, kind: str, result: list[object]) -> web.Response:
        body = {"status": "success", "data": {"resultType": kind, "result": result}}
        return web.Response(text=json.dumps(body, separators=(",", ":")), content_type="application/json")


@contextlib.asynccontextmanager
async def serving(server: Prometheus) -> AsyncIterator[Prometheus]:
    """The server on a free port of loopback, for the length of a block."""
    app = web.Application()
    app.router.add_route("*", "/api/v1/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()
