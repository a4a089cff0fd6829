"""Reads what real servers say of themselves: exporter, sidecar, Prometheus with our rules, and Alertmanager."""

from __future__ import annotations

import json
import random
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from sales_exporter.demo.binaries import Binaries
from sales_exporter.demo.history.servers import Page
from sales_exporter.demo.layout import JOBS, PORTS, Layout
from sales_exporter.demo.postgres import Login
from sales_exporter.demo.processes import Children
from sales_exporter.errors import StackError

BETWEEN = 12.0
"""Seconds between the two pages of a server."""
SETTLE = 180.0
EPHEMERAL = 32_768
"""From here on Linux gives ports to connections."""


def read(reader: Login, programs: Binaries, folder: Path) -> Mapping[str, Page]:
    """The pages of all our jobs but the application's, by job; takes about half a minute.

    Raises:
        StackError: a server did not come up, or the exporter was not ready with its ledger in time.
    """
    layout = Layout(folder, _offset())
    children = Children(layout.logs)
    try:
        _start(children, layout, reader, programs)
        for child in children.running:
            children.wait_ready(child)
        _wait(lambda: _settled(layout))
        first, began = _pages(layout), time.monotonic()
        _wait(lambda: time.monotonic() - began >= BETWEEN)
        second = _pages(layout)
        return {job: Page.of(first[job], second[job], time.monotonic() - began) for job in first}
    finally:
        children.stop()


def _start(children: Children, layout: Layout, reader: Login, programs: Binaries) -> None:
    configuration = layout.place_configuration()
    dsn = layout.secret("reader.dsn", reader.dsn)
    program: list[str | Path] = [sys.executable, "-m", "sales_exporter"]
    children.start("exporter", [
        *program, "serve", f"--web.listen-address=127.0.0.1:{layout.port('exporter')}", f"--database.dsn-file={dsn}",
        f"--storage.path={(layout.storage / 'ledger').resolve()}",
    ], folder=layout.storage, ready_url=f"{layout.url('exporter')}/-/ready")
    children.start("alertmanager", [
        programs.alertmanager, f"--config.file={configuration.parent.resolve() / 'alertmanager.yml'}",
        f"--storage.path={(layout.storage / 'alertmanager').resolve()}", "--cluster.listen-address=",
        f"--web.listen-address=127.0.0.1:{layout.port('alertmanager')}",
    ], folder=programs.alertmanager_folder, ready_url=f"{layout.url('alertmanager')}/-/ready")
    children.start("prometheus", [
        programs.prometheus, f"--config.file={configuration}", f"--storage.tsdb.path={layout.tsdb}",
        f"--web.listen-address=127.0.0.1:{layout.port('prometheus')}", *programs.prometheus_flags(),
    ], ready_url=f"{layout.url('prometheus')}/-/ready")
    children.start("sidecar", [
        *program, "sidecar", f"--web.listen-address=127.0.0.1:{layout.port('sidecar')}",
        f"--prometheus.url={layout.url('prometheus')}", f"--alertmanager.url={layout.url('alertmanager')}",
        f"--storage.path={(layout.storage / 'sidecar').resolve()}",
    ], folder=layout.storage, ready_url=f"{layout.url('sidecar')}/-/healthy")


def _settled(layout: Layout) -> bool:
    """Whether Prometheus has scraped every target, the ledger has its first figures and the sidecar judges."""
    targets = json.loads(_get(f"{layout.url('prometheus')}/api/v1/targets"))["data"]["activeTargets"]
    exporter, sidecar = _get(f"{layout.url('exporter')}/metrics"), _get(f"{layout.url('sidecar')}/metrics")
    return (len(targets) == len(JOBS) - 1 and all(target["health"] == "up" for target in targets)
            and "sales_funnel_leads{" in exporter and "sales_sidecar_tick_duration_seconds" in sidecar)


def _pages(layout: Layout) -> dict[str, str]:
    return {job: _get(f"{layout.url(server)}/metrics") for job, server in JOBS.items() if job != "application"}


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (our own loopback addresses)
        return str(answer.read().decode())


def _wait(done: Callable[[], bool]) -> None:
    limit = time.monotonic() + SETTLE
    while not done():
        if time.monotonic() > limit:
            raise StackError(f"the servers whose pages are read were not settled after {SETTLE:.0f} s")
        time.sleep(0.25)


def _offset() -> int:
    """A distance from the usual ports at which all of ours are free; a connection could take one above EPHEMERAL
    before its server does.
    """
    for offset in random.sample(range(1_000, EPHEMERAL - max(PORTS.values())), 50):
        if all(_free(port + offset) for port in PORTS.values()):
            return offset
    raise StackError("no free ports were found")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
