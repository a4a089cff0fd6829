"""``replay``: list the dead letters of the intake, and try them again."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from sales_exporter.cli.flags import ConfigFile
from sales_exporter.cli.ledger import Steps
from sales_exporter.cli.settings import load
from sales_exporter.errors import SourceError, UsageError
from sales_exporter.intake.desk import dsn_of
from sales_exporter.intake.replay import Kept, listed, retried
from sales_exporter.intake.sources import sources


def replay(
    everything: Annotated[bool, typer.Option("--all", help="Try all dead letters again, the oldest first.")] = False,
    letter: Annotated[list[str] | None, typer.Option("--id", help="Try this one again; repeatable.")] = None,
    config_file: ConfigFile = None,
) -> None:
    """List the events that the intake could not take or write, or try them again.

    Without an option it lists them: id, when it came, source, attempts, and why. An event that was refused is read
    with the mapping as it is now, so correct the configuration first, or update. One that the database refused is
    written again, so correct the database first. What succeeds is written once, however often it is tried or sent
    again by the vendor, and its letter is gone. The exporter may run meanwhile. Letters appear here once the exporter
    has reached the database.

    Exit status: 0 all that was tried is written (or nothing was there), 1 some failed again, 2 it cannot be told.
    """
    if everything and letter:
        raise UsageError("replay: give --all or --id, not both")
    settings = load(config_file, {})
    known, secret = sources(settings), dsn_of(settings.intake)
    try:
        if not everything and not letter:
            typer.echo(_table(asyncio.run(listed(secret))))
            return
        tell = Steps()("trying letters")
        done, failed = asyncio.run(retried(secret, known, letter, settings.intake.json_depth, tell))
    except SourceError as error:
        raise UsageError(f"replay: {error}") from None
    typer.echo(f"{done} written, {len(failed)} failed again")
    for one in failed:
        typer.echo(f"{one.id}  {one.reason}")
    if failed:
        raise typer.Exit(1)


def _table(letters: list[Kept]) -> str:
    if not letters:
        return "no dead letters"
    return "\n".join(f"{one.id}  {one.received_at:%Y-%m-%d %H:%M:%S}  {one.source:<16}{one.attempts:>4}  {one.reason}"
                     for one in letters)
