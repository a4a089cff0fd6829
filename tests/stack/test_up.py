"""``up`` with the real servers: ready, healthy, honest when the database goes away, and gone when it is stopped."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from sales_exporter.demo.layout import PORTS
from sales_exporter.demo.traffic import RATE

pytestmark = [pytest.mark.stack, pytest.mark.postgres, pytest.mark.timeout(600)]

Summary = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
SCRAPE_SECONDS = 10
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
SETS = {"olist": "olist-funnel", "crm": "crm-opportunities", "bank": "bank-calls"}
"""Real data sets and their folders."""
TARGETS = 4.0
"""Exporter, sidecar, Prometheus and Alertmanager: there is no application without the invented company."""


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


GIVEN: set[int] = set()
"""Ports that a stack of this module was given before."""


def offset() -> int:
    """A port offset at which all ports were free a moment ago, and none was given to another stack.

    It stays below the ports that the system gives to connections: one of another test could take a port before its
    server does.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        shift = random.randrange(1_000, first - max(PORTS.values()))
        ports = {port + shift for port in PORTS.values()}
        if not ports & GIVEN and all(map(is_free, ports)):
            GIVEN.update(ports)
            return shift


def up(folder: Path, *flags: str) -> list[str]:
    return [sys.executable, "-m", "sales_exporter", "up", f"--storage.path={folder}", *flags]


def smoke(folder: Path, *flags: str) -> Summary:
    command = up(folder, "--smoke", f"--port-offset={offset()}", *flags)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


class Running:
    """A stack that keeps running."""

    def __init__(self, folder: Path, data: str) -> None:
        self.shift = offset()
        self.folder = folder
        self.said = folder / "said.txt"
        with self.said.open("w") as said:
            self.child = subprocess.Popen(up(folder, f"--data={data}", f"--port-offset={self.shift}"), stdout=said,
                                          stderr=said, cwd=ROOT)

    def fetch(self, server: str, path: str) -> str:
        address = f"http://127.0.0.1:{PORTS[server] + self.shift}{path}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return str(answer.read().decode())

    def query(self, expression: str, label: str = "source") -> dict[str, float]:
        """Values by a label of an instant query."""
        text = self.fetch("prometheus", "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        return {r["metric"].get(label, ""): float(r["value"][1]) for r in json.loads(text)["data"]["result"]}

    def requests(self) -> float:
        """Requests that the application has answered."""
        lines = self.fetch("application", "/metrics").splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines
                   if line.startswith("http_server_request_duration_seconds_count{"))

    def until(self, condition: Callable[[], bool], seconds: float = 60) -> float:
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            try:
                if condition():
                    return time.monotonic() - began
            except OSError:
                assert self.child.poll() is None, self.said.read_text()
            time.sleep(0.1)
        raise AssertionError(f"the condition did not come true: {self.targets()}\n{self.said.read_text()}")

    def targets(self) -> list[tuple[str, str, str, str]]:
        """What Prometheus scrapes, and why that failed."""
        found = json.loads(self.fetch("prometheus", "/api/v1/targets"))["data"]["activeTargets"]
        return [(t["scrapeUrl"], t["health"], t["lastError"], t["lastScrape"]) for t in found]

    @property
    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.child.pid).children(recursive=True)

    def commands(self) -> list[tuple[psutil.Process, list[str]]]:
        """Its processes with their command lines; backends of the database come and go meanwhile."""
        found = []
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                found.append((process, process.cmdline()))
        return found

    def postmaster(self) -> psutil.Process:
        return next(p for p, words in self.commands() if words and words[0].endswith("postgres") and "-D" in words)


def prepared(folder: Path) -> Path:
    """The folder with the servers in it, to which PostgreSQL's own user gets."""
    for part in (folder, *folder.parents):
        if part.name.startswith("pytest-") or part == folder:
            part.chmod(0o711)
    (folder / "servers").symlink_to(ROOT / ".sales-exporter" / "servers")
    return folder


