"""What a middleware adds to a request: ours beside the common ones, all in one run.

    python benchmarks/instrumentation.py [--rounds 7] [--requests 20000] [--routes 5,25,100]

Each contender has a process of its own, since client libraries keep global registries, and drives its application in
process: no sockets, no server, so that the difference to the bare application is the middleware. A round is cut into
short slices that take turns between the contenders. The figure is the median, over the slices of all rounds, of the
difference to the bare application's slice beside it, in microseconds of processor time. Afterwards each contender's own
exposition must have counted every request.

``floor`` is the least that counting with prometheus_client takes: a child kept for each label set, two clock reads.
The peers come with ``pip install prometheus-fastapi-instrumentator opentelemetry-instrumentation-fastapi
opentelemetry-exporter-prometheus``; one that is not installed is left out and said so. Exits 1 when a bar is missed.
"""

# A process loads its contender and no other.
# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import json
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

SLICES = 40
WANDERED = 25
"""Routes of the applications in which 100,000 random paths are asked for."""
SHARES = ((25, "instrumentator", 10), (100, "instrumentator", 15), (25, "opentelemetry", 25))
"""Routes, and which share of a peer's cost ours may be there: one in so many."""
Scrape = Callable[[], str]
Made = tuple[Any, Scrape]
PATHS = (
    ("GET", "/api/v1/leads", "/api/v1/leads"), ("POST", "/api/v1/leads", "/api/v1/leads"),
    ("GET", "/api/v1/leads/{lead}", "/api/v1/leads/{n}"),
    ("GET", "/api/v1/calls/{call}/score", "/api/v1/calls/{n}/score"),
    ("PUT", "/api/v1/deals/{deal}/stage", "/api/v1/deals/{n}/stage"),
)


# Applications -------------------------------------------------------------------------------------------------------

def table(routes: int) -> list[tuple[str, str]]:
    """Routes of which those that are asked for stand at even distances."""
    fillers = [("GET", f"/api/v1/other{i}/{{key}}") for i in range(routes - len(PATHS))]
    step = len(fillers) // len(PATHS)
    found: list[tuple[str, str]] = []
    for i, (method, path, _) in enumerate(PATHS):
        found += [*fillers[i * step : (i + 1) * step], (method, path)]
    return found


def application(kind: str, routes: int) -> Any:
    """An application of a framework, or of none."""
    if kind == "asgi":
        return plain()
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def ok(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    if kind == "starlette":
        return Starlette(routes=[Route(path, ok, methods=[method]) for method, path in table(routes)])
    from fastapi import APIRouter, FastAPI

    app, router = FastAPI(openapi_url=None), APIRouter(prefix="/v1")
    # A real annotation: FastAPI reads it, and ours are strings.
    ok.__annotations__["request"] = Request
    for method, path in table(routes):
        router.add_api_route(path.removeprefix("/api/v1"), ok, methods=[method], response_model=None)
    app.include_router(router, prefix="/api")
    return app


def plain() -> Any:
    """The least that an application can do."""

    class Matched:
        def __init__(self, path: str) -> None:
            self.path = self.path_format = path

    known = {(method, path.count("/")): Matched(path) for method, path, _ in PATHS}
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = known[scope["method"], scope["path"].count("/")]
        await send(start)
        await send({"type": "http.response.body", "body": b"ok"})

    return app


# Contenders ---------------------------------------------------------------------------------------------------------

def latest() -> str:
    """prometheus_client's default registry."""
    from prometheus_client import generate_latest

    return generate_latest().decode()


def bare(app: Any) -> Made:
    """Nothing."""
    return app, str


def ours(app: Any) -> Made:
    """SalesMetrics with everything on."""
    from sales_exporter.instrumentation import Meter, SalesMetrics
    from sales_exporter.instrumentation.pages import Exposition

    meter = Meter()
    if hasattr(app, "add_middleware"):
        app.add_middleware(SalesMetrics, meter=meter)
    else:
        app = SalesMetrics(app, meter)

    page = Exposition(meter, None)

    def scrape() -> str:
        return page.render("text", packed=False).decode()

    return app, scrape


def floor(app: Any) -> Made:
    """A child of prometheus_client for each label set, and two clock reads."""
    from prometheus_client import Histogram

    seconds = Histogram("floor_seconds", "Time.", ["method", "route", "status"],
                        buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0))
    children: dict[tuple[str, str, int], Any] = {}

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def sending(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, sending)
        finally:
            context = (scope.get("fastapi") or {}).get("effective_route_context")
            route = context or scope.get("route")
            key = (scope["method"], route.path if route is not None else "unmatched", status)
            child = children.get(key)
            if child is None:
                child = children[key] = seconds.labels(*key)
            child.observe(time.perf_counter() - began)

    return counted, latest


