"""How much faster a snapshot is rendered, packed and scraped than prometheus_client does it, in one run.

    python benchmarks/exposition.py [--sizes 1000,10000,100000] [--rounds 25] [--bar 8]

Rows are those of a sales funnel. Rounds of the contenders are interleaved; the figures are medians of CPU time, for
scrapes of the server's. Each render gets another snapshot than the one before: new objects, new numbers. Ours always
packs too, as a snapshot is served both ways. Prints a table, and exits 1 when a ratio is below the bar or when
prometheus_client's parser does not read back what was sent.

The rows that also make the samples have no bar: they measure the model more than the renderer. prometheus_client's
counterpart there sets every child.

``kept`` and ``fresh`` are factories for other harnesses: ``factory(rows, names)`` gets ``[(label values, number)]``
and the label names, and returns a function that gives the exposition as bytes. ``kept`` renders snapshots that were
made before; ``fresh`` makes its samples anew each time, as a pass does.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import http.client
import multiprocessing
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import cycle
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import prometheus_client
from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.parser import text_string_to_metric_families

from sales_exporter.collectors import Pass
from sales_exporter.config import Web
from sales_exporter.model import Sample, gauge
from sales_exporter.runtime.exposition import Format, Page, Renderer, join
from sales_exporter.runtime.web import serve

Row = tuple[tuple[str, ...], float]
Render = Callable[[], bytes]

NAME, HELP = "bi_pipeline_value_usd", "Open pipeline value."
LABELS = ("pipeline", "stage", "rep")
BARRED = ("render", "render, gzip", "gzip scrape over HTTP")
STAGES = ("new", "qualified", "demo", "proposal", "negotiation", "won", "lost", "nurture")


def funnel_rows(count: int) -> list[Row]:
    """That many label sets as a sales funnel has them, with their values."""
    return [
        ((f"pipeline-{i // 800}", STAGES[i % len(STAGES)], f"rep-{i // len(STAGES) % 100:03}"), 1000.0 + i * 1.37)
        for i in range(count)
    ]


def kept(rows: Sequence[Row], names: Sequence[str], *, packed: bool = False) -> Render:
    """Render one of two snapshots, in turn. They share no object but the metric."""
    metric, renderer = gauge(NAME, HELP, *names), Renderer()
    # A row of a database brings new strings with it.
    other = [(tuple(bytes(label, "utf-8").decode() for label in labels), value) for labels, value in rows]
    snapshots = cycle([[Sample(metric, labels, value) for labels, value in found] for found in (rows, other)])
    return lambda: join([renderer.render(next(snapshots))], "text", packed)


def fresh(rows: Sequence[Row], names: Sequence[str], *, packed: bool = False) -> Render:
    """Make new samples of the rows and render them."""
    metric, renderer = gauge(NAME, HELP, *names), Renderer()
    return lambda: join([renderer.render([Sample(metric, labels, value) for labels, value in rows])], "text", packed)


def their_kept(rows: Sequence[Row], names: Sequence[str], *, packed: bool = False) -> Render:
    """prometheus_client: children that are set once, rendered each time; gzip level 9, as its handlers do."""
    registry, _ = their_registry(rows, names)
    return lambda: their_bytes(registry, packed)


def their_fresh(rows: Sequence[Row], names: Sequence[str], *, packed: bool = False) -> Render:
    """prometheus_client: every child is set anew, then rendered."""
    registry, update = their_registry(rows, names)

    def render() -> bytes:
        update()
        return their_bytes(registry, packed)

    return render


def their_bytes(registry: prometheus_client.CollectorRegistry, packed: bool) -> bytes:
    """What its handlers send."""
    text = prometheus_client.generate_latest(registry)
    return gzip.compress(text) if packed else text


def their_registry(
    rows: Sequence[Row], names: Sequence[str]
) -> tuple[prometheus_client.CollectorRegistry, Callable[[], None]]:
    """A registry with one gauge, and what sets all its children anew."""
    registry = prometheus_client.CollectorRegistry()
    child = prometheus_client.Gauge(NAME, HELP, names, registry=registry)

    def update() -> None:
        for labels, value in rows:
            child.labels(*labels).set(value)

    update()
    return registry, update


class Shown:
    """What our server serves in the benchmark: one page."""

    names = frozenset({"bench"})
    passes: Mapping[str, Pass] = {}
    ready = True
    replay = False
    as_of = 0.0

    def __init__(self, page: Page) -> None:
        self._pages = {(kind, packed): join([page], kind, packed)
                       for kind in ("text", "openmetrics") for packed in (False, True)}

    def exposition(self, kind: Format, packed: bool, only: frozenset[str] | None) -> bytes:
        return self._pages[kind, packed]

    async def reload(self) -> None:
        return None


def serve_ours(count: int, port: Connection) -> None:
    """Our server, in a process of its own."""
    metric = gauge(NAME, HELP, *LABELS)
    page = Renderer().render([Sample(metric, labels, value) for labels, value in funnel_rows(count)])

    async def run() -> None:
        running = await serve(Shown(page), Web(listen_address=("127.0.0.1:0",)))
        port.send(int(running.addresses[0].rpartition(":")[2]))
        await asyncio.Event().wait()

    asyncio.run(run())


def serve_theirs(count: int, port: Connection) -> None:
    """prometheus_client's aiohttp handler, in a process of its own."""
    registry, _ = their_registry(funnel_rows(count), LABELS)

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/metrics", make_aiohttp_handler(registry))
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port.send(int(runner.addresses[0][1]))
        await asyncio.Event().wait()

    asyncio.run(run())


