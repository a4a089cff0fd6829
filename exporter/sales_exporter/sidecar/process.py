"""The process in which ticks run, seen from the one that serves: questions, answers, and a new one when it dies.

Judging thousands of series holds the interpreter; a scrape and a resend must not wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

from sales_exporter.errors import DeadlineExceeded, WorkerLost

Work = Callable[[Connection, object], None]
"""Runs in the other process with its end of the pipe and the plan, until the pipe ends; answers every question."""
_END_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What comes before an answer: ``done`` of ``total`` of some step."""

    step: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Failed:
    """An answer that says that there is none: the error's type and text, without values from outside."""

    reason: str
    detail: str


class Worker:
    """A process that is started when it is first asked, and anew when it was lost. Not for two questions at once."""

    def __init__(self, work: Work, plan: object, heard: Callable[[Progress], Awaitable[None]]) -> None:
        self._work, self._plan, self._heard = work, plan, heard
        self._context = multiprocessing.get_context("spawn")
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self.starts = 0

    @property
    def alive(self) -> bool:
        """Whether the process runs; a question to one that does not starts another."""
        return self._process is not None and self._process.is_alive()

    @property
    def pid(self) -> int | None:
        """Of the process; None when there is none."""
        return self._process.pid if self._process is not None else None

    async def ask(self, question: object, seconds: float) -> object:
        """The answer to a question. Who does not wait for it loses the process.

        Raises:
            DeadlineExceeded: it did not come in time; the process is killed.
            WorkerLost: the process ended instead.
        """
        if not self.alive:
            await self._start()
        assert self._pipe is not None
        pipe = self._pipe
        try:
            async with asyncio.timeout(seconds):
                return await self._answer(pipe, question)
        except TimeoutError:
            await self._kill()
            raise DeadlineExceeded(f"no answer after {seconds:g} s") from None
        except asyncio.CancelledError:
            # The answer is still to come, and would be taken for that of the next question.
            await self._kill()
            raise
        except (EOFError, OSError):
            await self._kill()
            raise WorkerLost("the judging process ended") from None

    async def close(self) -> None:
        """Let it end by itself, then make it."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            await asyncio.to_thread(self._process.join, _END_SECONDS)
        await self._kill()

    async def _answer(self, pipe: Connection, question: object) -> object:
        await asyncio.to_thread(pipe.send, question)
        while True:
            heard = await asyncio.to_thread(pipe.recv)
            if not isinstance(heard, Progress):
                return heard
            await self._heard(heard)

    async def _start(self) -> None:
        await self._kill()
        pipe, theirs = self._context.Pipe()
        process = self._context.Process(target=self._work, args=(theirs, self._plan), daemon=True, name="judge")
        starting = asyncio.ensure_future(asyncio.to_thread(process.start))
        try:
            await asyncio.shield(starting)
        finally:
            # Whoever is cancelled waits all the same: a process that is half started cannot be ended.
            await asyncio.wait([starting])
            # Only the other process may hold that end: else its death would not be seen.
            theirs.close()
            if starting.exception() is None:
                self._process, self._pipe = process, pipe
                self.starts += 1
            else:
                pipe.close()

    async def _kill(self) -> None:
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if process is not None:
            process.kill()
            await asyncio.to_thread(process.join)
            process.close()
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
