"""``backtest``: what the sidecar would have paged about, before anything is enabled."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from sales_exporter.cli.flags import Budget, ConfigFile, PrometheusUrl, Watches
from sales_exporter.cli.ledger import Steps
from sales_exporter.cli.settings import load
from sales_exporter.cli.watches import watches_of
from sales_exporter.config import Settings
from sales_exporter.errors import SourceError, UsageError
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.sidecar.backtest import words
from sales_exporter.sidecar.backtest.outcome import Outcome, Span
from sales_exporter.sidecar.backtest.page import page
from sales_exporter.sidecar.backtest.picture import picture
from sales_exporter.sidecar.backtest.replay import replay
from sales_exporter.sidecar.fleet.incidents import moment
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.history.history import Scope
from sales_exporter.sidecar.judging.judge import seconds
from sales_exporter.sidecar.watches.watch import Watch

PAGE = "index.html"
_STEPS = {"1m": 60.0, "5m": 300.0, "15m": 900.0}


def backtest(
    weeks: Annotated[int, typer.Option("--weeks", min=1, max=52, help="Weeks that are replayed.")] = 4,
    watch: Annotated[
        list[str] | None,
        typer.Option("--watch", help="Only this watch; repeatable. It then has the whole budget to itself."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for index.html and a picture (SVG) of each watch.")] = Path(
        "backtest"),
    step: Annotated[
        Literal["1m", "5m", "15m"],
        typer.Option("--step", help="Distance of the moments. 1m is what the sidecar does live and takes five times as "
                                    "long; what lasts for a few minutes only is found with 1m alone."),
    ] = "5m",
    until: Annotated[
        str | None, typer.Option("--until", help="Replay until then, such as 2026-03-02T10:00:00Z. Default: now.")
    ] = None,
    most: Annotated[
        float | None, typer.Option("--max-per-week", min=0, help="Pages a week from above which on the exit status is "
                                                                 "1. Default: the budget.")
    ] = None,
    output: Annotated[
        Literal["text", "json"], typer.Option("--format", help="text for people, json for programs.")
    ] = "text",
    config_file: ConfigFile = None,
    prometheus: PrometheusUrl = None,
    watches: Watches = None,
    budget: Budget = None,
    storage_path: Annotated[
        Path | None, typer.Option("--storage.path", help="Folder of the sidecar's state: its marked incidents count.")
    ] = None,
) -> None:
    """Replay weeks of history and show what the sidecar would have paged about, before you enable it.

    Each moment is judged with the code and the settings that judge live, from what was known then. The weeks before the
    replay teach it (sidecar.history, 4w, as at a start of the sidecar), so eight weeks in Prometheus make a full test;
    with less the page says so. Pages within an incident that you marked (`sales-exporter incidents add`) are counted as
    found, not as false. Nothing is written to Prometheus, and nobody is told.

    \b
    sales-exporter backtest                                  the watches in force, the last 4 weeks
    sales-exporter backtest --watch api_latency --step 1m    one watch, as finely as live
    sales-exporter backtest --format json --max-per-week 2   in CI: watches that page too often fail

    Exit status: 0 pages a week are within the budget (or --max-per-week), 1 above, 2 it cannot be told.
    """
    settings = load(config_file, {
        "sidecar.prometheus.url": prometheus, "sidecar.watches": watches or None,
        "sidecar.false_alarm_budget": budget, "storage.path": storage_path,
    })
    chosen = _chosen(watches_of(settings), watch or [])
    span = _span(settings, weeks, _STEPS[step], until)
    _writable(out)
    try:
        found = asyncio.run(_replayed(settings, chosen, span))
    except SourceError as error:
        raise UsageError(f"backtest: {settings.sidecar.prometheus.url}: {error}") from None
    limit = found.budget if most is None else most
    shown = write(found, limit, out)
    typer.echo(json.dumps(words.facts(found, limit, shown), indent=2) if output == "json"
               else words.text(found, limit, shown))
    raise typer.Exit(status(found, limit, named=bool(watch)))


def status(found: Outcome, limit: float, named: bool) -> int:
    """The exit status; ``named`` when the watches were asked for by name, so that one unread is no result."""
    if math.isnan(found.per_week) or (named and any(one.error for one in found.watches)):
        return 2
    return 0 if found.per_week <= limit else 1


def write(found: Outcome, limit: float, out: Path) -> str:
    """Write page and pictures; where the page is.

    Raises:
        UsageError: the folder cannot be written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for one in found.watches:
            drawn = picture(one, found.span.until, found.zone, found.currency, alone=True)
            if drawn:
                (out / f"{one.watch.name}.svg").write_text(drawn, "utf-8")
        (out / PAGE).write_text(page(found, limit), "utf-8")
    except OSError as error:
        raise UsageError(f"backtest: --out {out}: {error.strerror}") from None
    return str(out / PAGE)


async def _replayed(settings: Settings, watches: tuple[Watch, ...], span: Span) -> Outcome:
    clock = SystemClock()
    async with Client(settings.sidecar.prometheus, clock) as client:
        return await replay(client, watches, settings, span, clock, Steps())


def _chosen(watches: tuple[Watch, ...], names: list[str]) -> tuple[Watch, ...]:
    known = {one.name: one for one in watches}
    for name in names:
        if name not in known:
            raise UsageError(f"backtest: --watch {name}: no such watch; there are {', '.join(sorted(known))}")
    if not watches:
        raise UsageError("backtest: there are no watches")
    return tuple(one for one in watches if one.name in names) if names else watches


def _span(settings: Settings, weeks: int, step: float, until: str | None) -> Span:
    now = SystemClock().now() - Scope().delay
    end = min(now, moment(until, "backtest: --until")) if until is not None else now
    end = math.floor(end / step) * step
    return Span(end - weeks * 604_800.0, end, step, seconds(settings.sidecar.history))


def _writable(out: Path) -> None:
    """Say so before the work, not after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"backtest: --out {out}: {error.strerror}") from None
