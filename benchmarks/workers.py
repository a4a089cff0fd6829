"""How long a scrape takes to merge what several workers have counted, before and after very many were recycled.

    python benchmarks/workers.py [--workers 16] [--routes 200] [--recycled 1000] [--rounds 31] [--bar 20]
                                 [--growth 1.2]

Real processes: the live workers, and those that are recycled, one after the other, each killed with SIGKILL. All of
them count the same requests in a SharedStore and in the multiprocess mode of prometheus_client, the four histograms of
HTTP for each route. Each worker meets the routes in another order. Times are medians, of CPU and of wall, of a merge
whose keys were read before, as they are from the second scrape on; the first is shown too. Growth is measured against a
store of the same live workers in which nobody is ever recycled, in turns, so that the machine's mood is not in it.

Prints a table and one line of JSON, and exits 1 when a merge takes more CPU than the bar (milliseconds), when it takes
``growth`` times as long after the recycling, when a total ever fell, or when the two sides tell different totals.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import statistics
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sales_exporter.instrumentation.http import DURATION, FIRST_BYTE, RECEIVED, SENT, HttpMeter
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.workers import SharedStore

HISTOGRAMS = (DURATION, FIRST_BYTE, RECEIVED, SENT)
ROUTES_RECYCLED = 20
"""Routes that a recycled worker has answered."""
Totals = dict[tuple[str, ...], float]


class Peer:
    """The same histograms in prometheus_client, in its mode for several processes."""

    def __init__(self, directory: Path) -> None:
        # Read when it is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
        import prometheus_client  # noqa: PLC0415
        from prometheus_client import multiprocess  # noqa: PLC0415
        self._directory = str(directory)
        self._merge = multiprocess.MultiProcessCollector
        self._registry = prometheus_client.CollectorRegistry
        self.histograms = [
            prometheus_client.Histogram(metric.name, metric.help, metric.labels, buckets=metric.bounds, registry=None)
            for metric in HISTOGRAMS]

    def collect(self) -> list[Any]:
        """What its scrape merges."""
        return list(self._merge(self._registry(), path=self._directory).collect())

    def totals(self) -> Totals:
        """Counts by metric and route."""
        return {(family.name, sample.labels["http_route"]): sample.value for family in self.collect()
                for sample in family.samples if sample.name.endswith("_count")}


def count(store: SharedStore, peer: Peer | None, seed: int, routes: list[int]) -> None:
    """One worker's requests: three for each route."""
    chance, http = random.Random(seed), HttpMeter(Meter(store))
    for route in chance.sample(routes, len(routes)):
        template = f"/api/v1/accounts/{{account}}/things-{route}"
        exchange, _ = http.exchange("GET", template, 200, "http", "")
        cells = (exchange.duration, exchange.first_byte, exchange.received, exchange.sent)
        for place, (metric, cell) in enumerate(zip(HISTOGRAMS, cells, strict=True)):
            labels = ("GET", template, "200", "http", "")[:len(metric.labels)]
            for _ in range(3):
                value = metric.bounds[-1] * chance.random() ** 4
                cell[bisect_left(metric.bounds, value)] += 1
                cell[len(metric.bounds) + 1] += value
                if peer is not None:
                    peer.histograms[place].labels(*labels).observe(value)


@contextmanager
def living(store: SharedStore, control: SharedStore, peer: Peer, workers: int, routes: int) -> Iterator[None]:
    """Workers that have counted, and stay."""
    pids = []
    for seed in range(workers):
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            count(store, peer, seed, list(range(routes)))
            count(control, None, seed, list(range(routes)))
            os.write(write, b"x")
            signal.pause()
        pids.append(pid)
        os.close(write)
        if os.read(read, 1) != b"x":
            sys.exit("a worker did not start")
        os.close(read)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def recycle(store: SharedStore, peer: Peer, times: int, routes: int) -> tuple[int, int, list[float]]:
    """Kill so many workers. Tells how often a number fell, the most files there were, and the times of scrapes."""
    fell, most, last, taken = 0, 0, dict[object, list[float]](), list[float]()
    for seed in range(times):
        pid = os.fork()
        if not pid:
            chosen = random.Random(seed).sample(range(routes), min(routes, ROUTES_RECYCLED))
            count(store, peer, 10_000 + seed, chosen)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        most = max(most, len(os.listdir(store_directory)))
        began = time.process_time()
        now = {(metric.name, labels): list(numbers) for metric, labels, numbers in store.rows()}
        taken.append(time.process_time() - began)
        fell += any(new < old for key, numbers in last.items()
                    for old, new in zip(numbers, now.get(key, [-1.0]), strict=False))
        last = now
    return fell, most, taken


