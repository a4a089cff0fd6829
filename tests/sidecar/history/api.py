"""A server that speaks the query API over series made of functions, and can be told to misbehave."""

from __future__ import annotations

import contextlib
import json
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate

from aiohttp import web

from sales_exporter.runtime.clock import Clock

Series = tuple[dict[str, str], Callable[[float], float | None]]
Misbehaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]

_MEANS = "avg_over_time((\n"


@dataclass
class Api:
    """Series by query. A subquery of means is evaluated at its three moments."""

    clock: Clock
    series: dict[str, list[Series]] = field(default_factory=dict)
    faults: dict[str, Misbehaviour] = field(default_factory=dict)
    down: Misbehaviour | None = None
    ahead: float = 0.0
    partial: bool = False
    asked: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)
    longest: int = 0
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One query, instant or over a range."""
        form = await request.post()
        query = str(form["query"])
        plain = query.removeprefix(_MEANS).removesuffix("\n)[14m:5m])")
        self.asked[plain] += 1
        self.headers.append(dict(request.headers))
        fault = self.down or self.faults.get(plain)
        if fault is not None:
            return await fault(request)
        if request.path.endswith("query_range"):
            start, end, step = (float(str(form[name])) for name in ("start", "end", "step"))
            return self._matrix(plain, query.startswith(_MEANS), start, end, step)
        at = float(str(form["time"]))
        found = [(labels, value(at)) for labels, value in self.series.get(plain, [])]
        return self._said("vector", [{"metric": labels, "value": [at, text(sample)]} for labels, sample in found
                                     if sample is not None])

    def _matrix(self, query: str, means: bool, start: float, end: float, step: float) -> web.Response:
        moments = [start + step * number for number in range(round((end - start) / step) + 1)]
        self.longest = max(self.longest, len(moments))
        result = []
        for labels, value in self.series.get(query, []):
            found = [(at, _mean(value, at) if means else value(at)) for at in moments]
            values = [[at, text(sample)] for at, sample in found if sample is not None]
            if values:
                result.append({"metric": labels, "values": values})
        return self._said("matrix", result)

    def _said(self, kind: str, result: list[dict[str, object]]) -> web.Response:
        tree = {"status": "success", "data": {"resultType": kind, "result": result}, "isPartial": self.partial}
        date = formatdate(self.clock.now() + self.ahead, usegmt=True)
        return web.Response(text=json.dumps(tree), content_type="application/json", headers={"Date": date})


def text(sample: float) -> str:
    """A sample as Prometheus writes it."""
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(sample, "NaN" if math.isnan(sample) else repr(float(sample)))


def refusing(status: int, kind: str, said: str) -> Misbehaviour:
    """Answers with an error of the API."""
    async def fault(request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "error", "errorType": kind, "error": said}, status=status)
    return fault


def saying(body: bytes, status: int = 200, **headers: str) -> Misbehaviour:
    """Answers with these very bytes."""
    async def fault(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers=headers)
    return fault


@contextlib.asynccontextmanager
async def serving(api: Api) -> AsyncIterator[Api]:
    """The server, for the length of a block."""
    app = web.Application()
    for path in ("query", "query_range"):
        app.router.add_post(f"/api/v1/{path}", api.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    host, port = site._server.sockets[0].getsockname()[:2]
    api.url = f"http://{host}:{port}"
    try:
        yield api
    finally:
        await runner.cleanup()


def _mean(value: Callable[[float], float | None], at: float) -> float | None:
    found = [sample for sample in (value(at - 600), value(at - 300), value(at)) if sample is not None]
    return sum(found) / len(found) if found else None
