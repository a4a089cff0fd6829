"""``sidecar``: judge what Prometheus knows, and tell the Alertmanagers."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Annotated

import typer

from sales_exporter import __version__
from sales_exporter.cli.desk import parts
from sales_exporter.cli.flags import Budget, ConfigFile, LogFormat, LogLevel, PrometheusUrl, Watches, WebConfigFile
from sales_exporter.cli.running import until_stopped
from sales_exporter.cli.settings import load
from sales_exporter.config import Settings
from sales_exporter.runtime import logs
from sales_exporter.runtime.clock import Clock, SystemClock
from sales_exporter.runtime.roles import roles
from sales_exporter.runtime.web import serve as serve_web
from sales_exporter.runtime.web_config import WebConfig
from sales_exporter.sidecar.judging.judge import work
from sales_exporter.sidecar.settings import checked
from sales_exporter.sidecar.sidecar import Load, Sidecar

log = logging.getLogger(__name__)


def sidecar(
    config_file: ConfigFile = None,
    config_check: Annotated[bool, typer.Option("--config.check", help="Check the configuration and exit.")] = False,
    listen: Annotated[
        list[str] | None, typer.Option("--web.listen-address", help="host:port to listen on; repeatable.")
    ] = None,
    web_config: WebConfigFile = None,
    prometheus: PrometheusUrl = None,
    alertmanagers: Annotated[
        list[str] | None, typer.Option("--alertmanager.url", help="Address of an Alertmanager; repeat it for each one.")
    ] = None,
    push: Annotated[
        bool | None, typer.Option("--push/--no-push", help="Push alerts, or leave them to the rules over our metrics.")
    ] = None,
    watches: Watches = None,
    budget: Budget = None,
    shard: Annotated[
        str | None, typer.Option("--shard", help="Judge one share of the series, such as 1/3; run all three.")
    ] = None,
    storage_path: Annotated[
        Path | None, typer.Option("--storage.path", help="Folder of outbox and state: a restart is warm.")
    ] = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Watch the series in Prometheus: expected ranges, anomalies, drift of models, forecasts and capacity dates.

    Everything is published on --web.listen-address for Prometheus, and alerts go straight to every Alertmanager. What
    is watched is in files: those that are shipped, and your own. `sales-exporter check --sidecar` runs each query once,
    `sales-exporter backtest` shows what would have been raised. Starts without Prometheus and waits for it.
    """
    flags: dict[str, object] = {
        "sidecar.listen_address": listen or None, "web.config_file": web_config, "sidecar.prometheus.url": prometheus,
        "sidecar.alertmanagers": alertmanagers or None, "sidecar.push": push, "sidecar.watches": watches or None,
        "sidecar.false_alarm_budget": budget, "sidecar.shard": shard, "storage.path": storage_path,
        "log.level": log_level, "log.format": log_format,
    }

    def read() -> Settings:
        return checked(load(config_file, flags))

    settings = read()
    if config_check:
        if settings.web.config_file is not None:
            WebConfig(settings.web.config_file)
        typer.echo("configuration is valid")
        return
    logs.configure(settings.log)
    asyncio.run(run(read, SystemClock()))


async def run(load: Load, clock: Clock) -> None:
    """Watch until SIGTERM or SIGINT; SIGHUP reads the configuration again.

    Raises:
        ConfigError: an address or a certificate cannot be used.
    """
    watching = Sidecar(load, clock, work)
    settings = watching.settings
    async with parts(watching, clock) as shown:
        web = await serve_web(
            watching, settings.web.model_copy(update={"listen_address": settings.sidecar.listen_address}), clock=clock,
            parts=shown, roles=lambda login: roles(watching.settings.sidecar.desk, login),
            external_url=settings.sidecar.desk.external_url,
        )
        log.info("serving", extra={"version": __version__, "address": ", ".join(map(str, web.addresses))})
        await until_stopped(watching.run(), watching.reload, web.close)
    log.info("stopped")