def instrumentator(app: Any) -> Made:
    """prometheus-fastapi-instrumentator."""
    from prometheus_fastapi_instrumentator import Instrumentator

    Instrumentator().instrument(app)
    return app, latest


def opentelemetry(app: Any) -> Made:
    """opentelemetry-instrumentation-fastapi with its Prometheus exporter and stable HTTP names; no tracer is set."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.sdk.metrics import MeterProvider

    FastAPIInstrumentor.instrument_app(app, meter_provider=MeterProvider(metric_readers=[PrometheusMetricReader()]))
    return app, latest


CONTENDERS: dict[str, tuple[Callable[[Any], Made], str, tuple[str, ...]]] = {
    "bare": (bare, "starlette", ("asgi", "starlette", "fastapi")),
    "ours": (ours, "starlette", ("asgi", "starlette", "fastapi")),
    "floor": (floor, "prometheus_client", ("asgi", "starlette", "fastapi")),
    "instrumentator": (instrumentator, "prometheus_fastapi_instrumentator", ("starlette", "fastapi")),
    "opentelemetry": (opentelemetry, "opentelemetry.instrumentation.fastapi", ("fastapi",)),
}


# One process --------------------------------------------------------------------------------------------------------

def scope(method: str, path: str) -> dict[str, Any]:
    """An HTTP scope as uvicorn makes it."""
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"shop.example"), (b"accept", b"*/*"), (b"user-agent", b"bench")],
        "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8000), "state": {},
    }


class Driver:
    """One contender and its application."""

    def __init__(self, name: str, kind: str, routes: int) -> None:
        self.asgi, self.scrape = CONTENDERS[name][0](application(kind, routes))
        self.scopes = [scope(method, path.replace("{n}", str(n))) for n in range(97) for method, _, path in PATHS]
        self.sent = 0
        self.loop = asyncio.new_event_loop()
        # What is there by now stays: the collector of garbage looks at what requests make, as in a server.
        gc.collect()
        gc.freeze()

    async def _drive(self, requests: Sequence[dict[str, Any]]) -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.sent += 1

        for one in requests:
            await self.asgi({**one, "state": {}}, receive, send)

    def drive(self, count: int) -> float:
        """Processor seconds for so many requests."""
        requests = [self.scopes[(self.sent + i) % len(self.scopes)] for i in range(count)]
        began = time.process_time()
        self.loop.run_until_complete(self._drive(requests))
        return time.process_time() - began

    def counted(self) -> bool:
        """Whether a count of the exposition equals the requests that were answered."""
        return self.sent in totals(self.scrape()).values()

    def flood(self) -> dict[str, Any]:
        """Series, buckets left out, that scanners, invented methods and hosts make, and whether all were counted."""
        floods = {
            "300 paths": [scope("GET", f"/scan/{i}.php") for i in range(300)],
            "50 methods": [scope(f"VERB{i}", "/api/v1/leads/1") for i in range(50)],
            "50 hosts": [{**scope("GET", "/api/v1/leads/1"), "headers": [(b"host", b"h%d.example" % i)]}
                         for i in range(50)],
        }
        found: dict[str, Any] = {}
        for name, odd in floods.items():
            before = series(self.scrape())
            self.loop.run_until_complete(self._drive(odd))
            found[name] = len(series(self.scrape()) - before)
        return {**found, "counted": self.counted()}

    def wander(self) -> dict[str, Any]:
        """New series of 100,000 random paths and methods after the first of them, and whether all were counted."""
        chance = random.Random(1)
        odd = [scope(chance.choice(("GET", f"V{chance.random()}")), f"/{chance.random()}/{i}") for i in range(100_000)]
        self.loop.run_until_complete(self._drive([scope("GET", "/nowhere"), scope("V", "/nowhere")]))
        before = series(self.scrape())
        self.loop.run_until_complete(self._drive(odd))
        return {"100000 paths": len(series(self.scrape()) - before), "counted": self.counted()}


def series(text: str) -> set[str]:
    """Series of the application's requests, buckets and moments of creation left out."""
    return {key for key, _ in lines(text) if not key.startswith(("process_", "python_"))
            and not key.partition("{")[0].endswith(("_bucket", "_created"))}


def lines(text: str) -> Iterator[tuple[str, float]]:
    """Series and values of a text exposition."""
    for line in text.splitlines():
        if line and not line.startswith("#"):
            key, _, value = line.rpartition(" ")
            yield key, float(value)


def totals(text: str) -> Counter[str]:
    """Sums of counts by name; buckets are left out."""
    found: Counter[str] = Counter()
    for key, value in lines(text):
        name = key.partition("{")[0]
        if name.endswith(("_count", "_total")):
            found[name] += value  # type: ignore[assignment]
    return found


