"""``generate``: invented sales data with known truth, loaded at once or written in real time."""

from __future__ import annotations

import asyncio
import math
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from sales_exporter.cli.settings import PREFIX, writer_dsn
from sales_exporter.demo import generator
from sales_exporter.demo.generator.live import Pace, live
from sales_exporter.demo.generator.preset import (
    BENCHMARK_DAYS,
    BENCHMARK_LEADS,
    DEMO_DAYS,
    DEMO_LEADS,
    HOUR,
    Kind,
    Preset,
)
from sales_exporter.demo.generator.world import Episode
from sales_exporter.errors import ConfigError, DataFileError
from sales_exporter.runtime.clock import Clock, SystemClock

_FACTORS: dict[str, float] = {
    "call_success_drop": 0.35, "latency_spike": 8.0, "carrier_outage": 0.85, "leads_outage": 0.0,
    "dead_campaign": 0.0, "slow_stage": 1.5,
}


def generate(
    dsn_file: Annotated[
        Path | None,
        typer.Option("--dsn-file", help="File with the connection string of the owner of the contract's tables.",
                     envvar=PREFIX + "DATABASE_DSN_FILE"),
    ] = None,
    preset: Annotated[
        Literal["demo", "benchmark"],
        typer.Option("--preset", help="demo: a small company up to now. benchmark: the data of all benchmarks."),
    ] = "demo",
    leads: Annotated[int | None, typer.Option("--leads", min=1, help="Leads to generate. [preset]")] = None,
    days: Annotated[float | None, typer.Option("--days", min=7, help="Days of past. [preset]")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Equal seeds and sizes give equal rows.")] = 1,
    until: Annotated[
        str | None, typer.Option("--until", help="End of the data, ISO 8601. [demo: now; benchmark: 2026-01-01]")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="Write what statistics must find in the rows, as JSON.")
    ] = None,
    replace_rows: Annotated[
        bool, typer.Option("--replace", help="Delete generated rows first. Other rows are never deleted.")
    ] = False,
    in_real_time: Annotated[
        bool, typer.Option("--live", help="Go on writing what an earlier generate loaded, until stopped.")
    ] = False,
    writers: Annotated[int, typer.Option("--writers", min=1, max=32, help="--live: connections that write.")] = 2,
    speed: Annotated[
        float, typer.Option("--speed", min=0.01, max=10_000, help="--live: factor on arrivals, calls and progress.")
    ] = 1.0,
    incident: Annotated[
        list[str] | None,
        typer.Option("--incident", metavar="KIND:SUBJECT:HOURS[:FACTOR]",
                     help="--live: something that goes wrong from now on, such as latency_spike:ai:2. Repeatable."),
    ] = None,
) -> None:
    """Fill the contract's tables with invented sales data whose truth is known.

    Leads of several channels, their stages, deals, touches, spend, reps, calls of humans and AI agents, model
    predictions and their outcomes, with seasons, late rows, a drift and scripted incidents. All rows are loaded in
    one transaction; an interrupted load changes nothing.

    The connection string comes from --dsn-file or the environment variable SALES_EXPORTER_DATABASE_DSN. Without
    either, --truth alone writes the truth and loads nothing.

      sales-exporter generate --dsn-file owner.dsn --truth truth.json

      sales-exporter generate --dsn-file owner.dsn --live --speed 10
    """
    found, clock = writer_dsn(dsn_file), SystemClock()
    secret = None if found is None else found.get_secret_value()
    if in_real_time:
        if secret is None:
            raise ConfigError(f"generate --live: no database; give --dsn-file or set {PREFIX}DATABASE_DSN")
        episodes = tuple(_episode(text, clock.now()) for text in incident or ())
        asyncio.run(_live(secret, clock, Pace(writers=writers, speed=speed), episodes))
        return
    if incident:
        raise ConfigError("--incident needs --live: the incidents of loaded data are those of the preset")
    if secret is None and truth is None:
        raise ConfigError(f"generate: no database; give --dsn-file or set {PREFIX}DATABASE_DSN, or --truth alone")
    _load(_preset(preset, leads, days, seed, _moment(until), clock), secret, truth, replace_rows)


def _preset(
    name: str, leads: int | None, days: float | None, seed: int, until: datetime | None, clock: Clock
) -> Preset:
    if name == "benchmark":
        return generator.benchmark(leads or BENCHMARK_LEADS, days or BENCHMARK_DAYS, until, seed)
    end = until or datetime.fromtimestamp(clock.now(), UTC)
    return generator.demo(end, leads or DEMO_LEADS, days or DEMO_DAYS, seed)


def _load(preset: Preset, secret: str | None, truth: Path | None, replace_rows: bool) -> None:
    columns = (TextColumn("{task.description:<40}"), BarColumn(30), TaskProgressColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"inventing {preset.leads:,} leads", total=None)
        tables, known = generator.generate(preset)
        if truth is not None:
            _write(truth, known.to_json())
        if secret is not None:
            generator.load(
                secret, tables, replace=replace_rows,
                progress=lambda done, total, what: progress.update(
                    task, completed=done, total=total, description=f"loading {what}"),
            )
        progress.update(task, completed=1, total=1, description="done")
    if secret is not None:
        console.print(f"loaded {tables.rows:,} rows in {len(tables.relations)} relations, "
                      f"{known.start} to {known.until}", highlight=False, soft_wrap=True)


async def _live(secret: str, clock: Clock, pace: Pace, episodes: tuple[Episode, ...]) -> None:
    """Write until SIGINT or SIGTERM."""
    task = asyncio.ensure_future(
        live(secret, clock, pace, episodes, lambda line: typer.echo(f"generate: {line}", err=True)))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        typer.echo("generate: stopped", err=True)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError("--until: expected a date or time in ISO 8601, such as 2026-01-31T12:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _episode(text: str, now: float) -> Episode:
    kind, *rest = text.split(":")
    kinds: tuple[Kind, ...] = get_args(Kind)
    if kind not in kinds or len(rest) not in (2, 3):
        raise ConfigError(f"--incident: expected KIND:SUBJECT:HOURS[:FACTOR], KIND one of {', '.join(kinds)}")
    try:
        hours, factor = float(rest[1]), float(rest[2]) if len(rest) == 3 else _FACTORS[kind]
    except ValueError:
        raise ConfigError("--incident: hours and factor must be numbers, such as latency_spike:ai:2:8") from None
    if not (hours > 0 and math.isfinite(hours) and factor >= 0 and math.isfinite(factor)):
        raise ConfigError("--incident: hours must be above 0 and the factor not negative")
    return Episode(kind, rest[0], now, now + hours * HOUR, factor)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataFileError(f"{path}: {error.strerror or 'cannot be written'} (given as --truth)") from None
