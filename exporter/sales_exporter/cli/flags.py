"""Flags that several commands have, so that each is said in the same words everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config.file", help="Configuration (YAML). Default: sales-exporter.yml, where there is one."),
]
WebConfigFile = Annotated[
    Path | None, typer.Option("--web.config.file", help="TLS, users and headers, as in exporter-toolkit.")
]
LogLevel = Annotated[str | None, typer.Option("--log.level", help="debug, info, warn or error.")]
LogFormat = Annotated[str | None, typer.Option("--log.format", help="logfmt or json.")]
PrometheusUrl = Annotated[
    str | None, typer.Option("--prometheus.url", help="Address of Prometheus, or of what answers like it.")
]
Watches = Annotated[
    list[Path] | None, typer.Option("--watches", help="File with watches of your own; repeatable.")
]
Budget = Annotated[
    str | None, typer.Option("--false-alarm-budget", help="False pages that you accept, such as '1 per week'.")
]
