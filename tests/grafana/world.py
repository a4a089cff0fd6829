"""A company, its applications and its sidecar in a real Prometheus, and the questions that dashboards ask of them."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from sales_exporter.collectors import discover, exporter, source
from sales_exporter.config import Business
from sales_exporter.demo import generator
from sales_exporter.grafana.document import Board, filled, panels, source_of
from sales_exporter.grafana.structure import SHARED
from sales_exporter.runtime.exposition import Renderer
from sales_exporter.runtime.past import begin, evaluate
from tests.grafana import findings
from tests.grafana.added import neglect, ring
from tests.grafana.boards import all_boards
from tests.grafana.server import Prometheus, program, serving
from tests.grafana.traffic import past
from tests.support.databases import Database

BOARDS = all_boards()
NOW = 1_780_000_200.0
HOUR, DAY, WEEK = 3_600, 86_400, 7 * 86_400
EARLIER = 301
"""Seconds between two samples of an exporter: within the step of a query, and too old to be taken for the newest."""
REPLICAS = ("a:18880", "b:18880")
APPLICATIONS = {"shop-1:8000": 1, "shop-2:8000": 2}
"""Instances of an application, and their shares of its traffic."""
APPLICATION_MINUTES = 90


@dataclass(frozen=True, slots=True)
class World:
    """A Prometheus with today and a week ago, the day before each, and what the exporter said last."""

    prometheus: Prometheus
    said: dict[str, float]


@contextlib.contextmanager
def living(database: Database, folder: Path) -> Iterator[World]:
    """The world for the length of a block, its company in ``database`` and its samples below ``folder``."""
    promtool = program("promtool")
    preset = generator.demo(until=datetime.fromtimestamp(NOW, UTC), seed=7)
    tables, _ = generator.generate(dataclasses.replace(preset, leads=6_000))
    generator.load(database.owner.dsn, tables, lambda done, total, what: None)
    ring(database, NOW)
    neglect(database, NOW)
    lines: list[str] = []
    for moment in (NOW - WEEK - DAY, NOW - WEEK, NOW - DAY, NOW):
        before, now = spoken(database, moment)
        for replica in REPLICAS:
            target = f'job="sales-exporter",instance="{replica}",cluster="demo",tenant="default"'
            for at, said in ((moment - EARLIER, before), (moment, now)):
                lines += [f"{labelled(key, target)} {value!r} {at:.0f}" for key, value in said.items()]
    for instance, series, value, at in past(NOW, APPLICATION_MINUTES, APPLICATIONS):
        target = f'job="shop",instance="{instance}",cluster="demo",tenant="default"'
        lines.append(f"{labelled(series, target)} {value!r} {at:.0f}")
    for series, value in findings.said(now).items():
        target = 'job="sidecar",instance="c:18881",cluster="demo",tenant="default"'
        lines += [f"{labelled(series, target)} {value!r} {at:.0f}" for at in (NOW - 300, NOW)]
    (folder / "past.om").write_text("\n".join([*lines, *alerts(NOW), "# EOF", ""]))
    subprocess.run([promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", folder / "past.om",
                    folder / "tsdb"], check=True, capture_output=True)
    config = folder / "prometheus.yml"
    config.write_text("global: {scrape_interval: 10s}\n")
    with serving(folder / "tsdb", config) as prometheus:
        yield World(prometheus, now)


def spoken(database: Database, moment: float) -> tuple[dict[str, float], dict[str, float]]:
    """What the exporter says an hour before a moment and at it. The hour stands for the step of a query: a company of
    this size has too little in five minutes for its counters to grow."""
    dsn, business, both = database.reader.dsn, Business(), [moment - HOUR, moment]
    series = evaluate(dsn, business, begin(dsn, business, both[0], quiet), both, quiet)
    before, now = ({f"{one.name}{{{one.labels}}}": float(one.values[place]) for one in series
                    if not np.isnan(one.values[place])} for place in range(len(both)))
    return before | itself(moment - EARLIER), now | itself(moment)


def quiet(done: int, total: int) -> None:
    """Of the evaluation nothing is told."""


def labelled(series: str, more: str) -> str:
    """The text of a series with further labels."""
    name, _, labels = series.partition("{")
    return f"{name}{{{','.join(filter(None, [labels.removesuffix('}'), more]))}}}"


def itself(moment: float) -> dict[str, float]:
    """What the exporter says of itself and of its source, while all is well."""
    samples = [exporter.AS_OF(moment), exporter.REPLAY(0), source.UP(1, source="postgres"),
               source.LAG(0.4, source="postgres")]
    for name in discover():
        samples += [exporter.SUCCESS(1, collector=name), exporter.LAST(moment - 5, collector=name)]
    return Renderer().values(samples)


FIRING = (
    # Alert, severity, team, service, cluster.
    ("Watchdog", "none", "platform", "monitoring", ""),
    ("SalesFunnelDry", "critical", "sales-ops", "funnel", "demo"),
    ("SalesChannelLosingMoney", "warning", "sales-ops", "roi", "demo"),
    ("SalesApiLatencyHigh", "info", "platform", "api", "demo"),
    ("SalesCallsFailing", "info", "sales-ops", "calls", "demo"),
    ("SalesModelScoreDrift", "info", "ml", "models", "demo"),
    ("SalesStageStuck", "info", "sales-ops", "pipeline", "demo"),
)


def alerts(moment: float) -> list[str]:
    """Firing alerts as Prometheus writes them down."""
    lines = []
    for name, severity, team, service, cluster in FIRING:
        where = f',cluster="{cluster}",tenant="default"' if cluster else ""
        labels = f'alertname="{name}",severity="{severity}",team="{team}",service="{service}",category="x"{where}'
        lines += [f'ALERTS{{{labels},alertstate="firing"}} 1 {moment:.0f}',
                  f"ALERTS_FOR_STATE{{{labels}}} {moment - 600:.0f} {moment:.0f}"]
    return lines


def resolved(board: Board, prometheus: Prometheus, *, one: bool) -> dict[str, str]:
    """Variables as a browser resolves them, top to bottom; ``one`` picks one job and one instance."""
    values: dict[str, str] = {}
    for variable in board["templating"]["list"]:
        if variable["type"] != "query":
            values[variable["name"]] = variable["current"]["value"]
            continue
        series, label = source_of(variable)
        found = prometheus.label_values(filled(series, values), label, NOW - WEEK, NOW)
        assert found, f"variable {variable['name']} has no values"
        default = variable.get("current", {}).get("value")
        if variable["includeAll"]:
            single = one and variable["name"] in SHARED
            values[variable["name"]] = escaped(found[0]) if single else variable["allValue"]
        else:
            values[variable["name"]] = default if default in found else found[0]
    return values


def escaped(value: str) -> str:
    """A value as Grafana writes it into a regular expression within a PromQL string."""
    return re.sub(r"[$()*+?.{}|^\[\]\\]", r"\\\\\g<0>", value)


def answers(panel: Board, values: dict[str, str],
            prometheus: Prometheus) -> Iterator[tuple[Board, list[dict[str, Any]]]]:
    """Each query of a panel with its series; values of an instant query are lists of one."""
    for target in panel["targets"]:
        expr = filled(target["expr"], values)
        if target["instant"]:
            found = [{**series, "values": [series["value"]]} for series in prometheus.now(expr, NOW)]
        else:
            found = prometheus.over(expr, NOW - 600, NOW, 300)
        yield target, found


def column(world: World, name: str, number: int, letter: str, **chosen: str) -> list[dict[str, Any]]:
    """The series that one query of a panel of the board ``name`` finds; ``chosen`` are values of variables."""
    board = BOARDS[name]
    panel = next(panel for panel in panels(board) if panel["id"] == number)
    values = resolved(board, world.prometheus, one=False) | chosen
    return next(series for target, series in answers(panel, values, world.prometheus) if target["refId"] == letter)


def figure(world: World, name: str, number: int, letter: str, **chosen: str) -> float:
    """The number of the first of these series; an IndexError when there is none."""
    return float(column(world, name, number, letter, **chosen)[0]["values"][-1][1])


def total(world: World, name: str, *labels: str) -> float:
    """The sum of what the exporter said of a metric, over the series with all of these labels."""
    return sum(value for key, value in world.said.items()
               if key.partition("{")[0] == name and all(f'{label}"' in key for label in labels))
