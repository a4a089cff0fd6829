"""How late an application's event loop is while its own /metrics is scraped: ours beside prometheus_client's.

    python benchmarks/scrape_in_process.py [--series 10000] [--rounds 9]

Series are sample lines, as Prometheus counts them, in the families that the middleware fills. A task that wakes up each
millisecond records how late it was at worst while one gzip scrape is answered in the same process; the first scrape,
which makes all texts, has a column of its own. The loop alone shows what the machine adds. Prints a table and a line of
JSON, and exits 1 when the median of ours is above 5 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import prometheus_client
from prometheus_client import CollectorRegistry

from sales_exporter.instrumentation.handlers import metrics_asgi
from sales_exporter.instrumentation.http import ACTIVE, HttpMeter
from sales_exporter.instrumentation.meter import Meter

BAR = 0.005
TICK = 0.001
SETTLE = 0.02
LINES_OF_A_ROUTE = 14 + 14 + 10 + 10
"""Buckets, sums and counts of the four histograms of a request."""

Scrape = Callable[[], Awaitable[int]]


def filled_meter(series: int) -> Meter:
    """A meter with as many lines of requests."""
    meter = Meter(limit=series)
    http = HttpMeter(meter)
    for number in range(series // LINES_OF_A_ROUTE):
        cells, _ = http.exchange("GET", f"/api/v1/accounts/{{account}}/orders{number}", 200, "http", "")
        for cell in (cells.duration, cells.first_byte, cells.received, cells.sent):
            cell[number % 7] += number
            cell[8] += number * 0.37
    http.active.cell("GET", "http")
    return meter


def filled_gauges(series: int) -> Meter:
    """A meter with one family of as many gauges: twelve times as many label sets."""
    meter = Meter(limit=series + 1)
    family = meter.family(ACTIVE)
    for number in range(series):
        family.cell(f"METHOD{number}", "http")[0] += number
    return meter


def filled_registry(series: int) -> CollectorRegistry:
    """The same lines in prometheus_client."""
    registry = CollectorRegistry()
    histogram = prometheus_client.Histogram(
        "http_server_request_duration_seconds", "Duration.", ["http_request_method", "http_route", "status", "scheme"],
        registry=registry, buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0))
    # A created series each comes with these.
    for number in range(series // 15):
        histogram.labels("GET", f"/api/v1/accounts/{{account}}/orders{number}", "200", "http").observe(0.03)
    return registry


def scraper(app: Any) -> Scrape:
    """One gzip scrape of an ASGI application; the number of bytes."""
    scope = {"type": "http", "method": "GET", "path": "/metrics", "query_string": b"", "headers": [
        (b"accept", b"application/openmetrics-text;version=1.0.0"), (b"accept-encoding", b"gzip")]}

    async def scrape() -> int:
        sizes: list[int] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            sizes.append(len(message.get("body", b"")))

        await app(scope, receive, send)
        return sum(sizes)

    return scrape


async def nothing() -> int:
    """The machine alone, for as long as a scrape takes."""
    await asyncio.sleep(0.05)
    return 0


async def lateness(scrape: Scrape) -> tuple[float, float, int]:
    """The worst lateness of a tick during one scrape, how long the scrape took, and its bytes."""
    worst, going = 0.0, True

    async def tick() -> None:
        nonlocal worst
        while going:
            due = time.perf_counter() + TICK
            await asyncio.sleep(TICK)
            worst = max(worst, time.perf_counter() - due)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(SETTLE)
    worst, began = 0.0, time.perf_counter()
    size = await scrape()
    took = time.perf_counter() - began
    await asyncio.sleep(2 * TICK)
    going = False
    await ticking
    return worst, took, size


async def measured(name: str, scrape: Scrape, rounds: int) -> dict[str, float | str]:
    """Several scrapes of one application; one row of the table."""
    gc.collect()
    first, *found = [await lateness(scrape) for _ in range(rounds + 1)]
    row: dict[str, float | str] = {
        "what": name, "first_ms": first[0] * 1e3, "median_ms": statistics.median(one[0] for one in found) * 1e3,
        "worst_ms": max(one[0] for one in found) * 1e3, "scrape_ms": statistics.median(one[1] for one in found) * 1e3,
        "bytes": first[2]}
    print(f"| {name} | {row['first_ms']:.2f} ms | {row['median_ms']:.2f} ms | {row['worst_ms']:.2f} ms "
          f"| {row['scrape_ms']:.1f} ms | {row['bytes']:,} |", flush=True)
    return row


async def run(series: int, rounds: int) -> list[dict[str, float | str]]:
    """All rows."""
    histograms = metrics_asgi(filled_meter(series), registry=None)
    gauges = metrics_asgi(filled_gauges(series), registry=None)
    theirs = prometheus_client.make_asgi_app(filled_registry(series))
    ours = "ours, "
    return [
        await measured("the loop alone", nothing, rounds),
        await measured(f"{ours}histograms of requests", scraper(histograms), rounds),
        await measured(f"{ours}gauges", scraper(gauges), rounds),
        await measured("prometheus_client make_asgi_app", scraper(theirs), rounds),
        await measured("prometheus_client's metrics on our page",
                       scraper(metrics_asgi(Meter(), registry=filled_registry(series))), rounds),
    ]


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    rounds = max(5, min(options.rounds, 200))
    print(f"Python {platform.python_version()}, {options.series:,} series, worst lateness of a 1 ms tick in {rounds} "
          "gzip scrapes\n")
    print("| what is scraped | first scrape | median | worst | scrape | bytes |")
    print("|---|---:|---:|---:|---:|---:|")
    rows = asyncio.run(run(min(options.series, 200_000), rounds))
    print("\n" + json.dumps({"series": options.series, "rounds": rounds, "rows": rows}))
    missed = [str(row["what"]) for row in rows if str(row["what"]).startswith("ours")
              and float(row["median_ms"]) > BAR * 1e3]
    if missed:
        sys.exit("missed: " + ", ".join(missed))


if __name__ == "__main__":
    main()
