"""``rules backtest``: what alerting rules would have done on the past, before anybody is woken by them."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sales_exporter.cli.ledger import Steps
from sales_exporter.cli.settings import load
from sales_exporter.config import Settings
from sales_exporter.errors import SourceError, UsageError
from sales_exporter.files import shipped
from sales_exporter.rules import book, durations, exported, told
from sales_exporter.rules.api import Api
from sales_exporter.rules.replay import Outcome, Span, record, replay
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.sidecar.fleet.incidents import moment

TIMEOUT = 120.0
"""Seconds that a query may take: weeks at once take longer than the sidecar's minutes."""
_TOLD = 40
"""Lines of single alerts that are shown."""


def backtest(
    prometheus: Annotated[
        str | None, typer.Option("--prometheus.url", "--prometheus", help="Address of Prometheus, or of what answers "
                                                                          "like it.")
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--rules", help="Rule file, or a folder of them; repeatable. Default: alert_rules, where there is "
                                     "one, else the rules that this program came with."),
    ] = None,
    since: Annotated[
        str, typer.Option("--from", help="Begin there: so long before --to, such as 7d, or a time such as "
                                         "2026-03-02T10:00:00Z.")
    ] = "7d",
    until: Annotated[str | None, typer.Option("--to", help="End there: a time. Default: now.")] = None,
    step: Annotated[str, typer.Option("--step", help="Between two evaluations.")] = "1m",
    alert: Annotated[list[str] | None, typer.Option("--alert", help="Only this alert; repeatable.")] = None,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Read recorded series as the server has them, instead of evaluating what "
                                              "they are recorded from. Quicker, and blind to a changed recording rule.")
    ] = False,
    most: Annotated[
        float | None, typer.Option("--max-per-week", min=0, help="Exit with status 1 when an alert fires more often.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for programs.")] = False,
    openmetrics: Annotated[
        Path | None,
        typer.Option("--openmetrics", help="Write ALERTS, ALERTS_FOR_STATE and recorded series to this file, for "
                                           "promtool tsdb create-blocks-from openmetrics."),
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option("--config.file", help="Configuration (YAML) with the login, at sidecar.prometheus. Default: "
                                           "sales-exporter.yml, where there is one."),
    ] = None,
) -> None:
    """Try rules on the past: which alerts would have fired, when, for how long, and how often a week.

    Works with any rule files and any Prometheus-compatible server, which is only read. Rules need not be loaded there:
    what recording rules would have recorded is evaluated on the way. "Pending only" counts the times that an
    expression had a result and `for` kept the alert quiet.

    \b
    sales-exporter rules backtest --from 30d                     the shipped rules, over a month
    sales-exporter rules backtest --rules mine.yml --alert Slow  one alert of yours
    sales-exporter rules backtest --max-per-week 2 --json        in CI: an alert that fires too often fails

    Exit status: 0 all were evaluated and none fired more often than --max-per-week, 1 one did, 2 it cannot be told.
    """
    settings = load(config_file, {"sidecar.prometheus.url": prometheus})
    rules = book.read(files or [_shipped()])
    rules = rules.named(alert) if alert else rules
    if not rules.alerts:
        raise UsageError("rules backtest: there are no alerts in these files")
    span = _span(since, until, step)
    tell, api = Steps(), _api(settings)
    found = replay(api, rules, span, tell("evaluating alerts"), recorded=recorded)
    if all(one.error for one in found):
        raise UsageError(f"rules backtest: {settings.sidecar.prometheus.url}: {found[0].error}")
    if openmetrics is not None:
        _export(openmetrics, api, rules, found, span)
    if as_json:
        typer.echo(json.dumps(told.facts(found, span), indent=2))
    else:
        _show(found, span)
    raise typer.Exit(status(found, span, most))


def status(found: Sequence[Outcome], span: Span, most: float | None) -> int:
    """The exit status."""
    if any(one.error for one in found):
        return 2
    return int(most is not None and any(one.per_week(span) > most for one in found))


def _show(found: Sequence[Outcome], span: Span) -> None:
    # Not cut where nobody looks: a file has no width.
    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table(*told.HEADS, box=None, pad_edge=False)
    for row in told.rows(found, span):
        table.add_row(*row)
    if table.row_count:
        console.print(table)
    single = told.when(found, span)
    if single:
        console.print()
        each = Table("alert", "from", "for", "labels", box=None, pad_edge=False)
        for line in single[:_TOLD]:
            each.add_row(*line)
        console.print(each)
    if single[_TOLD:]:
        typer.echo(f"and {len(single) - _TOLD} more; --json has all")
    typer.echo(("\n" if table.row_count else "") + told.summary(found, span))


def _export(path: Path, api: Api, rules: book.Book, found: Sequence[Outcome], span: Span) -> None:
    try:
        columns = record(api, rules, span, Steps()("evaluating recording rules"))
        with path.open("w", encoding="utf-8") as file:
            file.writelines(exported.lines(found, columns, span))
    except SourceError as error:
        raise UsageError(f"rules backtest: a recording rule could not be evaluated: {error}") from None
    except OSError as error:
        raise UsageError(f"rules backtest: --openmetrics {path}: {error.strerror}") from None


def _api(settings: Settings) -> Api:
    api = settings.sidecar.prometheus
    return Api(api.model_copy(update={"timeout": max(api.timeout, TIMEOUT)}))


def _span(since: str, until: str | None, step: str) -> Span:
    every = durations.seconds(step)
    if not every:
        raise UsageError(f"rules backtest: --step {step}: expected a duration such as 1m")
    now = SystemClock().now()
    end = min(now, moment(until, "rules backtest: --to")) if until is not None else now
    end = math.floor(end / every) * every
    length = durations.seconds(since)
    begin = end - length if length else moment(since, "rules backtest: --from")
    begin = math.floor(begin / every) * every
    if begin >= end:
        raise UsageError(f"rules backtest: --from {since} is not before --to")
    return Span(begin, end, every)


def _shipped() -> Path:
    here = Path("alert_rules")
    return here if here.is_dir() else shipped("alert_rules")
