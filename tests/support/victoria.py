"""VictoriaMetrics: from PATH, else from the distribution's package; tests skip where neither is to be had."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator
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
def serving(folder: Path, *flags: str) -> Iterator[str]:
    """An empty server; yields its address."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [program(), f"-storageDataPath={folder}/victoria", f"-httpListenAddr=127.0.0.1:{port}",
               "-retentionPeriod=10y", "-search.disableCache", *flags]
    with (folder / "victoria.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        _wait(process, f"{url}/health", folder / "victoria.log")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def fill(url: str, form: str, bodies: Iterable[bytes]) -> None:
    """Give a server samples: ``form`` is import/prometheus for the text format with milliseconds, or import for one
    JSON object a line.
    """
    for body in bodies:
        _post(f"{url}/api/v1/{form}", body)
    _post(f"{url}/internal/force_flush", b"")


def _post(url: str, body: bytes) -> None:
    # By default the client would call it a form, which the server would read in place of the samples.
    request = urllib.request.Request(url, body, {"Content-Type": "text/plain"})
    urllib.request.urlopen(request, timeout=60).close()


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
