"""A shop that is scraped, with weeks of past, a real Prometheus and Alertmanager around it, and a sidecar to watch it.

The shop's numbers change each minute and are the same in the past and the present, until a test multiplies them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from numpy.typing import NDArray

from sales_exporter.demo.postgres import free_port
from tests.rules.rulebook import ROOT
from tests.rules.stack import routed
from tests.support.binaries import Program

DAY = 86_400.0
SHOPS = ("north", "east", "south", "west")
PAST = 15 * DAY
INTERVAL = 2.0
GROUP_WAIT = 1.0

Floats = NDArray[np.float64]


def usual(shop: int, at: Floats) -> Floats:
    """Open orders of a shop, with the rhythm of a day and a little noise: the same for the same minute."""
    minute = np.floor(at / 60)
    noise = np.modf(np.abs(np.sin(minute * 12.9898 + shop * 78.233)) * 43_758.5453)[0] - 0.5
    return np.asarray(100.0 * (1 + shop) * (1 + 0.3 * np.sin(2 * np.pi * minute / 1440) + 0.1 * noise))


def eventually(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """The first answer that is true."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        with contextlib.suppress(OSError):
            answer = condition()
            if answer:
                return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds:g} s: {what}")


@dataclass
class Shop:
    """The page that is scraped and the inbox of the webhooks."""

    factors: dict[str, float] = field(default_factory=dict)
    notices: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    """When (monotonic), and the alert."""

    def told(self, status: str, **labels: str) -> list[tuple[float, dict[str, Any]]]:
        """Notices of alerts with these labels."""
        return [one for one in list(self.notices)
                if one[1]["status"] == status and one[1]["labels"].items() >= labels.items()]

    def page(self) -> str:
        """What is scraped."""
        now = np.array(time.time())
        return "".join(f'shop_orders{{shop="{name}"}} {float(usual(number, now)) * self.factors.get(name, 1.0)!r}\n'
                       for number, name in enumerate(SHOPS))

    @contextlib.contextmanager
    def open(self) -> Iterator[int]:
        """Answer on a port, for the length of a block."""
        shop = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._say(shop.page().encode())

            def do_POST(self) -> None:
                notice = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                shop.notices.extend((time.monotonic(), alert) for alert in notice["alerts"])
                self._say(b"")

            def _say(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name there)
                """Says nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@contextlib.contextmanager
def server(name: str, program: Program, folder: Path, *flags: str) -> Iterator[str]:
    """The address of a Prometheus or Alertmanager, for the length of a block."""
    url = f"http://127.0.0.1:{free_port()}"
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([program.path, *flags, f"--web.listen-address={url.removeprefix('http://')}"],
                                   cwd=program.data_folder or folder, stdout=log, stderr=log)
    try:
        eventually(lambda: fetch(f"{url}/-/ready"), f"{name} is ready")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def write_blocks(promtool: Program, folder: Path, end: float, more: Mapping[str, Callable[[Floats], Floats]]) -> None:
    """Blocks of the shops' past until a moment, and of other series that a test names."""
    times = np.arange(end - PAST, end, 60.0)
    series = {f'shop_orders{{shop="{name}",job="shop",instance="shop"}}': usual(number, times)
              for number, name in enumerate(SHOPS)}
    series |= {name: make(times) for name, make in more.items()}
    text = "".join(f"{name} {value!r} {at:.0f}\n" for name, values in series.items()
                   for at, value in zip(times.tolist(), values.tolist(), strict=True))
    (folder / "past.om").write_text(text + "# EOF\n")
    done = promtool.run("tsdb", "create-blocks-from", "openmetrics", "--quiet", "--max-block-duration=720h",
                        folder / "past.om", folder / "tsdb")
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def prometheus(program: Program, folder: Path, page: int) -> Iterator[str]:
    """A Prometheus on the blocks of the folder that scrapes the shops each second."""
    (folder / "prometheus.yml").write_text(yaml.safe_dump({
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "shop", "static_configs": [
            {"targets": [f"127.0.0.1:{page}"], "labels": {"instance": "shop"}}]}]}))
    with server("prometheus", program, folder, f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/tsdb", "--storage.tsdb.retention.time=10y") as url:
        yield url


@contextlib.contextmanager
def alertmanager(program: Program, folder: Path, inbox: int) -> Iterator[str]:
    """An Alertmanager with the shipped routes, which wait for a second, and webhooks to the inbox."""
    routes = folder / "alertmanager.yml"
    text = routed((ROOT / "prometheus/alertmanager.yml").read_text(), inbox)
    routes.write_text(text.replace("templates/*.tmpl", f"{ROOT}/prometheus/templates/*.tmpl"))
    with server("alertmanager", program, folder, f"--config.file={routes}", f"--storage.path={folder}/alertmanager",
                "--cluster.listen-address=") as url:
        yield url


def fetch(url: str) -> str:
    """The text at an address; OSError when there is none."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


@dataclass
class Sidecar:
    """The command as a process of its own."""

    folder: Path
    config: Path
    storage: Path | None = None
    flags: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it serves."""
        self.url = f"http://127.0.0.1:{free_port()}"
        self._log = self.folder / f"sidecar-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "sales_exporter", "sidecar", f"--config.file={self.config}",
                   f"--web.listen-address={self.url.removeprefix('http://')}", *self.flags]
        if self.storage is not None:
            command.append(f"--storage.path={self.storage}")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        eventually(lambda: fetch(f"{self.url}/-/healthy"), f"the sidecar serves: {self.said}")

    @property
    def said(self) -> str:
        """Its log."""
        return self._log.read_text()

    def metric(self, name: str, **labels: str) -> float | None:
        """A value of its page; None where it is not there."""
        for line in fetch(f"{self.url}/metrics").splitlines():
            found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
            if found and set(labels.items()) <= set(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[1] or "")):
                return float(found[2])
        return None

    def ticks(self, result: str = "ok") -> float:
        """Ticks that ended so."""
        return self.metric("sales_sidecar_ticks_total", result=result) or 0.0

    def judges(self, more: int = 1, seconds: float = 60.0) -> None:
        """Wait for so many more good ticks."""
        before = self.ticks()
        eventually(lambda: self.ticks() >= before + more, f"{more} more good ticks", seconds)

    @property
    def family(self) -> list[psutil.Process]:
        """Its processes."""
        assert self.process is not None
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    @property
    def judge(self) -> psutil.Process:
        """The judging process."""
        return next(one for one in self.family[1:] if "spawn_main" in " ".join(one.cmdline()))

    def send(self, number: signal.Signals) -> None:
        """Signal the serving process."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        self.send(signal.SIGTERM)
        assert self.process is not None
        return self.process.wait(20)


def gone(processes: list[psutil.Process], seconds: float = 10.0) -> bool:
    """Whether all of them have ended by then."""
    return not psutil.wait_procs(processes, timeout=seconds)[1]


@contextlib.contextmanager
def started(sidecar: Sidecar) -> Iterator[Sidecar]:
    """A sidecar that runs, for the length of a block."""
    sidecar.start()
    try:
        yield sidecar
    finally:
        if sidecar.process is not None and sidecar.process.poll() is None:
            left = sidecar.family
            sidecar.process.kill()
            sidecar.process.wait()
            assert gone(left)
