"""``traffic``: what ``up`` and compose start beside the example application."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from pathlib import Path
from typing import Annotated

import typer

from sales_exporter.cli.settings import text_of
from sales_exporter.demo.traffic import MOST_RATE, RATE, TOTAL, Plan, drive
from sales_exporter.runtime.clock import SystemClock


def traffic(
    url: Annotated[str, typer.Option("--url", help="Where the example application listens: http://127.0.0.1:PORT.")],
    secret_file: Annotated[
        Path | None, typer.Option("--secret-file", help="File with the secret of the application's webhook.")
    ] = None,
    rate: Annotated[float, typer.Option("--rate", min=0.1, max=MOST_RATE, help="Requests a second.")] = RATE,
    total: Annotated[int, typer.Option("--total", min=0, max=TOTAL, help="Requests in all; then silence.")] = TOTAL,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Equal seeds ask for the same.")] = 1,
) -> None:
    """Send bounded, invented traffic to the example application on this machine, until stopped."""
    secret = text_of(secret_file, "--secret-file").strip() if secret_file is not None else ""
    # Another name in each run: outcomes must not be taken for those of an earlier run's leads.
    plan = Plan(seed, f"demo-{secrets.token_hex(4)}", rate, total, secret)
    asyncio.run(_until_stopped(url, plan))


async def _until_stopped(url: str, plan: Plan) -> None:
    task = asyncio.ensure_future(drive(url, plan, SystemClock()))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
