"""What the judging process needs for a large fleet: the first fill, an hour of ticks, and memory.

    python benchmarks/sidecar.py [--series 10000] [--ticks 60] [--history 4w]

A server of its own process answers like Prometheus, over HTTP on loopback, for ``--series`` series of twenty watches,
six of which are forecast. The series run by the day and the week with noise of their own; a watch has fifty such
shapes, shared by its series, so that the server's texts do not take longer than the sidecar. Time is simulated: a
tick begins as soon as the one before has ended, and its moment is a minute later. The judge is the real one, with the
real detector and the shipped defaults. Time is split by what runs: queries with parsing and putting into slots, the
detector, budget with causes and pages, drift and forecasts, and what makes series and bytes of it. After every tenth
tick the state is written, which no tick waits for. Ticks are in
seconds of the wall, the fill in those of the processor, which other work on the machine does not change. Memory is
that of this process. Prints a table and a line of JSON, and exits 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import wraps
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from aiohttp import web
from numpy.typing import NDArray

from sales_exporter.config import Settings, build
from sales_exporter.sidecar.detectors.novelty import Novelty
from sales_exporter.sidecar.history import reading
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.judging.alarming import Alarming
from sales_exporter.sidecar.judging.anomalies import Anomalies
from sales_exporter.sidecar.judging.drifts import Drifts
from sales_exporter.sidecar.judging.forecasting import Forecasting
from sales_exporter.sidecar.judging.judge import Judge
from sales_exporter.sidecar.report import Report, Save, Tick

WATCHES, FORECAST, SHAPES = 20, 6, 50
START = 1_767_225_600.0
"""A midnight; minutes are counted from four weeks before."""
CYCLE = 42 * 1440
"""Minutes after which a shape repeats."""
TICK_BAR = 0.5
"""Seconds, of the 99th percentile too: queries included."""
MEMORY_BAR = 400 << 20
GROWTH_BAR = 4 << 20
"""Bytes that memory may grow in the second half of the hour: flat."""
FILL_BAR = 120.0
"""Seconds of the fill's processor time beside its queries."""
INTERVAL, DELAY = 60.0, 10.0
SAVE_TICKS = 10
"""Ticks between two snapshots of the state."""


def labels(watch: int, number: int) -> dict[str, str]:
    """Labels as long as ours are."""
    return {"cluster": "production", "tenant": "default", "job": "shop",
            "instance": f"10.0.{watch}.{number % 250}:8000", "http_request_method": "GET",
            "http_route": f"/api/v1/accounts/{{account}}/orders/{number}"}


