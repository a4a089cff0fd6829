"""The command line: the only place that exits, reads flags and builds real objects."""

from __future__ import annotations

import importlib
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


COMMANDS = {
    "serve": "serve:serve", "up": "stack:up", "schema": "contract:schema", "check": "contract:check",
    "audit": "ledger:audit", "backfill": "ledger:backfill", "replay": "replay:replay",
    "generate": "generate:generate", "import": "import_data:import_", "secrets": "secrets:secrets",
    "sidecar": "sidecar:sidecar", "backtest": "backtest:backtest", "detect": "detect:detect",
    "incidents": "incidents:incidents", "healthcheck": "serve:healthcheck", "load-demo": "stack:load_demo",
    "alerts": "alerts:alerts", "rules": "rules:rules", "grafana": "grafana:grafana", "traffic": "traffic:traffic",
}
"""Module and function of each command, in the order of the help."""
HIDDEN = frozenset({"load-demo", "traffic"})
# Its flags for collectors are as many as there are collectors.
_OPEN_ENDED = {"serve": {"allow_extra_args": True, "ignore_unknown_options": True}}


def _register() -> None:
    """Make the commands known. Only what is asked for is loaded: a server carries no generator and no importer."""
    # A second call within one process, as tests make it, begins anew.
    app.registered_commands.clear()
    app.registered_groups.clear()
    wanted = [name for name in sys.argv[1:2] if name in COMMANDS]
    for name in wanted or COMMANDS:
        module, function = COMMANDS[name].split(":")
        command = getattr(importlib.import_module(f"{__name__}.{module}"), function)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name, hidden=name in HIDDEN, context_settings=_OPEN_ENDED.get(name))(command)