def serve(name: str, kind: str, routes: int) -> None:
    """Answer the questions of the parent, a JSON line each."""
    out, sys.stdout = sys.stdout, sys.stderr
    driver = Driver(name, kind, routes)
    print(json.dumps("ready"), file=out, flush=True)
    for line in sys.stdin:
        what, count = json.loads(line)
        answer: Any = driver.drive(count) if what == "drive" else getattr(driver, what)()
        print(json.dumps(answer), file=out, flush=True)


# All of them --------------------------------------------------------------------------------------------------------

class Contender:
    """A process of a contender."""

    def __init__(self, name: str, kind: str, routes: int) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, "--serve", f"{name}:{kind}:{routes}"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self._answer()

    def ask(self, what: str, count: int = 0) -> Any:
        """One question."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([what, count]) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


@dataclass
class Size:
    """One kind of application with so many routes: microseconds added, by contender."""

    kind: str
    routes: int
    added: dict[str, float] = field(default_factory=dict)
    counted: dict[str, bool] = field(default_factory=dict)
    flood: dict[str, Any] = field(default_factory=dict)


def installed(module: str) -> bool:
    """Whether a package is there."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def measure(kind: str, routes: int, rounds: int, requests: int) -> Size:
    """All contenders side by side."""
    size = Size(kind, routes)
    names = [name for name, (_, module, kinds) in CONTENDERS.items() if kind in kinds and installed(module)]
    contenders = [Contender(name, kind, routes) for name in names]
    try:
        for one in contenders:
            one.ask("drive", 2_000)
        took: dict[str, list[float]] = {name: [] for name in names}
        count = requests // SLICES
        for number in range(rounds * SLICES):
            turn = number % len(contenders)
            seconds = {one.name: one.ask("drive", count) for one in [*contenders[turn:], *contenders[:turn]]}
            for name in names:
                took[name].append((seconds[name] - seconds["bare"]) / count * 1e6)
        size.added = {name: statistics.median(found) for name, found in took.items()}
        for one in contenders[1:]:
            size.counted[one.name] = one.ask("counted")
            if kind != "asgi":
                size.flood[one.name] = flooded(one, routes)
    finally:
        for one in contenders:
            one.close()
    return size


def flooded(one: Contender, routes: int) -> dict[str, Any]:
    """What odd requests do; the long walk is ours alone."""
    found: dict[str, Any] = one.ask("flood")
    return found | (one.ask("wander") if one.name == "ours" and routes == WANDERED else {})


def met(sizes: Sequence[Size]) -> dict[str, bool]:
    """Each bar that the contenders present allow to judge."""
    found = {(size.kind, size.routes): size for size in sizes}
    bars: dict[str, bool] = {"all_counted": all(all(size.counted.values()) for size in sizes)}
    for (kind, routes), size in found.items():
        ours, others = size.added["ours"], size.added
        if kind == "asgi":
            bars["bare ASGI <= 4 us"] = ours <= 4
            continue
        flood = size.flood["ours"]
        bars[f"{kind} {routes}: new series <= 9"] = flood["counted"] and max(
            flood[name] for name in ("300 paths", "50 methods", "50 hosts")) <= 9
        if "100000 paths" in flood:
            bars[f"{kind} {routes}: 100,000 random paths make no series"] = flood["100000 paths"] == 0
        if routes == 25:
            bars[f"{kind} 25: <= 2.5 x floor"] = ours <= 2.5 * others["floor"]
        for where, peer, share in SHARES:
            if routes == where and peer in others:
                bars[f"{kind} {routes}: <= 1/{share} of {peer}"] = ours * share <= others[peer]
        if routes == 100 and (kind, 5) in found:
            bars[f"{kind}: 100 routes <= 1.3 x 5 routes"] = ours <= 1.3 * found[kind, 5].added["ours"]
    return bars


def main() -> None:
    """Measure all sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=20_000, help="of each contender and round")
    parser.add_argument("--routes", default="5,25,100")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        name, kind, routes = options.serve.split(":")
        serve(name, kind, int(routes))
        return
    missing = [name for name, (_, module, _) in CONTENDERS.items() if not installed(module)]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}")
    sizes = [measure("asgi", 5, options.rounds, options.requests)]
    for kind in ("starlette", "fastapi"):
        sizes += [measure(kind, int(n), options.rounds, options.requests) for n in options.routes.split(",")]
    print(f"{'application':<14}{'routes':>7}  microseconds added to a request")
    for size in sizes:
        row = "  ".join(f"{name} {value:6.2f}" for name, value in size.added.items() if name != "bare")
        print(f"{size.kind:<14}{size.routes:>7}  {row}")
    bars = met(sizes)
    print(json.dumps({"sizes": [size.__dict__ for size in sizes], "met": bars}))
    if not all(bars.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