@contextmanager
def started(folder: Path, data: str) -> Iterator[Running]:
    stack = Running(prepared(folder), data)
    yield stack
    if stack.child.poll() is None:
        stack.child.send_signal(signal.SIGINT)
        stack.child.wait(40)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With an empty schema; a test leaves it healthy."""
    with started(tmp_path_factory.mktemp("running"), "none") as stack:
        yield stack


@pytest.fixture(scope="module")
def doomed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[signal.Signals, Running]]:
    """The same, one for each way to be stopped. They start at once, because a start is mostly waiting."""
    with ExitStack() as stacks:
        yield {how: stacks.enter_context(started(tmp_path_factory.mktemp(how.name), "none")) for how in SIGNALS}


@pytest.fixture(scope="module")
def summaries(data_sets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Future[Summary]]]:
    """What a stack on each of the real data sets says of itself; they run at once."""
    pool = ThreadPoolExecutor(len(SETS))
    yield {data: pool.submit(smoke, prepared(tmp_path_factory.mktemp(data)), f"--data={data}",
                             f"--data.path={data_sets / folder}") for data, folder in SETS.items()}
    pool.shutdown(cancel_futures=True)


@pytest.fixture
def lively(tmp_path: Path) -> Iterator[Running]:
    """With the invented company, an application and its traffic, but without a past: that takes a minute to make."""
    (tmp_path / "demo.json").write_text('{"data": "generated", "past": {}}')
    with started(tmp_path, "generated") as stack:
        yield stack


def test_a_stack_with_an_empty_schema_is_healthy(running: Running) -> None:
    running.until(lambda: running.query("count(up == 1)") == {"": TARGETS})
    running.until(lambda: "Watchdog" in running.fetch("alertmanager", "/api/v2/alerts"))
    running.until(lambda: running.query('sales_source_up{source="postgres"}') == {"postgres": 1.0})


def test_when_postgresql_stops_scrapes_go_on_and_it_is_said_within_one_interval(running: Running) -> None:
    running.until(lambda: 'sales_source_up{source="postgres"} 1' in running.fetch("exporter", "/metrics"))
    os.kill(running.postmaster().pid, signal.SIGSTOP)
    for child in running.postmaster().children():
        os.kill(child.pid, signal.SIGSTOP)
    frozen = running.postmaster()
    try:
        taken: list[float] = []

        def down() -> bool:
            began = time.perf_counter()
            page = running.fetch("exporter", "/metrics")
            taken.append(time.perf_counter() - began)
            return 'sales_source_up{source="postgres"} 0' in page

        # One interval of the source collector, and the deadline of a pass.
        assert running.until(down) < SCRAPE_SECONDS + 6
        assert statistics.median(taken) < 0.05
    finally:
        for process in (frozen, *frozen.children()):
            process.resume()
    running.until(lambda: 'sales_source_up{source="postgres"} 1' in running.fetch("exporter", "/metrics"))


@pytest.mark.parametrize("how", SIGNALS)
def test_stopping_it_leaves_no_process_behind(doomed: Mapping[signal.Signals, Running], how: signal.Signals) -> None:
    running = doomed[how]
    running.until(lambda: running.query("count(up == 1)") == {"": TARGETS}, 120)
    running.postmaster()
    before = running.processes
    running.child.send_signal(how)
    running.child.wait(40)
    assert psutil.wait_procs(before, timeout=20)[1] == []


def test_an_application_is_scraped_under_traffic_and_gone_when_it_is_stopped(lively: Running) -> None:
    lively.until(lambda: lively.query('up{job="application"}') == {"": 1.0}, 120)
    began, first = time.monotonic(), lively.requests()
    count = 'http_server_request_duration_seconds_count{job="application", cluster="demo", tenant="default"}'
    routes = {"/api/v1/leads/{lead_id}/score", "/api/v1/leads/{lead_id}", "/webhooks/calls", "unmatched"}
    grown = f"sum by (http_route) (increase({count}[1m])) > 0"
    lively.until(lambda: lively.query(grown, "http_route").keys() >= routes, 120)
    assert lively.query("http_server_streams_open", "kind") == {"sse": 2.0}
    assert lively.query("websocket_server_connections_open") == {"": 2.0}
    assert 0 < lively.requests() - first <= RATE * (time.monotonic() - began) + 5
    predicted = 'sales_model_predictions_total{model="lead-scoring-example"}'
    lively.until(lambda: lively.query(f"{predicted} > 0", "model") != {})
    page = lively.fetch("application", "/metrics")
    assert "sales_recorder_written_rows_total{" in page
    assert not re.search(r"^(sales_recorder_dropped_rows_total|instrumentation_errors_total)\{.*\} [1-9]", page, re.M)
    with psycopg.connect((lively.folder / "secrets/owner.dsn").read_text()) as database:
        [(known, calls)] = database.execute(
            "SELECT (SELECT count(*) FROM sales.model_predictions WHERE model = 'lead-scoring-example'),"
            " (SELECT count(*) FROM sales.calls WHERE call_id LIKE 'demo-%')").fetchall()
    assert known > 0
    # The company's own books stay as they are.
    assert calls == 0
    before = lively.processes
    assert sum("traffic" in words or "uvicorn" in words for _, words in lively.commands()) == 2
    lively.child.send_signal(signal.SIGINT)
    lively.child.wait(40)
    assert psutil.wait_procs(before, timeout=20)[1] == []


@pytest.mark.parametrize("data", SETS)
def test_a_real_data_set_is_replayed(summaries: Mapping[str, Future[Summary]], data: str) -> None:
    summary = summaries[data].result()
    assert summary["healthy"]
    assert summary["as_of"] is not None
    assert not {alert["alertname"] for alert in summary["alerts"]} & {"SalesCollectorStale", "SalesSourceLagging"}
