"""``schema`` and ``check``: print the data contract's SQL, and verify that a database keeps the contract."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from sales_exporter.cli.flags import ConfigFile
from sales_exporter.cli.settings import dsn, load
from sales_exporter.cli.watches import tried, watches_of
from sales_exporter.config import Settings
from sales_exporter.contract import (
    intake_role_sql,
    intake_sql,
    recorder_role_sql,
    role_sql,
    schema_sql,
    template_sql,
    templates,
)
from sales_exporter.contract.alter import alter_sql, tables
from sales_exporter.contract.checker import Checker
from sales_exporter.contract.findings import Report
from sales_exporter.errors import ConfigError, UsageError
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.runtime.exporter import enabled, moment
from sales_exporter.runtime.web_config import WebConfig


def schema(
    role: Annotated[bool, typer.Option("--role", help="Print role.sql: the read-only role and its grants.")] = False,
    intake: Annotated[
        bool, typer.Option("--intake", help="Print intake.sql: the tables that the webhook intake keeps.")
    ] = False,
    intake_role: Annotated[
        bool, typer.Option("--intake-role", help="Print intake_role.sql: the role that the webhook intake writes with.")
    ] = False,
    recorder_role: Annotated[
        bool,
        typer.Option("--recorder-role", help="Print recorder_role.sql: the role that applications record with."),
    ] = False,
    alter: Annotated[
        bool, typer.Option("--alter", help="Print what adds the change key to tables that exist already.")
    ] = False,
    table: Annotated[
        list[str] | None,
        typer.Option("--table", help="With --alter: RELATION, or RELATION=SCHEMA.TABLE for a table behind a view."),
    ] = None,
    template: Annotated[
        str | None, typer.Option("--template", help="Print the views over the tables of this product.")
    ] = None,
    list_templates: Annotated[bool, typer.Option("--templates", help="List the templates.")] = False,
) -> None:
    """Print the SQL of the data contract, to be read and piped into psql; without an option the DDL."""
    plain = {"--role": (role, role_sql), "--intake": (intake, intake_sql),
             "--intake-role": (intake_role, intake_role_sql), "--recorder-role": (recorder_role, recorder_role_sql)}
    chosen = [print_ for given, print_ in plain.values() if given]
    if len(chosen) + sum((alter, template is not None, list_templates)) > 1:
        raise UsageError(f"schema: give one of {', '.join(plain)}, --alter, --template and --templates")
    if table and not alter:
        raise UsageError("schema: --table goes with --alter")
    if chosen:
        text = chosen[0]()
    elif alter:
        text = alter_sql(tables(table or ()))
    elif template is not None:
        text = _template(template)
    elif list_templates:
        text = "".join(f"{name:<12} {title}\n" for name, title in templates().items())
    else:
        text = schema_sql()
    typer.echo(text, nl=False)


def check(
    config_file: ConfigFile = None,
    dsn_file: Annotated[
        Path | None, typer.Option("--database.dsn-file", help="File that holds the connection string.")
    ] = None,
    sidecar: Annotated[
        bool,
        typer.Option("--sidecar", help="Run the query of each watch once, too. So it is when the configuration has a "
                                       "section sidecar."),
    ] = False,
    output: Annotated[
        Literal["text", "json"], typer.Option("--format", help="text for people, json for programs.")
    ] = "text",
) -> None:
    """Verify the configuration and the data contract; each defect comes with what to do.

    Exit status: 0 no error, 1 errors found, 2 the configuration cannot be used.
    """
    settings = load(config_file, {"database.dsn_file": dsn_file})
    report = examine(settings, sidecar)
    typer.echo(report.as_json() if output == "json" else report.as_text())
    if report.exit_status:
        raise typer.Exit(report.exit_status)


def examine(settings: Settings, sidecar: bool = False) -> Report:
    """The report on the database that the settings name, and on the watches where there is a sidecar.

    Raises:
        ConfigError: a setting that ``serve`` would refuse too, or no database.
    """
    enabled(settings)
    if settings.as_of is not None:
        moment(settings.as_of)
    if settings.web.config_file is not None:
        WebConfig(settings.web.config_file)
    secret = dsn(settings)
    if secret is None and not sidecar:
        raise ConfigError("database.dsn_file: not set; check needs a database to look at")
    watches = watches_of(settings) if sidecar or "sidecar" in settings.model_fields_set else ()
    report = Checker(secret, settings.business, SystemClock().now).run() if secret is not None else Report(())
    if not watches:
        return report
    return replace(report, findings=(*report.findings, *asyncio.run(tried(settings, watches))), watches=len(watches))


def _template(name: str) -> str:
    try:
        return template_sql(name)
    except KeyError:
        raise UsageError(f"--template {name}: expected one of {', '.join(templates())}") from None