def shapes(watch: int) -> NDArray[np.float32]:
    """(shapes, minutes): a day's rhythm, quieter weekends, and noise that lasts some minutes."""
    rng = np.random.default_rng(watch)
    minutes = np.arange(CYCLE)
    size, depth, noise = (rng.uniform(*bounds, (SHAPES, 1)) for bounds in ((10, 1000), (0.1, 0.6), (0.02, 0.1)))
    day = 1 + depth * np.sin(2 * np.pi * (minutes / 1440 - rng.uniform(0, 1, (SHAPES, 1))))
    week = np.where(minutes // 1440 % 7 >= 5, 0.8, 1.0)
    rough = rng.standard_normal((SHAPES, CYCLE), np.float32)
    rough += 0.5 * np.roll(rough, 1, axis=1)
    return (size * week * day * (1 + noise * rough)).astype(np.float32)


def serve(pipe: Connection, series: int) -> None:
    """Answer the queries q0, q1, …, and all others with nothing, until killed; says its port first."""
    each = series // WATCHES
    known = [shapes(watch) for watch in range(WATCHES)]
    metrics = [[json.dumps(labels(watch, number)) for number in range(each)] for watch in range(WATCHES)]
    # The clock of the question's moment, as the delay makes it: simulated time, and no difference of clocks.
    date = formatdate(START, usegmt=True)

    def said(kind: str, rows: list[str]) -> web.Response:
        body = f'{{"status":"success","data":{{"resultType":"{kind}","result":[{",".join(rows)}]}}}}'
        return web.Response(body=body.encode(), content_type="application/json", headers={"Date": date})

    def asked(query: str) -> int | None:
        name = query.removeprefix("avg_over_time((\n").partition("\n")[0]
        return int(name[1:]) if name[1:].isdigit() else None

    async def instant(request: web.Request) -> web.Response:
        nonlocal date
        form = await request.post()
        at, watch = float(str(form["time"])), asked(str(form["query"]))
        date = formatdate(at + DELAY, usegmt=True)
        if watch is None:
            return said("vector", [])
        values = known[watch][:, int(at // 60) % CYCLE].tolist()
        return said("vector", [f'{{"metric":{text},"value":[{at:.3f},"{values[number % SHAPES]!r}"]}}'
                               for number, text in enumerate(metrics[watch])])

    async def over(request: web.Request) -> web.Response:
        form = await request.post()
        start, end, step = (float(str(form[name])) for name in ("start", "end", "step"))
        watch = asked(str(form["query"]))
        if watch is None:
            return said("matrix", [])
        moments = start + step * np.arange(round((end - start) / step) + 1)
        values = known[watch][:, (moments // 60).astype(np.int64) % CYCLE].tolist()
        stamps = [f"[{at:.0f}," for at in moments.tolist()]
        texts = [",".join([f'{stamp}"{value!r}"]' for stamp, value in zip(stamps, row, strict=True)]) for row in values]
        return said("matrix", [f'{{"metric":{text},"values":[{texts[number % SHAPES]}]}}'
                               for number, text in enumerate(metrics[watch])])

    async def run() -> None:
        app = web.Application()
        app.router.add_post("/api/v1/query", instant)
        app.router.add_post("/api/v1/query_range", over)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


class Simulated:
    """Wall time that is set; durations and waits are real."""

    def __init__(self, now: float) -> None:
        self.at = now

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return time.perf_counter()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Parts:
    """Seconds by part, and a way to have calls counted to one."""

    def __init__(self) -> None:
        self.clock = time.process_time
        self.spent: dict[str, float] = defaultdict(float)

    def take(self) -> dict[str, float]:
        """What was spent since the last time."""
        taken, self.spent = dict(self.spent), defaultdict(float)
        return taken

    def count(self, owner: Any, name: str, part: str) -> None:
        """Calls of this function are of that part."""
        plain = getattr(owner, name)

        @wraps(plain)
        def timed(*given: Any, **named: Any) -> Any:
            began = self.clock()
            try:
                return plain(*given, **named)
            finally:
                self.spent[part] += self.clock() - began

        setattr(owner, name, timed)

    def count_async(self, owner: Any, name: str, part: str) -> None:
        """The same for what is awaited."""
        plain: Callable[..., Awaitable[Any]] = getattr(owner, name)

        @wraps(plain)
        async def timed(*given: Any, **named: Any) -> Any:
            began = self.clock()
            try:
                return await plain(*given, **named)
            finally:
                self.spent[part] += self.clock() - began

        setattr(owner, name, timed)


def counted() -> Parts:
    """The parts of a tick and of a fill, counted from now on."""
    parts = Parts()
    for name in ("ask", "piece"):
        parts.count_async(reading, name, "queries")
    parts.count(reading, "place", "queries")
    for name in ("learn", "update"):
        parts.count(Novelty, name, "detector")
    for name in ("learn", "step"):
        parts.count(Alarming, name, "budget, causes, pages")
    for part in (Drifts, Forecasting):
        parts.count_async(part, "tick", "drift, forecasts")
    # Its samples come one by one while they are listed: what is left of the tick is theirs.
    parts.count(Judge, "_page", "series and bytes")
    parts.count_async(Anomalies, "tick", "anomalies")
    return parts


def settings(port: int, folder: Path, history: str, series: int) -> Settings:
    """Twenty watches of that server, and nothing to tell."""
    entries = [{"name": f"w{number}", "query": f"q{number}", "by": ["instance"], "series": series // WATCHES,
                "forecast": number < FORECAST} for number in range(WATCHES)]
    (folder / "watches.yml").write_text(yaml.safe_dump({"watches": entries}))
    return build({"sidecar": {
        "watches": [str(folder / "watches.yml")], "default_watches": False, "history": history,
        "prometheus": {"url": f"http://127.0.0.1:{port}", "timeout": 120}},
        "storage": {"path": str(folder)}}, "benchmark")


async def measured(port: int, folder: Path, history: str, series: int, ticks: int) -> dict[str, Any]:
    """The fill with the first tick, then an hour."""
    parts, clock, process = counted(), Simulated(START + DELAY), psutil.Process()
    given = settings(port, folder, history, series)
    async with Client(given.sidecar.prometheus, clock) as client:
        judge = Judge(given, client, clock, lambda _: None)
        began, cpu = time.perf_counter(), time.process_time()
        said(await judge.answer(Tick(clock.now() - DELAY)))
        fill = {"wall": time.perf_counter() - began, "CPU": time.process_time() - cpu, **parts.take()}
        parts.clock = time.perf_counter
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        wall, processor, saves, split, memory = [], [], [], defaultdict(list), [process.memory_info().rss]
        for number in range(ticks):
            clock.at += INTERVAL
            began, cpu = time.perf_counter(), time.process_time()
            report = said(await judge.answer(Tick(clock.now() - DELAY)))
            wall.append(time.perf_counter() - began)
            processor.append(time.process_time() - cpu)
            for name, spent in parts.take().items():
                split[name].append(spent)
            memory.append(process.memory_info().rss)
            if number % SAVE_TICKS == 0:
                began = time.perf_counter()
                await judge.answer(Save())
                saves.append(time.perf_counter() - began)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    return {"series": dict(report.series), "alerts": len(report.alerts), "fill": fill, "peak": peak, "most": most,
            "tick": wall, "split": {"processor": processor, **split, "saves": saves}, "memory": memory}


def said(answer: object) -> Report:
    """A report in which no part failed."""
    assert isinstance(answer, Report)
    broken = {name: part.defect for name, part in answer.parts.items() if part.page is None}
    if broken or answer.failures:
        sys.exit(f"a part failed: {broken} {answer.failures}")
    return answer


def run(series: int, ticks: int, history: str) -> dict[str, Any]:
    """One measurement against a server of its own process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs, series), daemon=True)
    server.start()
    try:
        port = ours.recv()
        with tempfile.TemporaryDirectory() as folder:
            return asyncio.run(measured(port, Path(folder), history, series, ticks))
    finally:
        server.terminate()
        server.join()


def main() -> None:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--ticks", type=int, default=60)
    parser.add_argument("--history", default="4w")
    given = parser.parse_args()
    found = run(given.series, given.ticks, given.history)
    fill, memory = found["fill"], found["memory"]
    print(f"series {found['series']}, alerts {found['alerts']}")
    print("fill: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in fill.items()))
    for name, seconds in {"tick": found["tick"], **found["split"]}.items():
        middle, high, most = (float(np.quantile(seconds, share)) * 1e3 for share in (0.5, 0.99, 1.0))
        print(f"{name:<24} median {middle:7.1f} ms   p99 {high:7.1f} ms   max {most:7.1f} ms")
    growth = memory[-1] - memory[len(memory) // 2]
    print(f"memory: after the fill {memory[0] / 2**20:,.0f} MiB, at the end {memory[-1] / 2**20:,.0f} MiB "
          f"({growth / 2**20:+.1f} MiB in the second half), peak of the fill {found['peak'] / 2**20:,.0f} MiB, "
          f"of all {found['most'] / 2**20:,.0f} MiB")
    beside = fill["CPU"] - fill["queries"]
    figures = {"tick": float(np.median(found["tick"])), "slow tick": float(np.quantile(found["tick"], 0.99)),
               "memory": found["most"], "growth": growth, "fill": beside}
    met = {"tick": figures["tick"] <= TICK_BAR, "slow tick": figures["slow tick"] <= TICK_BAR,
           "memory": figures["memory"] <= MEMORY_BAR, "growth": growth <= GROWTH_BAR, "fill": beside <= FILL_BAR}
    print(json.dumps({"figures": {name: round(value, 4) for name, value in figures.items()}, "met": met}))
    missed = [name for name, good in met.items() if not good]
    if missed:
        sys.exit("missed: " + ", ".join(missed))


if __name__ == "__main__":
    main()
