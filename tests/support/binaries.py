"""The real servers and their tools, from the folder in SALES_EXPORTER_BIN, else from PATH; tests skip without one."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from sales_exporter.demo.binaries import PROGRAMS


@dataclass(frozen=True, slots=True)
class Program:
    """One executable."""

    path: Path

    def run(self, *arguments: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run it to its end, within two minutes."""
        return subprocess.run([self.path, *arguments], cwd=folder, capture_output=True, text=True, timeout=120,
                              check=False)

    @property
    def data_folder(self) -> Path | None:
        """Working directory for Debian's Alertmanager unpacked without root: it opens its templates from there."""
        folder = self.path.resolve().parent.parent / "share/prometheus/alertmanager"
        return folder if folder.is_dir() else None


def find(name: str) -> Path | None:
    """Where a program is; Debian names the Alertmanager prometheus-alertmanager."""
    places = os.pathsep.join((os.environ.get("SALES_EXPORTER_BIN", ""), os.environ.get("PATH", "")))
    found = (shutil.which(alias, path=places) for alias in PROGRAMS[name])
    return next((Path(path) for path in found if path is not None), None)


def need(name: str) -> Program:
    """A program, or a skip that says where it was looked for."""
    path = find(name)
    if path is None:
        pytest.skip(f"{name} is neither in SALES_EXPORTER_BIN nor on PATH")
    return Program(path)


@pytest.fixture(scope="session")
def prometheus() -> Program:
    """The Prometheus server."""
    return need("prometheus")


@pytest.fixture(scope="session")
def promtool() -> Program:
    """Prometheus' tool."""
    return need("promtool")


@pytest.fixture(scope="session")
def alertmanager() -> Program:
    """The Alertmanager server."""
    return need("alertmanager")


@pytest.fixture(scope="session")
def amtool() -> Program:
    """Alertmanager's tool."""
    return need("amtool")
