"""``grafana``: check dashboards before Grafana gets them, and give teams their folders."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from sales_exporter.errors import UsageError
from sales_exporter.files import shipped
from sales_exporter.grafana.access import read
from sales_exporter.grafana.api import Grafana
from sales_exporter.grafana.bootstrap import bootstrap as make

HOME = "sales-home"

grafana = typer.Typer(
    help="Check dashboards before Grafana gets them, and give teams their folders.", no_args_is_help=True,
    rich_markup_mode=None,
)


@grafana.command()
def verify(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Dashboards (JSON), or folders of them.")],
) -> None:
    """Say what is wrong with dashboards that were exported from Grafana or edited by hand.

    Found are: a form that file provisioning refuses (schema v2, resources, answers of the API), missing ids, panels
    on top of each other, queries that cannot be parsed, metrics and labels that nothing here exports, counters
    without rate, variables and links that lead nowhere. Exit status 1 when anything is wrong.
    """
    try:
        from sales_exporter.grafana.registry import registry  # noqa: PLC0415  (the parser is an extra)
        from sales_exporter.grafana.verify import verify as judge  # noqa: PLC0415
    except ImportError:
        raise UsageError("grafana verify: needs a PromQL parser: pip install 'sales-exporter[check]'") from None
    files = [file for path in paths for file in _files(path)]
    known = registry(shipped("alert_rules"))
    uids = {path.stem for path in shipped("grafana").rglob("*.json")} | {_uid(file) for file in files}
    wrong = 0
    for file in files:
        found = judge(_text(file), known, uids)
        wrong += bool(found)
        for text in found:
            typer.echo(f"{file}: {text}")
        if not found:
            typer.echo(f"{file}: sound")
    raise typer.Exit(1 if wrong else 0)


@grafana.command()
def bootstrap(
    url: Annotated[str, typer.Option("--url", help="Grafana's address.")] = "http://127.0.0.1:3000",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Holds the token of a service account with the role Admin.")
    ] = None,
    access_file: Annotated[
        Path | None, typer.Option("--access", help="Teams and folders. Default: grafana/access.yml as shipped.")
    ] = None,
    home: Annotated[str, typer.Option("--home", help="Start page of the organisation: a dashboard's uid.")] = HOME,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
) -> None:
    """Make teams, give each its folders, and set start pages, through Grafana's HTTP API.

    Provisioning files cannot say who may see what. Run this once Grafana has loaded the dashboards, and again after a
    change of the access file: what is there already is left alone.
    """
    if token_file is None:
        raise UsageError("grafana bootstrap: give --token-file, the token of a service account with the role Admin")
    token = _text(token_file).strip()
    access = read(access_file or shipped("grafana") / "access.yml")

    async def run() -> None:
        changes = 0
        async with Grafana(url, token) as server:
            async for change in make(server, access, home, dry=dry_run):
                changes += 1
                typer.echo(f"{'would be: ' if dry_run else ''}{change}")
        typer.echo(f"{changes or 'no'} change{'' if changes == 1 else 's'}")

    asyncio.run(run())


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise UsageError(f"grafana verify: {path} does not exist")
    if path.is_dir():
        found = sorted(path.rglob("*.json"))
        if not found:
            raise UsageError(f"grafana verify: {path} holds no .json file")
        return found
    return [path]


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None


def _uid(file: Path) -> str:
    try:
        found = json.loads(_text(file))
    except ValueError:
        return ""
    return str(found.get("uid", "")) if isinstance(found, dict) else ""
