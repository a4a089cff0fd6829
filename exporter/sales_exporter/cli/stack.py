"""``up``: the whole product on this machine, with real servers and one command."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from sales_exporter.cli.settings import text_of
from sales_exporter.demo import filling
from sales_exporter.demo.layout import JOBS, PORTS, Layout, write_target
from sales_exporter.demo.postgres import Login
from sales_exporter.demo.stack import Data, Stack, Summary
from sales_exporter.errors import ConfigError, StackError

REFRESH_SECONDS = 2.0


class Steps:
    """Progress on standard error: a bar in a terminal, a line for each step elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    @contextmanager
    def step(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """Show one step while it lasts."""
        columns = (TextColumn("{task.description:<42}"), BarColumn(30), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(what, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
            progress.update(task, completed=1, total=1)


def up(
    data: Annotated[
        Data, typer.Option("--data", help="What to show: an invented company, a real data set, or an empty schema.")
    ] = "generated",
    data_path: Annotated[
        Path | None,
        typer.Option("--data.path", help="Folder of the files for olist, crm or bank.", envvar="SALES_TEST_DATA"),
    ] = None,
    offset: Annotated[
        int, typer.Option("--port-offset", min=0, max=40_000, help="Added to every port, to run beside another stack.")
    ] = 0,
    storage: Annotated[
        Path,
        typer.Option("--storage.path", help="Folder for data, logs, passwords.", envvar="SALES_EXPORTER_STORAGE_PATH"),
    ] = Path(".sales-exporter"),
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Start, wait until ready, print a JSON summary, stop; exit 0 or 1.")
    ] = False,
) -> None:
    """Start PostgreSQL, exporter, sidecar, Prometheus and Alertmanager on loopback, with data and its past.

    With the generated data an example application gets invented traffic, too.

    The first run fetches what is missing and takes a minute or two; the next ones use everything again. Ctrl-C stops
    all of it. Remove the storage folder to start anew.
    """
    # Python leaves SIGINT ignored where a script starts us in the background.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    stack = Stack(Layout(storage.resolve(), offset), data, data_path, Steps())
    try:
        storage.mkdir(parents=True, exist_ok=True)
        stack.start()
        if smoke:
            summary = stack.summary(stack.settle())
            typer.echo(summary.text())
            raise typer.Exit(0 if summary.healthy else 1)
        _watch(stack)
    except OSError as error:
        raise StackError(f"--storage.path {storage}: {error.strerror}: {error.filename}") from None
    finally:
        stack.stop()


def load_demo(
    admin_dsn_file: Annotated[Path, typer.Option("--admin-dsn-file", help="File with the owner's connection string.")],
    reader_password_file: Annotated[
        Path, typer.Option("--reader-password-file", help="File with the password for the read-only role.")
    ],
    recorder_password_file: Annotated[
        Path, typer.Option("--recorder-password-file", help="File with the password for the recorder's role.")
    ],
    blocks: Annotated[Path, typer.Option("--blocks", help="Prometheus' data folder; Prometheus must not run yet.")],
    targets: Annotated[
        Path | None, typer.Option("--targets", help="Folder to write the scrape target of the application into.")
    ] = None,
    application: Annotated[
        str, typer.Option("--application", help="host:port of the example application, for --targets.")
    ] = "application:18882",
) -> None:
    """Fill a database and Prometheus' folder with the demo, once: the one-shot service of docker compose."""
    if targets is not None:
        write_target(targets, "application", application)
    marker = blocks / "sales-exporter-demo-loaded"
    if marker.exists():
        typer.echo("the demo is loaded already")
        return
    owner = Login.from_dsn(text_of(admin_dsn_file, "--admin-dsn-file").strip())
    promtool = shutil.which("promtool")
    if promtool is None:
        raise ConfigError("promtool is not on PATH; it comes with Prometheus")
    steps, now = Steps(), time.time()
    reader, _ = filling.prepare(owner, text_of(reader_password_file, "--reader-password-file").strip(),
                                text_of(recorder_password_file, "--recorder-password-file").strip())
    filling.generate(owner, now, steps)
    past = filling.make_past(reader, Path(promtool), blocks, now, steps)
    marker.touch()
    typer.echo(f"loaded; {past.samples} samples in {past.series} series of the past")


def _watch(stack: Stack) -> None:
    """Show the live table until Ctrl-C."""
    console = Console()
    line = stack.grafana_line()
    if line is not None:
        console.print("\nGrafana is not on PATH. With Docker, its dashboards over this very stack:", style="bold")
        # In one piece, so that it can be copied.
        console.print(f"{line}\n", soft_wrap=True, highlight=False, markup=False)
    try:
        with Live(console=console, refresh_per_second=2, transient=False) as live:
            while True:
                if stack.broken:
                    raise StackError(f"ended unexpectedly: {', '.join(stack.broken)}")
                live.update(_picture(stack, stack.summary(None)))
                time.sleep(REFRESH_SECONDS)
    except KeyboardInterrupt:
        console.print("stopping")


def _picture(stack: Stack, summary: Summary) -> Group:
    table = Table(title="sales-exporter", title_justify="left", show_edge=False, pad_edge=False)
    for heading in ("server", "address", "state"):
        table.add_column(heading)
    for job, server in JOBS.items():
        if server == "application" and stack.data != "generated":
            continue
        state = summary.targets.get(job, "starting")
        colour = "green" if state == "up" else "yellow"
        table.add_row(server, stack.layout.url(server), f"[{colour}]{state}[/]")
    if stack.grafana_line() is None:
        table.add_row("grafana", stack.layout.url("grafana"), "[green]up[/]")
    table.add_row("postgres", f"127.0.0.1:{PORTS['postgres'] + stack.layout.offset}/sales", "[green]up[/]")
    return Group(table, Text(""), *_facts(stack, summary))


def _facts(stack: Stack, summary: Summary) -> Iterator[Text]:
    age = stack.query("max(sales_source_lag_seconds)")
    yield Text(f"data      {stack.data}" + (f", as of {stack.as_of} (replay)" if stack.as_of else "")
               + (f", {float(age[0]['value'][1]):.0f} s old" if age else ""))
    yield Text(f"series    {summary.sales_series} in Prometheus")
    firing = [alert["alertname"] for alert in summary.alerts if alert["alertname"] != "Watchdog"]
    counts = {name: firing.count(name) for name in sorted(set(firing))}
    names = ", ".join(f"{name} x{count}" if count > 1 else name for name, count in counts.items())
    yield Text(f"alerts    {len(firing)} firing" + (f": {names}" if names else ""))
    yield Text("\nCtrl-C stops everything.")


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt
