"""The judging process seen from outside: answers, progress, death and a deadline."""

from __future__ import annotations

import asyncio
import os
import signal
from multiprocessing.connection import Connection

import psutil
import pytest

from sales_exporter.errors import DeadlineExceeded, WorkerLost
from sales_exporter.sidecar.process import Progress, Worker
from tests.support.clocks import settle

pytestmark = [pytest.mark.process]


def work(pipe: Connection, plan: object) -> None:
    """Answers with the plan and the question; counts on the way; hangs or dies when asked to."""
    while True:
        try:
            question = pipe.recv()
        except EOFError:
            return
        if question == "hang":
            signal.pause()
        if question == "die":
            os._exit(3)
        pipe.send(Progress("counting", 1, 2))
        pipe.send((plan, question, os.getpid()))


async def unheard(progress: Progress) -> None:
    """Nobody listens."""


async def test_a_question_is_answered_by_another_process_and_progress_is_heard() -> None:
    heard: list[Progress] = []

    async def hear(progress: Progress) -> None:
        heard.append(progress)

    worker = Worker(work, "plan", hear)
    plan, question, pid = await worker.ask("what", 30)  # type: ignore[misc]
    await worker.close()
    assert (plan, question, heard) == ("plan", "what", [Progress("counting", 1, 2)])
    assert pid != os.getpid()


async def test_a_process_that_dies_is_said_and_the_next_question_starts_another() -> None:
    worker = Worker(work, None, unheard)
    with pytest.raises(WorkerLost):
        await worker.ask("die", 30)
    assert await worker.ask("what", 30)
    assert worker.starts == 2
    await worker.close()


async def test_a_process_that_hangs_is_killed_at_the_deadline() -> None:
    worker = Worker(work, None, unheard)
    await worker.ask("what", 30)
    pid = worker.pid
    with pytest.raises(DeadlineExceeded):
        await worker.ask("hang", 0.2)
    assert pid is not None
    assert not psutil.pid_exists(pid)
    await worker.close()


async def test_a_question_that_nobody_waits_for_any_more_leaves_no_answer_to_the_next() -> None:
    worker = Worker(work, None, unheard)
    first = worker.pid if await worker.ask("what", 30) else None
    asking = asyncio.create_task(worker.ask("hang", 30))
    await settle()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert first is not None
    assert not psutil.pid_exists(first)
    assert (await worker.ask("then", 30))[1] == "then"  # type: ignore[index]
    await worker.close()


async def test_it_ends_when_the_pipe_is_closed() -> None:
    worker = Worker(work, None, unheard)
    await worker.ask("what", 30)
    pid = worker.pid
    await worker.close()
    assert pid is not None
    assert not psutil.pid_exists(pid)
    assert not worker.alive


async def test_whoever_leaves_while_it_starts_leaves_a_process_that_ends() -> None:
    worker = Worker(work, None, unheard)
    asking = asyncio.create_task(worker.ask("what", 30))
    await settle()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert worker.pid is not None
    child = psutil.Process(worker.pid)
    await worker.close()
    assert not child.is_running()
    assert not worker.alive
