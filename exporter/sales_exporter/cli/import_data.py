"""``import``: CSV files into the contract's tables."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self

import typer

from sales_exporter.cli.settings import PREFIX, writer_dsn
from sales_exporter.errors import UsageError
from sales_exporter.importer import Report, bind, check_files, import_files, map_template
from sales_exporter.importer import map as maps


def import_(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="CSV files, or the folder that they are in.")
    ] = None,
    map_file: Annotated[Path | None, typer.Option("--map", help="Which columns become which (YAML).")] = None,
    dsn_file: Annotated[
        Path | None,
        typer.Option("--dsn-file", help="File with the connection string of a role that may write the tables.",
                     envvar=PREFIX + "DATABASE_DSN_FILE"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Do everything and undo it; without a database only read the files.")
    ] = False,
    template: Annotated[
        str | None, typer.Option("--map-template", metavar="RELATION", help="Print a commented map for a relation.")
    ] = None,
) -> None:
    """Load CSV files into the contract's tables: all of it or nothing, and twice the same as once.

    The connection string comes from --dsn-file or the environment variable SALES_EXPORTER_DATABASE_DSN.
    """
    if template is not None:
        typer.echo(map_template(template), nl=False)
        return
    if map_file is None or not files:
        raise UsageError("import: give FILE and --map map.yml; --map-template RELATION prints a map to start from")
    plan, where, secret = maps.load(map_file), str(map_file), writer_dsn(dsn_file)
    bound = bind(plan, where, files)
    if secret is None and not check:
        raise UsageError(f"import: no database; give --dsn-file or set {PREFIX}DATABASE_DSN")
    with _Bars() as progress:
        if secret is None:
            report = check_files(plan, where, bound, progress)
        else:
            report = import_files(plan, where, bound, secret.get_secret_value(), progress, commit=not check)
    _print(report, checked=check, with_database=secret is not None)


class _Bars:
    """A bar for each step on standard error; where that is no terminal, a line for each."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._what = ""
        self._done = 0
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def __call__(self, done: int, total: int, what: str) -> None:
        """Move the bar of ``what``; the first call for it makes one."""
        if what != self._what:
            self._open.close()
            self._bar = self._open.enter_context(typer.progressbar(length=total, label=what, file=sys.stderr))
            self._what, self._done = what, 0
        self._bar.update(done - self._done)
        self._done = done


def _print(report: Report, *, checked: bool, with_database: bool) -> None:
    for warning in report.warnings:
        typer.echo(f"warning: {warning}", err=True)
    for each in report.counts:
        line = f"{each.relation:<20}{each.read:>10} rows"
        if with_database:
            line += f", {each.added} added, {each.changed} changed, {each.unchanged} already there"
            line += f", {each.kept} kept as they were" if each.kept else ""
        typer.echo(line)
    if checked:
        missing = "" if with_database else "; keys that repeat are found only with a database"
        typer.echo(f"checked, nothing was written{missing}")
    elif report.as_of is not None:
        typer.echo(f"to show the data as they stood after their last event: --as-of={report.as_of.isoformat()}")
