"""How quickly scrapes are answered on loopback: alone, and with fifty clients at once.

    python benchmarks/scrape.py [--series 2000,10000] [--seconds 5] [--clients 50]
    python benchmarks/scrape.py --running 18880          # one client at an exporter that runs, such as the demo's

The server runs in a process of its own; the clients keep their connections and ask for gzip, as Prometheus does. For
more clients than one address may hold, they come from several addresses of loopback. Bounded in time and in number
of requests. Prints a table, and exits 1 when a goal is missed: p50 of a client alone at most 2 ms, at 2,000 series and
at the running exporter; at 10,000 series at least 500 scrapes a second, p99 below 100 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import sys
import time
from dataclasses import dataclass

import psutil
from exposition import Server, serve_ours

MOST_REQUESTS = 50_000
PER_ADDRESS = 25
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: bench\r\nAccept-Encoding: gzip\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Result:
    """What one run found. Seconds, bytes."""

    latencies: list[float]
    seconds: float
    cpu: float
    memory: int

    @property
    def rate(self) -> float:
        """Scrapes a second."""
        return len(self.latencies) / self.seconds

    @property
    def median(self) -> float:
        """Half of the scrapes took at most this."""
        return statistics.median(self.latencies)

    @property
    def p99(self) -> float:
        """All but one in a hundred took at most this."""
        return statistics.quantiles(self.latencies, n=100)[98]


async def client(port: int, number: int, until: float, found: list[float]) -> None:
    """Scrape over one connection, one after another, until the time is up."""
    origin = (f"127.0.0.{1 + number // PER_ADDRESS}", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=origin, limit=1 << 20)
    while time.monotonic() < until and len(found) < MOST_REQUESTS:
        began = time.perf_counter()
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        found.append(time.perf_counter() - began)
    writer.close()


def at_running(port: int, seconds: float) -> Result:
    """One client at an exporter that somebody else started."""
    listening = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr.port == port]
    if not listening or listening[0].pid is None:
        sys.exit(f"nothing of ours listens on port {port}; start it with: make demo")
    process = psutil.Process(listening[0].pid)
    found: list[float] = []
    cpu, began = sum(process.cpu_times()[:2]), time.monotonic()
    asyncio.run(client(port, 0, began + seconds, found))
    took = time.monotonic() - began
    return Result(found, took, sum(process.cpu_times()[:2]) - cpu, process.memory_info().rss)


def measured(series: int, clients: int, seconds: float) -> Result:
    """One run against a fresh server."""
    with Server(serve_ours, series) as server:
        found: list[float] = []

        async def run() -> None:
            until = time.monotonic() + seconds
            await asyncio.gather(*(client(server.port, number, until, found) for number in range(clients)))

        server.scrape()
        cpu, began = server.cpu(), time.monotonic()
        asyncio.run(run())
        took = time.monotonic() - began
        return Result(found, took, server.cpu() - cpu, psutil.Process(server.pid).memory_info().rss)


def print_row(what: str, clients: int, got: Result) -> None:
    """One row of the table."""
    print(f"| {what} | {clients} | {got.rate:,.0f} | {got.median * 1e3:.2f} ms | {got.p99 * 1e3:.1f} ms "
          f"| {got.cpu / len(got.latencies) * 1e3:.2f} ms | {got.memory / 2**20:.0f} MiB |", flush=True)


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", default="2000,10000")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--running", type=int, metavar="PORT")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, gzip scrapes over loopback\n")
    print("| series | clients | scrapes/s | p50 | p99 | CPU of a scrape | memory |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    missed = []
    if options.running is not None:
        got = at_running(options.running, min(options.seconds, 60.0))
        print_row("running", 1, got)
        sys.exit("missed: p50" if got.median > 0.002 else 0)
    for series in map(int, options.series.split(",")):
        for clients in (1, options.clients):
            got = measured(series, clients, min(options.seconds, 60.0))
            print_row(f"{series:,}", clients, got)
            if clients == 1 and series <= 2000 and got.median > 0.002:
                missed.append(f"p50 at {series} series")
            if clients > 1 and series >= 10_000 and (got.rate < 500 or got.p99 >= 0.1):
                missed.append(f"rate or p99 at {series} series with {clients} clients")
    if missed:
        sys.exit("missed: " + ", ".join(missed))


if __name__ == "__main__":
    main()