class Server:
    """A server process, and scrapes of it over one connection."""

    def __init__(self, target: Callable[[int, Connection], None], count: int) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(target=target, args=(count, theirs), daemon=True)
        self._process.start()
        if not ours.poll(60):
            raise RuntimeError("the server did not start")
        self.port: int = ours.recv()
        self._client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._process.terminate()
        self._process.join()

    def scrape(self) -> bytes:
        """One gzip scrape, as it came."""
        for _ in range(2):
            try:
                self._client.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
                return self._client.getresponse().read()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                # Idle connections are closed; the next scrape opens another.
                self._client.close()
        raise RuntimeError("the server answers no more")

    def cpu(self) -> float:
        """Seconds of CPU that the process has used, from its POSIX clock."""
        return time.clock_gettime((~self.pid << 3) | 2)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid


Action = tuple[Callable[[], bytes], Callable[[], float]]


def medians(actions: Mapping[str, Action], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each action; rounds are interleaved."""
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for action, _ in actions.values():
        action()
    for _ in range(rounds):
        for name, (action, cpu) in actions.items():
            began = cpu()
            action()
            taken[name].append(cpu() - began)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def measured(count: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Task to median seconds of ours and of theirs."""
    rows = funnel_rows(count)
    with ExitStack() as stack:
        ours, theirs = (stack.enter_context(Server(target, count)) for target in (serve_ours, serve_theirs))
        pairs: dict[str, tuple[Action, Action]] = {
            "render": _pair(kept(rows, LABELS), their_kept(rows, LABELS)),
            "make samples, render": _pair(fresh(rows, LABELS), their_fresh(rows, LABELS)),
            "render, gzip": _pair(kept(rows, LABELS, packed=True), their_kept(rows, LABELS, packed=True)),
            "make samples, render, gzip": _pair(
                fresh(rows, LABELS, packed=True), their_fresh(rows, LABELS, packed=True)),
            "gzip scrape over HTTP": ((ours.scrape, ours.cpu), (theirs.scrape, theirs.cpu)),
        }
        for task, pair in pairs.items():
            check(task, *(action() for action, _ in pair))
        flat = {f"{task}/{side}": action for task, pair in pairs.items()
                for side, action in zip(("ours", "theirs"), pair, strict=True)}
        found = medians(flat, rounds)
    return {task: (found[f"{task}/ours"], found[f"{task}/theirs"]) for task in pairs}


def _pair(ours: Render, theirs: Render) -> tuple[Action, Action]:
    return (ours, time.process_time), (theirs, time.process_time)


def check(task: str, ours: bytes, theirs: bytes) -> None:
    """End with status 1 unless both expositions hold the same samples for prometheus_client's own parser."""
    found = []
    for raw in (ours, theirs):
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
        found.append({(sample.name, *sorted(sample.labels.items())): sample.value
                      for family in text_string_to_metric_families(text) for sample in family.samples})
    if found[0] != found[1] or not found[0]:
        sys.exit(f"{task}: prometheus_client reads back other samples than were sent")


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--bar", type=float, default=8.0)
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, prometheus_client against ours, median CPU time\n")
    print("| series | task | prometheus_client | ours | ratio |\n|---:|---|---:|---:|---:|")
    missed = 0
    for count in map(int, options.sizes.split(",")):
        for task, (ours, theirs) in measured(count, max(5, min(options.rounds, 400_000 // count))).items():
            ratio = theirs / ours
            missed += ratio < options.bar and task in BARRED
            print(f"| {count:,} | {task} | {theirs * 1e3:,.2f} ms | {ours * 1e3:,.2f} ms | {ratio:.1f} |", flush=True)
    if missed:
        sys.exit(f"{missed} ratios are below {options.bar:g}")


if __name__ == "__main__":
    main()
