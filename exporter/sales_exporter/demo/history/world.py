"""Two weeks in which a little of everything went wrong: what dashboards are shown and tested on.

Near the end, so that the default ranges of dashboards show it; what does not last to the very end was over an hour
before, because a Prometheus on these blocks holds a value for an hour.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sales_exporter.demo import generator
from sales_exporter.demo.binaries import Binaries
from sales_exporter.demo.filling import Report
from sales_exporter.demo.generator import Preset
from sales_exporter.demo.history import desk, sidecar
from sales_exporter.demo.history.build import History, Plan, build, target
from sales_exporter.demo.history.faults import Fault
from sales_exporter.demo.history.servers import Page
from sales_exporter.demo.history.serving import ruled, serving
from sales_exporter.files import shipped
from sales_exporter.rules import book
from sales_exporter.rules.replay import Span
from sales_exporter.runtime.blocks import Batch, Steps, make_blocks_of
from sales_exporter.sidecar.watches.files import load

UNTIL = datetime(2026, 11, 19, 20, tzinfo=UTC)
"""A Thursday evening. Fixed, so that the world is the same on every day."""
DAYS, RECENT, SEED = 14, 2.0, 7
CALLS = 400.0
"""A day: as many as alerts on calls need."""
HOUR, MINUTE = 3_600.0, 60.0
STEP = 300.0
"""Seconds between two evaluations of the rules."""
SIDECAR, SIDECAR_STEP = 26 * HOUR, 600.0
"""Seconds at the end that the sidecar judges, and between two of its ticks."""
_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def company() -> Preset:
    """The demo's company with its incidents, and more calls."""
    made = generator.demo(until=UNTIL, seed=SEED)
    return replace(made, calls_per_lead=CALLS * made.days / made.leads)


def script(end: float) -> tuple[Fault, ...]:
    """What goes wrong besides the company's incidents."""
    return (
        Fault("cpu_busy", end - 26 * HOUR, HOUR, 0.97),
        Fault("disk_filling", end - 11 * HOUR, 12 * HOUR, 0.99, "/var/lib/postgresql"),
        Fault("target_down", end - 8 * HOUR, 12 * MINUTE, subject="sidecar"),
        Fault("source_lost", end - 6 * HOUR, 20 * MINUTE),
        Fault("notifications_failing", end - 5 * HOUR, 15 * MINUTE, 0.8, "webhook"),
        Fault("api_errors", end - 3 * HOUR, 40 * MINUTE, 0.3),
        Fault("api_latency", end - 2 * HOUR, 3 * HOUR, 12.0),
        Fault("recorder_dropping", end - 100 * MINUTE, 3 * HOUR, 0.05),
        Fault("instrumentation_failing", end - 80 * MINUTE, 3 * HOUR, 2.0),
    )


def plan() -> Plan:
    """The whole of it."""
    made = company()
    # Between two quarters of an hour: the gauges that rules read have no sample to lose.
    gap = made.end - 30 * HOUR + 20 * MINUTE
    watched = " ".join(f"{one.query} {one.denominator}" for one in load([_watches()]))
    read = mentioned(_rules()) | frozenset(_WORD.findall(watched))
    return Plan(made, DAYS, RECENT, script(made.end), gaps=((gap, gap + 4 * MINUTE),), ruled=read, evenly=True)


def world(folder: Path, programs: Binaries, report: Report, known: Mapping[str, Page] | None = None) -> History:
    """Blocks of the world in ``folder/tsdb``, with the alerts that fired and what the rules recorded.

    The same on every machine. Takes about two minutes of CPU time. Start a Prometheus on them with ``History.flags()``.

    Raises:
        StackError: a server did not come up, or promtool refused something.
        SourceError: a rule could not be evaluated.
    """
    made = build(plan(), folder, programs, report, known)
    rules = _rules()
    span = Span(made.end - RECENT * 24 * HOUR, made.end, STEP)
    with serving(made, programs) as url, report.step("asking the sidecar's judge"):
        moments = [made.end - SIDECAR_STEP * place for place in range(round(SIDECAR / SIDECAR_STEP), -1, -1)]
        found = sidecar.findings(url, moments, [_watches()])
    batch = Batch(found, moments[0], target("sidecar"), Steps(round(SIDECAR_STEP), round(SIDECAR_STEP)))
    make_blocks_of(programs.promtool, [batch], made.end + 1, made.tsdb, lambda done, total: None)
    outcomes = ruled(made, programs, rules, span, report)
    batch = Batch(desk.shown(outcomes, span, SEED), span.since, target("sidecar"), Steps(round(STEP), round(STEP)))
    make_blocks_of(programs.promtool, [batch], made.end + 1, made.tsdb, lambda done, total: None)
    return made


def mentioned(rules: book.Book) -> frozenset[str]:
    """Every word of the expressions that may be the name of a metric, also within a matcher."""
    expressions = [*(rule.expr for rule in rules.alerts), *(rule.expr for rule in rules.recordings)]
    return frozenset(word for expr in expressions for word in _WORD.findall(expr))


def _watches() -> Path:
    """The demo's, besides those that are shipped."""
    return shipped("examples") / "demo" / "watches.yml"


def _rules() -> book.Book:
    return book.read([shipped("alert_rules")])
