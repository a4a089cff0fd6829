"""A thousand clients of one stream on loopback, and fifty that never read: how late they hear of a change.

    python benchmarks/streams.py [--clients 1000] [--stuck 50] [--seconds 60] [--json FILE]

The server runs in a process of its own and publishes twenty changed states of about 150 bytes each second, so the
fifty that never read are soon behind. The clients are one process, whose own work is part of what is measured: from
the moment of publishing to the moment at which a client has read the last of the twenty. Prints a table and JSON, and
exits 1 when a goal is missed: p99 at most 250 ms, no client without the newest state, RSS of the server at most 200 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import multiprocessing.connection
import re
import socket
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from sales_exporter.collectors import Pass
from sales_exporter.config import Web
from sales_exporter.runtime import descriptors
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.runtime.exposition import Format
from sales_exporter.runtime.landing import EXPORTER
from sales_exporter.runtime.parts import Route
from sales_exporter.runtime.streams import Slots, Stream
from sales_exporter.runtime.web import serve

KEYS = 20
GOAL_SECONDS, GOAL_BYTES = 0.25, 200e6
REQUEST = b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = re.compile(rb'"key":"19","state":\{"sent":([0-9.]+),"round":([0-9]+)')


class Nothing:
    """A server with a stream and no metrics."""

    names: frozenset[str] = frozenset()
    passes: Mapping[str, Pass] = {}
    ready, words, as_of, replay = True, EXPORTER, 0.0, False

    def __init__(self, places: int) -> None:
        self.stream = Stream(Slots(places), SystemClock())

    @property
    def routes(self) -> Sequence[Route]:
        return (Route(("GET",), "/stream", self.stream.answer),)

    def exposition(self, kind: Format, packed: bool, only: frozenset[str] | None) -> bytes:
        return b""

    async def reload(self) -> None:
        """There is nothing to read."""


def run_server(pipe: multiprocessing.connection.Connection, places: int) -> None:
    """Serve; publish for as many seconds as the other side says, then tell how many still follow."""
    asyncio.run(publish(pipe, places))


async def publish(pipe: multiprocessing.connection.Connection, places: int) -> None:
    loop, shown = asyncio.get_running_loop(), Nothing(places)
    settings = Web(listen_address=("127.0.0.1:0",), max_connections=places + 10,
                   max_connections_per_address=places + 10)
    running = await serve(shown, settings, parts=[shown])
    pipe.send(int(running.addresses[0].rpartition(":")[2]))
    for number in range(await loop.run_in_executor(None, pipe.recv)):
        now = time.monotonic()
        for key in range(KEYS):
            shown.stream.publish("value", str(key), {"sent": now, "round": number, "unit": "ratio", "state": "ok",
                                                     "lower": 0.1 * number, "value": 0.2 * number, "n": number})
        await asyncio.sleep(max(0.0, 1.0 - (time.monotonic() - now)))
    # The newest state has its time, too.
    await asyncio.sleep(1.0)
    pipe.send(shown.stream.clients)
    await loop.run_in_executor(None, pipe.recv)
    await running.close()


class Client(asyncio.Protocol):
    """Follows the stream, and notes how late it hears of the last state of each round."""

    def __init__(self, delays: list[float]) -> None:
        self._delays = delays
        self._tail = b""
        self.round = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        now, text = time.monotonic(), self._tail + data
        self._tail = text[-200:]
        for found in LAST.finditer(text):
            number = int(found[2])
            if number > self.round:
                self.round = number
                self._delays.append(now - float(found[1]))


async def follow(
    port: int, clients: int, stuck: int, seconds: int, pipe: multiprocessing.connection.Connection
) -> tuple[list[float], float, list[int], int]:
    """Delays, seconds that connecting took, last rounds of all clients, and how many the server still has."""
    loop = asyncio.get_running_loop()
    delays: list[float] = []
    silent = []
    for _ in range(stuck):
        silent.append(socket.socket())
        # Otherwise the kernel would take for them what comes within a minute.
        silent[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent[-1].connect(("127.0.0.1", port))
        silent[-1].sendall(REQUEST)
    began = time.monotonic()
    protocols = [(await loop.create_connection(lambda: Client(delays), "127.0.0.1", port))[1] for _ in range(clients)]
    took = time.monotonic() - began
    pipe.send(seconds)
    left = await loop.run_in_executor(None, pipe.recv)
    for opened in silent:
        opened.close()
    return delays, took, [protocol.round for protocol in protocols], left


def measured(clients: int, stuck: int, seconds: int) -> dict[str, float]:
    """One run."""
    descriptors.allow(clients + stuck)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=run_server, args=(theirs, clients + stuck))
    server.start()
    process, port = psutil.Process(server.pid), ours.recv()
    empty = process.memory_info().rss
    try:
        delays, took, rounds, left = asyncio.run(follow(port, clients, stuck, seconds, ours))
        rss, cpu = process.memory_info().rss, sum(process.cpu_times()[:2])
    finally:
        ours.send(None)
        server.join(10)
    cuts = statistics.quantiles(delays, n=1000)
    return {
        "clients": clients, "stuck": stuck, "seconds": seconds, "connect_seconds": took, "delivered": len(delays),
        "expected": clients * seconds, "without_newest": sum(last < seconds - 1 for last in rounds),
        "p50": cuts[499], "p90": cuts[899], "p99": cuts[989], "worst": max(delays), "stuck_cut": clients + stuck - left,
        "rss_empty": empty, "rss": rss, "cpu_seconds": cpu, "load": psutil.getloadavg()[0],
    }


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--stuck", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    got = measured(options.clients, options.stuck, min(options.seconds, 600))
    print("| clients | that never read | delivered | p50 | p90 | p99 | worst | RSS | CPU | load |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    late = " | ".join(f"{got[name] * 1e3:.0f} ms" for name in ("p50", "p90", "p99", "worst"))
    print(f"| {got['clients']:,} | {got['stuck']}, {got['stuck_cut']} cut "
          f"| {got['delivered']:,} of {got['expected']:,} "
          f"| {late} | {got['rss'] / 1e6:.0f} MB | {got['cpu_seconds']:.0f} s | {got['load']:.1f} |")
    print(json.dumps(got))
    if options.json is not None:
        options.json.write_text(json.dumps(got) + "\n")
    if got["p99"] > GOAL_SECONDS or got["rss"] > GOAL_BYTES or got["without_newest"]:
        sys.exit("missed: p99, RSS or a client without the newest state")


if __name__ == "__main__":
    main()
