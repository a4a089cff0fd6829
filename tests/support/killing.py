"""Processes that are killed at a given step of our own code, and what they promised before.

A module of lives calls ``serve``: it reads one JSON object a line and forks a child for each, which lives as the object
says, notes what it is promised, and dies after so many lines of the watched code (0 for never). One process for all of
them: starting an interpreter costs more than a life of this kind. A test starts that module by ``Lives``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import sales_exporter

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(sales_exporter.__file__).parent

Promised = Callable[..., None]
Live = Callable[[dict[str, Any], Promised], Coroutine[Any, Any, None]]


class Steps:
    """Counts the lines that run in files or folders of the package, and kills this process at one of them."""

    def __init__(self, own: tuple[str, ...], last: int) -> None:
        self.count = 0
        self._own = tuple(str(PACKAGE / name) for name in own)
        self._last = last

    def watch(self) -> None:
        threading.settrace(self._entered)
        sys.settrace(self._entered)

    def _entered(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._ran if frame.f_code.co_filename.startswith(self._own) else None

    def _ran(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.count += 1
            if self.count == self._last:
                os.kill(os.getpid(), signal.SIGKILL)
        return self._ran


def serve(live: Live, own: tuple[str, ...]) -> None:
    """Fork a child for each line of standard input; answer with its exit code and what it was promised."""
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            try:
                _child(live, Steps(own, order["steps"]), order, writing)
            finally:
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading) as told:
            promises = [json.loads(one) for one in told]
        _, status = os.waitpid(pid, 0)
        print(json.dumps([os.waitstatus_to_exitcode(status), promises]), flush=True)


def _child(live: Live, steps: Steps, order: dict[str, Any], pipe: int) -> None:
    """One life; ends the process."""
    def promised(*what: str) -> None:
        os.write(pipe, json.dumps(what).encode() + b"\n")

    steps.watch()
    asyncio.run(live(order, promised))
    sys.settrace(None)
    os.write(pipe, json.dumps(["steps", steps.count]).encode() + b"\n")
    os._exit(0)


class Lives:
    """The process that forks the ones to be killed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def begin(cls, module: str) -> Lives:
        """Start the module of lives."""
        path = os.pathsep.join((str(ROOT), str(ROOT / "exporter")))
        return cls(await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path}))

    async def one(self, steps: int = 0, **order: Any) -> tuple[int, list[list[Any]]]:
        """Exit code, and what was promised in this life; after a whole one ``["steps", lines]`` comes last."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"steps": steps, **order}).encode() + b"\n")
        code, promises = json.loads(await self._process.stdout.readline())
        return code, promises

    async def end(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


@contextlib.contextmanager
def quick_disk(otherwise: Path) -> Iterator[Path]:
    """A folder in memory where there is one: the death of a process asks nothing of the disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else otherwise) as folder:
        yield Path(folder)
