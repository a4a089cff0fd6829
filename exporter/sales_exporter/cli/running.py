"""How a server lives: until SIGTERM or SIGINT, with its configuration read again at SIGHUP."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from sales_exporter.errors import ConfigError

Act = Callable[[], Awaitable[None]]


async def until_stopped(work: Coroutine[Any, Any, None], reload: Act, *close: Act) -> None:
    """Run ``work`` until it or the process is to end; then it is cancelled, and what is to be closed is, in order.

    SIGHUP reloads: what is wrong with a configuration is logged by ``reload`` itself. Raises what the work raises.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    def hang_up() -> None:
        task = asyncio.create_task(_reload(reload))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    running = asyncio.create_task(work)
    try:
        await asyncio.wait({running, asyncio.ensure_future(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        for act in close:
            await act()


async def _reload(reload: Act) -> None:
    with contextlib.suppress(ConfigError):
        await reload()
