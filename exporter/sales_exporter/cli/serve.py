"""``serve`` and ``healthcheck``: run the exporter, and ask whether it runs."""

from __future__ import annotations

import asyncio
import logging
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from sales_exporter import __version__
from sales_exporter.cli.flags import ConfigFile, LogFormat, LogLevel, WebConfigFile
from sales_exporter.cli.running import until_stopped
from sales_exporter.cli.settings import dsn, load
from sales_exporter.collectors import discover
from sales_exporter.config import Settings
from sales_exporter.errors import UsageError
from sales_exporter.intake.desk import Desk, dsn_of
from sales_exporter.intake.sources import sources
from sales_exporter.runtime import logs, memory
from sales_exporter.runtime.clock import Clock, SystemClock
from sales_exporter.runtime.exporter import Exporter, Load, enabled, moment
from sales_exporter.runtime.web import serve as serve_web
from sales_exporter.runtime.web_config import WebConfig

log = logging.getLogger(__name__)



def serve(
    ctx: typer.Context,
    config_file: ConfigFile = None,
    config_check: Annotated[bool, typer.Option("--config.check", help="Check the configuration and exit.")] = False,
    listen: Annotated[
        list[str] | None, typer.Option("--web.listen-address", help="host:port to listen on; repeatable.")
    ] = None,
    telemetry_path: Annotated[str | None, typer.Option("--web.telemetry-path", help="Path of the metrics.")] = None,
    web_config: WebConfigFile = None,
    max_requests: Annotated[
        int | None, typer.Option("--web.max-requests", help="Scrapes served at once; 0 means no limit.")
    ] = None,
    lifecycle: Annotated[
        bool | None, typer.Option("--web.enable-lifecycle/--no-web.enable-lifecycle", help="Allow POST /-/reload.")
    ] = None,
    dsn_file: Annotated[
        Path | None, typer.Option("--database.dsn-file", help="File that holds the connection string.")
    ] = None,
    storage_path: Annotated[
        Path | None, typer.Option("--storage.path", help="Folder of the ledger's state, so that a restart goes on.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Show this moment of the past (ISO 8601) instead of now.")
    ] = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    pseudonymous: Annotated[
        bool | None, typer.Option("--pseudonymous-reps/--no-pseudonymous-reps", help="Leave names of reps out.")
    ] = None,
) -> None:
    """Serve the metrics for Prometheus.

    Starts without any source and says so in sales_source_up. SIGHUP reads the configuration again.
    Switch a collector with --collector.NAME or --no-collector.NAME. Every flag is also an environment variable:
    --web.listen-address is SALES_EXPORTER_WEB_LISTEN_ADDRESS.
    """
    flags: dict[str, object] = {
        "web.listen_address": listen or None, "web.telemetry_path": telemetry_path, "web.config_file": web_config,
        "web.max_requests": max_requests, "web.enable_lifecycle": lifecycle, "database.dsn_file": dsn_file,
        "storage.path": storage_path, "as_of": as_of, "log.level": log_level, "log.format": log_format,
        "business.pseudonymous_reps": pseudonymous, **collector_flags(ctx.args),
    }

    def read() -> tuple[Settings, SecretStr | None]:
        settings = load(config_file, flags)
        enabled(settings)
        if settings.as_of is not None:
            moment(settings.as_of)
        if sources(settings):
            dsn_of(settings.intake)
        return settings, dsn(settings)

    settings, _ = read()
    if config_check:
        if settings.web.config_file is not None:
            WebConfig(settings.web.config_file)
        typer.echo("configuration is valid")
        return
    logs.configure(settings.log)
    memory.give_back()
    asyncio.run(run(read, SystemClock()))


async def run(load: Load, clock: Clock) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reloads.

    Raises:
        ConfigError: an address, a certificate or the folder of the state cannot be used.
    """
    intake = Desk(clock)
    exporter = Exporter(load, clock, intake)
    intake.adopt(exporter.settings)
    web = await serve_web(exporter, exporter.settings.web, intake=intake)
    intake.start()
    log.info("serving", extra={"version": __version__, "address": ", ".join(map(str, web.addresses))})
    await until_stopped(exporter.run(), exporter.reload, web.close, intake.close, exporter.close)
    log.info("stopped")


def collector_flags(arguments: list[str]) -> dict[str, object]:
    """``--[no-]collector.NAME`` as settings.

    Raises:
        UsageError: some other argument, or a collector that does not exist.
    """
    flags: dict[str, object] = {}
    known = discover()
    for argument in arguments:
        for prefix, value in (("--collector.", True), ("--no-collector.", False)):
            if argument.startswith(prefix):
                name = argument.removeprefix(prefix)
                if name not in known:
                    raise UsageError(f"{argument}: no such collector; there are {', '.join(known)}")
                flags[f"collectors.{name}.enabled"] = value
                break
        else:
            raise UsageError(f"{argument}: no such option; try: sales-exporter serve --help")
    return flags


def healthcheck(
    url: Annotated[
        str, typer.Option("--url", help="Address to ask.", envvar="SALES_EXPORTER_HEALTHCHECK_URL")
    ] = "http://127.0.0.1:18880/-/healthy",
    seconds: Annotated[float, typer.Option("--timeout", help="Seconds to wait.")] = 2.0,
) -> None:
    """Exit 0 when the exporter answers, else 1: for containers.

    An answer that asks for a login counts: the server is alive. So does a certificate of its own making.
    """
    if not url.startswith(("http://", "https://")):
        raise UsageError("--url: expected an http:// or https:// address")
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url, timeout=seconds, context=trusting) as answer:  # noqa: S310  (checked above)
            typer.echo(f"{url}: {answer.status}")
    except urllib.error.HTTPError as error:
        typer.echo(f"{url}: {error.code}")
        if error.code != 401:
            raise typer.Exit(1) from None
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        typer.echo(f"{url}: {getattr(error, 'reason', error)}", err=True)
        raise typer.Exit(1) from None
