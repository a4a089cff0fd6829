"""VictoriaMetrics: from PATH, else from the distribution's package; tests skip where neither is to be had."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sales_exporter.demo.postgres import free_port

PROGRAM = "victoria-metrics"
FOLDER = Path(__file__).resolve().parents[2] / ".sales-exporter" / PROGRAM
READY_SECONDS = 30.0


def program() -> Path:
    """Its path, or a skip."""
    found = shutil.which(PROGRAM, path=os.pathsep.join([str(FOLDER / "usr/bin"), os.environ["PATH"]]))
    if found is None and shutil.which("apt-get") and shutil.which("dpkg-deb"):
        found = _fetched()
    if found is None:
        pytest.skip(f"{PROGRAM} is neither on PATH nor to be had from the distribution")
    return Path(found)


@contextlib.contextmanager
def serving(folder: Path, lines: str) -> Iterator[str]:
    """A server with these samples, in the text format with milliseconds; yields its address."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [program(), f"-storageDataPath={folder}/victoria", f"-httpListenAddr=127.0.0.1:{port}",
               "-retentionPeriod=10y", "-search.disableCache"]
    with (folder / "victoria.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        _wait(process, f"{url}/health", folder / "victoria.log")
        for path, body in (("api/v1/import/prometheus", lines.encode()), ("internal/force_flush", b"")):
            urllib.request.urlopen(f"{url}/{path}", body, timeout=60).close()
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _fetched() -> str | None:
    with tempfile.TemporaryDirectory() as work:
        done = subprocess.run(["apt-get", "-qq", "-oAPT::Sandbox::User=root", "download", PROGRAM], cwd=work,
                              capture_output=True, check=False)
        FOLDER.mkdir(parents=True, exist_ok=True)
        for package in Path(work).glob("*.deb") if done.returncode == 0 else ():
            subprocess.run(["dpkg-deb", "-x", package, FOLDER], capture_output=True, check=True)
    return shutil.which(PROGRAM, path=str(FOLDER / "usr/bin"))


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    limit = time.monotonic() + READY_SECONDS
    while time.monotonic() < limit and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text(errors="replace")[-500:])
