"""What the sidecar's history costs, beside judging and with it: a tick, the fill, a warm start, and memory.

    python benchmarks/history.py [--series 10000] [--ticks 60] [--filled 400]

A server of its own process answers like Prometheus, with texts made before: ``--series`` series of twenty watches. A
tick asks all watches, reads the answers and puts the samples into slots. It is measured twice: with a detector that
only holds as many bytes as one may (12 KB a series) and keeps the last value, so that what is left of 500 ms is for
judging; and with the sidecar's detector, which has learned a day before, for an hour of ticks. The fill reads four
weeks of ``--filled`` series. Memory is that of a process of its own. Prints a table and a line of JSON, and exits 1
when a bar is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil
from aiohttp import web
from numpy.typing import NDArray

from sales_exporter.config import QueryApi
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.sidecar.detectors import Detector
from sales_exporter.sidecar.detectors.novelty import Novelty
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.history.history import History, Scope
from sales_exporter.sidecar.verdicts import Floats, Verdicts
from sales_exporter.sidecar.watches.watch import Watch

WATCHES = 20
BEGIN = 1_700_000_040.0
PAST = 1_500
"""Moments that the detector has learned before the ticks are measured."""
ANSWERS = 8
"""Answers of a watch, in turn."""
BYTES_A_SERIES = 12_000
TICK_BAR = 0.2
"""Seconds: 500 ms are the goal of a whole tick, of which the detector needs 300."""
WHOLE_BAR = 0.5
WARM_BAR = 2.0
FILL_BAR = 85
"""Series a second of CPU: four weeks of 10,000 series within two minutes, learning left out."""
MEMORY_BAR = 400 << 20
GROWTH_BAR = 8 << 20
"""Bytes that a third of the ticks may add to the least that was held in the third before: answers come and go."""


class Holder:
    """As large as a detector, and as idle as one can be."""

    channels = ("none",)

    def __init__(self) -> None:
        self.held = np.zeros((0, BYTES_A_SERIES // 4), dtype=np.float32)

    @property
    def size(self) -> int:
        return len(self.held)

    def admit(self, count: int) -> None:
        if count:
            self.held = np.concatenate([self.held, np.ones((count, self.held.shape[1]), np.float32)])

    def keep(self, which: NDArray[np.bool_]) -> None:
        self.held = self.held[which]

    def learn(self, times: Floats, values: Floats) -> None:
        self.held[:, 0] = values[:, -1]

    def update(self, at: float, values: Floats) -> Verdicts:
        self.held[:, 0] = values
        blank = np.full(self.size, np.nan)
        return Verdicts(blank, blank, blank, blank, blank, blank, np.zeros(self.size, np.int8))

    def state(self) -> Mapping[str, NDArray[Any]]:
        return {"held": self.held}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        self.held = state["held"]
        return self


def labels(watch: int, number: int) -> dict[str, str]:
    """Labels as long as ours are."""
    return {"cluster": "production", "tenant": "default", "job": "shop",
            "instance": f"10.0.{watch}.{number % 250}:8000", "http_request_method": "GET",
            "http_route": f"/api/v1/accounts/{{account}}/orders/{number}"}


def serve(pipe: Connection, series: int) -> None:
    """Answer queries q0, q1, … until killed; says its port first. Ranges are of as many points as asked for."""
    each = series // WATCHES
    rng = np.random.default_rng(3)
    instants = [[_answer("vector", [{"metric": labels(watch, number), "value": [1_700_000_000.123, f"{value!r}"]}
                                    for number, value in enumerate(rng.lognormal(size=each).tolist())])
                 for _ in range(ANSWERS)] for watch in range(WATCHES)]
    ranges: dict[int, str] = {}

    async def instant(request: web.Request) -> web.Response:
        form = await request.post()
        turn = int(float(str(form["time"])) // 60) % ANSWERS
        return web.Response(body=instants[int(str(form["query"])[1:])][turn], content_type="application/json")

    async def over(request: web.Request) -> web.Response:
        form = await request.post()
        start, end, step = (float(str(form[name])) for name in ("start", "end", "step"))
        count, watch = round((end - start) / step) + 1, int(str(form["query"]).partition("q")[2].split("\n")[0])
        if count not in ranges:
            # One text of values for all: the moments lie off the grid asked for, where the reader drops none of them.
            ranges[count] = ",".join(f'[{{}},"{value!r}"]' for value in rng.lognormal(size=count).tolist())
        values = ranges[count].format(*(f"{start + step * number:.3f}" for number in range(count)))
        body = ",".join(f'{{"metric":{json.dumps(labels(watch, number))},"values":[{values}]}}'
                        for number in range(each))
        body = f'{{"status":"success","data":{{"resultType":"matrix","result":[{body}]}}}}'
        return web.Response(text=body, content_type="application/json")

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


def _answer(kind: str, result: list[dict[str, Any]]) -> bytes:
    tree = {"status": "success", "data": {"resultType": kind, "result": result}}
    return json.dumps(tree, separators=(",", ":")).encode()


def taught(detector: Detector, series: int) -> None:
    """Have it learn more than a day, before which nothing is judged."""
    rng = np.random.default_rng(4)
    for start in range(-PAST, 0, 100):
        detector.learn(BEGIN + 60 * np.arange(start + 1.0, start + 101), rng.lognormal(size=(series, 100)))


async def measured(port: int, series: int, ticks: int, kind: Callable[[], Detector]) -> dict[str, float]:
    """Ticks, and a warm start from their snapshot."""
    clock, process = SystemClock(), psutil.Process()
    watches = [Watch(name=f"w{number}", query=f"q{number}") for number in range(WATCHES)]
    async with Client(QueryApi(url=f"http://127.0.0.1:{port}"), clock) as client:
        history = History(client, watches, kind, clock, Scope(series=series))
        first = await history.tick(BEGIN - 60 * (PAST + 1))
        taught(history.detector, len(history.ids))
        history.last = BEGIN
        spent, wall, memory = [], [], []
        for number in range(1, ticks + 1):
            cpu, start = process.cpu_times(), time.perf_counter()
            await history.tick(BEGIN + 60 * number)
            wall.append(time.perf_counter() - start)
            now = process.cpu_times()
            spent.append(now.user + now.system - cpu.user - cpu.system)
            memory.append(process.memory_info().rss)
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            history.save(Path(folder) / "history.npz")
            saved = time.perf_counter() - start
            again = History(client, watches, kind, Still((history.last or 0.0) + 60), Scope(series=series))
            start = time.perf_counter()
            again.load(Path(folder) / "history.npz")
            loaded = time.perf_counter() - start
            await again.tick((history.last or 0.0) + 60)
            warm = time.perf_counter() - start
    return {"series": len(history.ids), "first tick": first.seconds, "tick": statistics.median(wall),
            "slowest tick": max(wall), "CPU of a tick": statistics.median(spent), "save": saved, "load": loaded,
            "load and tick": warm, "memory": max(memory),
            "memory grown": min(memory[-ticks // 3:]) - min(memory[ticks // 3:-ticks // 3])}


async def filled(port: int) -> float:
    """Series a second of a fill of four weeks."""
    clock = SystemClock()
    watches = [Watch(name=f"w{number}", query=f"q{number}") for number in range(WATCHES)]
    async with Client(QueryApi(url=f"http://127.0.0.1:{port}", timeout=120), clock) as client:
        history = History(client, watches, Holder, clock)
        before = psutil.Process().cpu_times()
        await history.fill()
        after = psutil.Process().cpu_times()
    return len(history.ids) / (after.user + after.system - before.user - before.system)


class Still:
    """A clock that stands, so that a snapshot of made-up moments is not too old."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run(series: int, work: Callable[..., Coroutine[Any, Any, Any]], *more: Any) -> Any:
    """One measurement in a process of its own, against a server in another."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs, series), daemon=True)
    server.start()
    try:
        port = ours.recv()
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            return pool.submit(alone, work, port, *more).result()
    finally:
        server.terminate()
        server.join()


def alone(work: Callable[..., Coroutine[Any, Any, Any]], *more: Any) -> Any:
    """Run a coroutine to its end."""
    return asyncio.run(work(*more))


def shown(name: str, value: float) -> str:
    """A figure with its unit."""
    if name.startswith("memory"):
        return f"{value / 2**20:,.0f} MiB"
    return f"{value:,.0f}" if name.startswith("series") else f"{value:.3f} s"


def main() -> None:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--ticks", type=int, default=60)
    parser.add_argument("--filled", type=int, default=400)
    given = parser.parse_args()
    beside = run(given.series, measured, given.series, given.ticks, Holder)
    whole = run(given.series, measured, given.series, given.ticks, Novelty)
    filling = run(given.filled, filled)
    print(f"{'':<20} {'beside judging':>16} {'with it':>12}")
    for name, value in beside.items():
        print(f"{name:<20} {shown(name, value):>16} {shown(name, whole[name]):>12}")
    print(f"series filled per CPU second, learning left out: {filling:,.0f}")
    met = {"tick beside judging": beside["tick"] <= TICK_BAR, "whole tick": whole["tick"] <= WHOLE_BAR,
           "warm": whole["load and tick"] <= WARM_BAR, "memory": whole["memory"] <= MEMORY_BAR,
           "memory is flat": whole["memory grown"] <= GROWTH_BAR, "fill": filling >= FILL_BAR}
    rounded = {name: {key: round(value, 4) for key, value in found.items()}
               for name, found in (("beside", beside), ("whole", whole))}
    print(json.dumps({**rounded, "filled": round(filling, 1), "met": met}))
    missed = [name for name, good in met.items() if not good]
    if missed:
        sys.exit("missed: " + ", ".join(missed))


if __name__ == "__main__":
    main()