def timed(action: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median milliseconds of CPU and of wall."""
    action()
    cpu, wall = [], []
    for _ in range(rounds):
        began = time.process_time(), time.perf_counter()
        action()
        cpu.append(time.process_time() - began[0])
        wall.append(time.perf_counter() - began[1])
    return statistics.median(cpu) * 1e3, statistics.median(wall) * 1e3


def growth(store: SharedStore, control: SharedStore, rounds: int) -> float:
    """Median of how much longer the one takes to merge than the other."""
    found = []
    for _ in range(rounds):
        spent = [_once(lambda each=each: list(each.rows())) for each in (store, control)]
        found.append(spent[0] / spent[1])
    return statistics.median(found)


def totals(store: SharedStore) -> Totals:
    """Counts by metric and route."""
    return {(metric.name, labels[1]): sum(numbers[:-1]) for metric, labels, numbers in store.rows()
            if metric in HISTOGRAMS}


def size(directory: Path) -> tuple[int, int]:
    """Files of a directory, and the bytes that they take on the disk."""
    found = [path.stat() for path in directory.iterdir()]
    return len(found), sum(each.st_blocks * 512 for each in found)


def measured(
    options: argparse.Namespace, store: SharedStore, control: SharedStore, peer: Peer, theirs: Path
) -> dict[str, float]:
    """All figures."""
    found: dict[str, float] = {}
    with living(store, control, peer, options.workers, options.routes):
        found["first_ms"] = _once(lambda: SharedStore(store_directory).rows())
        for moment, rounds in (("before", 7), ("after", 1)):
            if moment == "after":
                fell, most, taken = recycle(store, peer, options.recycled, options.routes)
                found |= {"fell": fell, "most_files": most, "fold_ms": statistics.median(taken) * 1e3 if taken else 0.0}
            found[f"{moment}_cpu_ms"], found[f"{moment}_wall_ms"] = timed(lambda: list(store.rows()), options.rounds)
            found[f"{moment}_files"], found[f"{moment}_bytes"] = size(store_directory)
            found[f"peer_{moment}_cpu_ms"], found[f"peer_{moment}_wall_ms"] = timed(peer.collect, rounds)
            found[f"peer_{moment}_files"], found[f"peer_{moment}_bytes"] = size(theirs)
            found[f"growth_{moment}"] = growth(store, control, 2 * options.rounds)
            found[f"differences_{moment}"] = float(totals(store) != peer.totals())
    return found


def _once(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return (time.process_time() - began) * 1e3


def main() -> None:
    """Measure, print, judge."""
    global store_directory
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--routes", type=int, default=200)
    parser.add_argument("--recycled", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--bar", type=float, default=20.0)
    parser.add_argument("--growth", type=float, default=1.2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store_directory, theirs = Path(folder) / "ours", Path(folder) / "theirs"
        theirs.mkdir()
        control = SharedStore(Path(folder) / "control")
        found = measured(options, SharedStore(store_directory), control, Peer(theirs), theirs)
    print(f"Python {platform.python_version()}, {options.workers} workers x {options.routes} routes x 4 histograms, "
          f"{options.recycled} recycled\n\n| merge | CPU | wall | files | on disk |\n|---|---:|---:|---:|---:|")
    for moment in ("before", "after"):
        for name, key in (("SharedStore", moment), ("prometheus_client", f"peer_{moment}")):
            print(f"| {name}, {moment} | {found[f'{key}_cpu_ms']:,.1f} ms | {found[f'{key}_wall_ms']:,.1f} ms | "
                  f"{found[f'{key}_files']:,.0f} | {found[f'{key}_bytes'] / 1024:,.0f} KiB |")
    grown = found["growth_after"] / found["growth_before"]
    print(f"\nafter / before {grown:.2f}; first scrape of a process {found['first_ms']:.1f} ms of CPU; a scrape that "
          f"folds {found['fold_ms']:.1f} ms of CPU; at most {found['most_files']:.0f} files; "
          f"totals fell {found['fell']:.0f} times\n")
    print(json.dumps({"growth": grown, **found}))
    if (max(found["before_cpu_ms"], found["after_cpu_ms"]) > options.bar or grown > options.growth
            or found["fell"] or found["differences_before"] or found["differences_after"]):
        sys.exit("a bar was missed")


store_directory = Path()

if __name__ == "__main__":
    main()
