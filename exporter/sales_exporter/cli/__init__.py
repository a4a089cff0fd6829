"""The command line: the only place that exits, reads flags and builds real objects."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sales_exporter import __version__
from sales_exporter.errors import UsageError

app = typer.Typer(
    name="sales-exporter",
    help="Observability for AI sales automation: sales rows in PostgreSQL become Prometheus series.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
)


def main() -> None:
    """Run the command line; bad input ends with one line and exit status 2."""
    _register()
    try:
        app()
    except UsageError as error:
        print(f"sales-exporter: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output went away, as `| head` does.
        sys.stderr.close()
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sales-exporter {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options that come before a command."""


def _register() -> None:
    # Imported here: importing this module must not load the database driver and numpy.
    from sales_exporter.cli import contract, generate, import_data, secrets, serve, stack  # noqa: PLC0415

    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(serve.serve)
    for command in (stack.up, contract.schema, contract.check, generate.generate, secrets.secrets,
                    serve.healthcheck):
        app.command()(command)
    app.command("import")(import_data.import_)
    app.command("load-demo", hidden=True)(stack.load_demo)
