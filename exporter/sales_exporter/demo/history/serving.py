"""A Prometheus on blocks of a past, and what our rules would have made of it, as further blocks."""

from __future__ import annotations

import contextlib
import math
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sales_exporter.config import QueryApi
from sales_exporter.demo.binaries import Binaries
from sales_exporter.demo.filling import Report
from sales_exporter.demo.history.build import History
from sales_exporter.demo.postgres import free_port
from sales_exporter.demo.processes import Children
from sales_exporter.errors import StackError
from sales_exporter.rules import exported
from sales_exporter.rules.api import Api
from sales_exporter.rules.book import Book
from sales_exporter.rules.inline import momentary
from sales_exporter.rules.replay import Column, Outcome, Span, record, replay
from sales_exporter.runtime.blocks import BLOCK, weeks

TIMEOUT = 300.0


def command(history: History, programs: Binaries, config: Path, port: int) -> list[str | Path]:
    """How a Prometheus is started on the blocks."""
    return [programs.prometheus, f"--config.file={config}", *history.flags(), f"--query.timeout={TIMEOUT:.0f}s",
            f"--web.listen-address=127.0.0.1:{port}", *programs.prometheus_flags()]


@contextlib.contextmanager
def serving(history: History, programs: Binaries) -> Iterator[str]:
    """The address of a Prometheus on the blocks, which scrapes nothing, for the length of a block.

    Raises:
        StackError: it did not come up.
    """
    folder, port = history.tsdb.parent.resolve(), free_port()
    children = Children(folder / "logs")
    try:
        child = children.start("prometheus", command(history, programs, configuration(folder), port),
                               ready_url=f"http://127.0.0.1:{port}/-/ready")
        children.wait_ready(child)
        yield f"http://127.0.0.1:{port}"
    finally:
        children.stop()


def configuration(folder: Path) -> Path:
    """A configuration that scrapes nothing, in ``folder``."""
    path = folder / "prometheus.yml"
    path.write_text("global: {scrape_interval: 10s}\n")
    return path


def ruled(history: History, programs: Binaries, rules: Book, span: Span, report: Report) -> list[Outcome]:
    """Evaluate the rules over a span and add what they make to the blocks: recorded series first, which alerts then
    read instead of what those are made from, as in a Prometheus that had them all the time. They are recorded from
    before the span on, so that an alert may have been pending when it began.

    Raises:
        SourceError: a recording rule could not be evaluated.
        StackError: promtool refused what was made.
    """
    before = max((one.hold + one.keep for one in rules.alerts), default=0.0)
    longer = Span(span.grid(before).start, span.until, span.step)
    with serving(history, programs) as url, report.step("evaluating recording rules") as progress:
        columns = record(Api(QueryApi(url=url, timeout=TIMEOUT)), rules, longer, progress)
    add(history, programs, (), columns, longer)
    read = Book(tuple(replace(one, expr=momentary(one.expr, rules.recordings, span.step)) for one in rules.alerts), ())
    with serving(history, programs) as url, report.step("evaluating alerts") as progress:
        outcomes = replay(Api(QueryApi(url=url, timeout=TIMEOUT)), read, span, progress)
    add(history, programs, outcomes, (), span)
    return outcomes


def add(history: History, programs: Binaries, outcomes: Sequence[Outcome], columns: Sequence[Column],
        span: Span) -> None:
    """Add ALERTS, ALERTS_FOR_STATE and recorded series to the blocks; no Prometheus may run on them.

    Raises:
        StackError: promtool refused them.
    """
    for part, values in _weeks(columns, span):
        with tempfile.TemporaryDirectory(dir=history.tsdb.parent) as name:
            source = Path(name) / "rules.om"
            with source.open("w", encoding="utf-8") as file:
                file.writelines(exported.lines(outcomes, values, part))
            done = subprocess.run(
                [programs.promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet",
                 f"--max-block-duration={BLOCK}", source, Path(name) / "blocks"],
                capture_output=True, text=True, check=False)
            if done.returncode:
                raise StackError(f"promtool could not make blocks of what rules made: {done.stderr.strip()[-300:]}")
            for block in (Path(name) / "blocks").glob("*"):
                block.rename(history.tsdb / block.name)


def _weeks(columns: Sequence[Column], span: Span) -> Iterator[tuple[Span, list[Column]]]:
    """The span in parts of a block each: promtool reads its whole input once for each block."""
    grid = span.grid(0)
    for low, high in weeks(span.since, span.until + span.step):
        first, last = (math.ceil((edge - span.since) / span.step) for edge in (low, high))
        if first < last:
            yield (Span(grid.at(first), grid.at(last - 1), span.step),
                   [replace(one, values=one.values[first:last]) for one in columns])


def instructions(history: History, programs: Binaries, port: int) -> str:
    """The command that starts a Prometheus on the blocks, for a shell."""
    config = configuration(history.tsdb.parent)
    return shlex.join(str(part) for part in command(history, programs, config, port))
