"""A real Prometheus over a given past, asked as Grafana asks it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sales_exporter.demo.postgres import free_port

READY_SECONDS = 30.0


def program(name: str) -> Path:
    """A server program from PATH, or from the folder that SALES_EXPORTER_BIN names; skips without it."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("SALES_EXPORTER_BIN", ""), os.environ["PATH"]]))
    if found is None:
        pytest.skip(f"{name} is neither on PATH nor in SALES_EXPORTER_BIN")
    return Path(found)


@dataclass(frozen=True, slots=True)
class Prometheus:
    """The HTTP API of one server."""

    url: str

    def now(self, expr: str, moment: float) -> list[dict[str, Any]]:
        """Result of an instant query; warnings are errors."""
        return self._ask("query", query=expr, time=moment)["result"]

    def over(self, expr: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Result of a range query."""
        return self._ask("query_range", query=expr, start=start, end=end, step=step)["result"]

    def label_values(self, series: str, label: str, start: float, end: float) -> list[str]:
        """Values of a label in the series of that time, sorted."""
        found = self._ask("series", **{"match[]": series}, start=start, end=end)
        return sorted({labels[label] for labels in found if label in labels})

    def _ask(self, path: str, **parameters: object) -> Any:
        body = urllib.parse.urlencode(parameters).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", body, timeout=20) as answer:
                said = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None
        assert said["status"] == "success"
        assert not said.get("warnings"), said["warnings"]
        return said["data"]


@contextlib.contextmanager
def serving(tsdb: Path, config: Path) -> Iterator[Prometheus]:
    """Prometheus on ``tsdb`` for the length of a block."""
    port = free_port()
    command = [program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={tsdb}",
               f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=10y"]
    with (tsdb.parent / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        _wait(process, f"http://127.0.0.1:{port}/-/ready", tsdb.parent / "prometheus.log")
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(20)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    limit = time.monotonic() + READY_SECONDS
    while time.monotonic() < limit and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text(errors="replace")[-500:])
