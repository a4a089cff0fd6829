"""Child processes of the local stack: started in order, watched, and all stopped, whatever happens."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sales_exporter.config import ENVIRONMENT
from sales_exporter.errors import StackError

READY_SECONDS = 60.0
STOP_SECONDS = 15.0
_PR_SET_PDEATHSIG = 1
# Looked up before any fork: a child may not load libraries.
_prctl = getattr(ctypes.CDLL(None), "prctl", None)


@dataclass(slots=True)
class Child:
    """One running program and where its log is."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    ready_url: str | None = None

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self.process.poll() is None

    def tail(self, lines: int = 3) -> str:
        """The end of its log, in one line."""
        return " / ".join(self.log.read_text(errors="replace").strip().splitlines()[-lines:])


@dataclass(slots=True)
class Children:
    """All programs that we started, in order."""

    logs: Path
    running: list[Child] = field(default_factory=list)

    def start(
        self, name: str, command: Sequence[str | Path], *, ready_url: str | None = None, folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Child:
        """Start a program with its output in ``<logs>/<name>.log``; it dies with us."""
        self.logs.mkdir(parents=True, exist_ok=True)
        path = self.logs / f"{name}.log"
        with path.open("wb") as log:
            try:
                process = subprocess.Popen(
                    [str(part) for part in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder,
                    env={**_neutral(), **(environment or {})}, start_new_session=True,
                    # Ctrl-C must reach us alone, and a kill of ours must reach them.
                    preexec_fn=partial(die_with_parent, signal.SIGTERM),  # noqa: PLW1509
                )
            except OSError as error:
                raise StackError(f"{name} cannot be started: {error.strerror}") from None
        child = Child(name, process, path, ready_url)
        self.running.append(child)
        return child

    def wait_ready(self, child: Child, seconds: float = READY_SECONDS) -> None:
        """Return when the child's ready address answers 200.

        Raises:
            StackError: it ended, or did not become ready in time; carries the end of its log.
        """
        limit = time.monotonic() + seconds
        while child.ready_url is not None and not answers(child.ready_url):
            if not child.running:
                status = child.process.returncode
                raise StackError(f"{child.name} ended with status {status}; {child.log}: {child.tail()}")
            if time.monotonic() > limit:
                raise StackError(f"{child.name} was not ready after {seconds:.0f} s; {child.log}: {child.tail()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop all, the last first: ask, wait, then kill."""
        for child in reversed(self.running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGTERM)
        limit = time.monotonic() + STOP_SECONDS
        for child in reversed(self.running):
            try:
                child.process.wait(max(0.1, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.process.pid, signal.SIGKILL)
                child.process.wait()
        self.running.clear()


def _neutral() -> dict[str, str]:
    """Our environment without the caller's settings for an exporter of their own."""
    return {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT)}


def answers(url: str, seconds: float = 2.0) -> bool:
    """Whether ``url`` answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:  # noqa: S310  (our own loopback addresses)
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def die_with_parent(how: signal.Signals) -> None:
    """Between fork and exec: have the kernel send ``how`` when the process that forked us ends (Linux)."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, int(how))
