"""``audit`` and ``backfill``: compare the ledger with the database, and write the past for Prometheus."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import SecretStr

from sales_exporter.cli.flags import ConfigFile
from sales_exporter.cli.settings import dsn, load
from sales_exporter.config import Settings
from sales_exporter.errors import ConfigError, SourceError, UsageError
from sales_exporter.ledger.audit import Difference
from sales_exporter.runtime import blocks
from sales_exporter.runtime.audits import audited
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.runtime.past import begin, evaluate

DsnFile = Annotated[Path | None, typer.Option("--database.dsn-file", help="File that holds the connection string.")]


def audit(
    config_file: ConfigFile = None,
    dsn_file: DsnFile = None,
    storage_path: Annotated[
        Path | None, typer.Option("--storage.path", help="Folder of the state that is audited.")
    ] = None,
    output: Annotated[
        Literal["text", "json"], typer.Option("--format", help="text for people, json for programs.")
    ] = "text",
) -> None:
    """Compare every cell of the ledger with a recomputation from the database.

    The exporter may run meanwhile: the state is read as it is now, and the database as of that state's mark.
    Exit status: 0 all cells agree, 1 some differ, 2 it cannot be told.
    """
    settings = load(config_file, {"database.dsn_file": dsn_file, "storage.path": storage_path})
    if settings.storage.path is None:
        raise UsageError("audit: give --storage.path, the folder that serve keeps its state in")
    folder, secret = settings.storage.path, known_dsn(settings)
    try:
        found = asyncio.run(audited(settings, folder, secret, Steps()))
    except SourceError as error:
        raise UsageError(f"audit: {error}") from None
    typer.echo(json.dumps([_facts(one) for one in found]) if output == "json" else _text(found))
    if any(one.total for one in found):
        raise typer.Exit(1)


def backfill(
    out: Annotated[Path, typer.Option("--out", help="Folder for the OpenMetrics files, one a week.")],
    since: Annotated[str, typer.Option("--since", help="How far back: days, such as 90d.")] = "90d",
    step: Annotated[
        Literal["1h", "30m", "15m", "5m"],
        typer.Option("--step", help="Distance of the samples. Each hourly value is repeated; 5m leaves no gaps in "
                                    "panels with a fine step and makes twelve times the samples."),
    ] = "1h",
    label: Annotated[
        list[str] | None,
        typer.Option("--label", help="name=value, repeatable: the labels that your scrapes add, so that the past "
                                     "continues in the present. Default: job and instance as shipped."),
    ] = None,
    config_file: ConfigFile = None,
    dsn_file: DsnFile = None,
) -> None:
    """Write the past of the business gauges, hour by hour, for Prometheus.

    Prometheus takes the files over with promtool; the command to do so is printed. Nothing of the running exporter is
    touched. Every row is taken to have been known when it happened.
    """
    days, labels = _days(since), _labels(label or ["job=sales-exporter", "instance=127.0.0.1:18880"])
    settings = load(config_file, {"database.dsn_file": dsn_file})
    secret, steps, told = known_dsn(settings), _SECONDS[step], Steps()
    now = SystemClock().now()
    hours = blocks.moments(now, days)
    try:
        source, business = secret.get_secret_value(), settings.business
        beginning = begin(source, business, float(hours[0]), told("reading the first hour, per cent"))
        series = evaluate(source, business, beginning, hours.tolist(), told("evaluating hours"))
    except SourceError as error:
        raise UsageError(f"backfill: {error}") from None
    try:
        samples = blocks.write_files(
            series, float(hours[0]), now, labels, out, blocks.Steps(steps, steps), told("writing weeks"))
    except OSError as error:
        raise UsageError(f"backfill: --out {out}: {error.strerror}") from None
    typer.echo(f"{len(series):,} series, {samples:,} samples in {out}\n\n"
               f"    for file in {out}/*.om; do\n"
               "        promtool tsdb create-blocks-from openmetrics --max-block-duration=168h $file DATA\n"
               "    done\n\nDATA is the folder of Prometheus (--storage.tsdb.path); it finds the blocks by itself.")


_SECONDS = {"1h": 3600, "30m": 1800, "15m": 900, "5m": 300}


def _days(text: str) -> int:
    match = re.fullmatch(r"([1-9]\d{0,3})d", text)
    if match is None:
        raise UsageError(f"backfill: --since {text}: expected a number of days, such as 90d")
    return int(match[1])


def _labels(pairs: list[str]) -> str:
    found = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) or re.search(r'["\\\n]', value):
            raise UsageError(f"backfill: --label {pair}: expected name=value, without quotes")
        found.append(f'{name}="{value}"')
    return ",".join(found)


def known_dsn(settings: Settings) -> SecretStr:
    """The connection string.

    Raises:
        ConfigError: there is none.
    """
    secret = dsn(settings)
    if secret is None:
        raise ConfigError("database.dsn_file: not set; this needs the database")
    return secret


class Steps:
    """Progress of named jobs on standard error: a line that changes in a terminal, one for each tenth elsewhere."""

    def __call__(self, what: str) -> Callable[[int, int], None]:
        """The progress of one job, as a function of parts done and parts in all."""
        said = -1

        def tell(done: int, total: int) -> None:
            nonlocal said
            tenth = 10 * done // max(1, total)
            if sys.stderr.isatty():
                end = "\n" if done == total else ""
                print(f"\r{what}: {done} of {total}", end=end, file=sys.stderr, flush=True)
            elif tenth != said:
                said = tenth
                print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)

        return tell


def _facts(one: Difference) -> dict[str, object]:
    return {"source": one.source, "compared": one.compared, "different": one.total, "cubes": dict(one.cells)}


def _text(found: list[Difference]) -> str:
    lines = []
    for one in found:
        where = f" ({', '.join(f'{name} {n}' for name, n in one.cells.items())})" if one.total else ""
        lines.append(f"{one.source:<14}{one.compared:>12,} cells compared, {one.total:,} differ{where}")
    if any(one.total for one in found):
        lines.append("Remove the state while the exporter is stopped, and it is filled anew; and tell us, please.")
    return "\n".join(lines)
