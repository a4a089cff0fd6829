"""``incidents``: mark past incidents, so that they never teach a baseline what is usual."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from sales_exporter.cli.flags import ConfigFile
from sales_exporter.cli.settings import load
from sales_exporter.errors import UsageError
from sales_exporter.sidecar.fleet import incidents as marks

COMMENT = 500
"""Longest comment."""


def incidents(
    action: Annotated[Literal["add", "list", "remove"], typer.Argument(help="What to do.")],
    number: Annotated[int | None, typer.Argument(help="remove: which one.", show_default=False)] = None,
    begin: Annotated[str | None, typer.Option("--from", help="add: ISO time with zone: 2026-03-02T10:00:00Z.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="add: likewise, and later.")] = None,
    watch: Annotated[str, typer.Option("--watch", help="add: name of the watch; * and ? stand for others.")] = "*",
    label: Annotated[
        list[str] | None, typer.Option("--label", help="add: name=value, repeatable; * and ? in the value.")
    ] = None,
    comment: Annotated[str, typer.Option("--comment", help="add: what happened.")] = "",
    storage_path: Annotated[Path | None, typer.Option("--storage.path", help="Folder of the sidecar's state.")] = None,
    config_file: ConfigFile = None,
) -> None:
    """Mark past incidents: what the marked series showed then is left out when the sidecar learns what is usual.

    A mark takes effect when the sidecar next reads its history.
    """
    folder = load(config_file, {"storage.path": storage_path}).storage.path
    if folder is None:
        raise UsageError("incidents: give --storage.path, the folder of the sidecar's state")
    if action == "list":
        known = marks.read(folder)
        typer.echo("\n".join(map(line, known)) if known else "no incidents")
    elif action == "remove":
        if number is None:
            raise UsageError("incidents: remove needs the number that `incidents list` shows")
        typer.echo(f"removed {line(marks.remove(folder, number))}")
    else:
        if begin is None or end is None:
            raise UsageError("incidents: add needs --from and --to")
        since, until = marks.moment(begin, "--from"), marks.moment(end, "--to")
        text = " ".join(comment.split())[:COMMENT]
        typer.echo(f"added {line(marks.add(folder, since, until, watch, labels(label or []), text))}")


def line(one: marks.Incident) -> str:
    """An incident for people."""
    where = "".join(f" {name}={value}" for name, value in one.labels)
    note = f": {one.comment}" if one.comment else ""
    return f"{one.number}  {marks.stamp(one.since)} to {marks.stamp(one.until)}  {one.watch}{where}{note}"


def labels(pairs: list[str]) -> dict[str, str]:
    """Labels from pairs name=value.

    Raises:
        UsageError: one is no such pair.
    """
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name):
            raise UsageError(f"incidents: --label {pair}: expected name=value")
        found[name] = value
    return found
