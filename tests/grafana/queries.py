"""What is wrong with the PromQL of a dashboard: syntax, metrics, labels and the use of counters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import promql_parser

from sales_exporter.catalogue import instrumented
from sales_exporter.collectors import discover
from sales_exporter.model import Metric
from tests.grafana.boards import Board, expressions, filled, variables

TARGET = {"cluster", "tenant", "job", "instance"}
"""Labels that every scraped series has."""

RATES = {"rate", "increase", "irate", "resets"}
_HARD_CODED = re.compile(r"(?:job|instance|cluster|tenant)\s*(?:=|=~|!=)\s*\"(?!\$)(?!.*Watchdog)[^\"]+\"")


@dataclass(frozen=True, slots=True)
class Series:
    """A series name that can be queried: its kind and labels."""

    kind: str
    labels: frozenset[str]


def registry() -> dict[str, Series]:
    """Every series that the exporter or an application can export, and those that Prometheus makes of rules."""
    known: dict[str, Series] = {}
    for metric in (*instrumented(), *(metric for kind in discover().values() for metric in kind.metrics)):
        known |= _series(metric)
    alert = frozenset({"alertname", "severity", "team", "category", *TARGET})
    return {**known, "ALERTS": Series("gauge", alert | {"alertstate"}), "ALERTS_FOR_STATE": Series("gauge", alert)}


def _series(metric: Metric) -> dict[str, Series]:
    labels = frozenset({*metric.labels, *TARGET})
    if metric.kind != "histogram":
        return {metric.name: Series(metric.kind, labels)}
    parts = {f"{metric.name}_{part}": Series("counter", labels) for part in ("count", "sum")}
    return {**parts, f"{metric.name}_bucket": Series("counter", labels | {"le"})}


@cache
def parsed(expr: str) -> object:
    """The tree of an expression."""
    return promql_parser.parse(expr)


def defects(board: Board, known: Mapping[str, Series]) -> list[str]:
    """Sentences on every query of a dashboard; none means that it is sound."""
    values = dict.fromkeys(variables(board), "x")
    found: list[str] = []
    for where, expr in expressions(board):
        found += [f"{where}: hard-coded {text}" for text in _HARD_CODED.findall(expr)]
        try:
            tree = parsed(filled(expr, values))
        except (ValueError, KeyError) as error:
            found.append(f"{where}: {error}")
            continue
        selects = where.startswith("variable")
        found += [f"{where}: {text}" for text in _meaning(tree, known, under_rate=selects)]
        if not selects:
            found += [f"{where}: {text}" for text in _bar(tree)]
    return found


def _meaning(tree: object, known: Mapping[str, Series], *, under_rate: bool) -> Iterator[str]:
    if isinstance(tree, promql_parser.VectorSelector):
        yield from _selector(tree, known, under_rate=under_rate)
    if isinstance(tree, promql_parser.AggregateExpr) and tree.modifier is not None:
        yield from _grouping(tree, known)
    rated = isinstance(tree, promql_parser.Call) and tree.func.name in RATES
    for child in children(tree):
        yield from _meaning(child, known, under_rate=under_rate or rated)


def _selector(vector: promql_parser.VectorSelector, known: Mapping[str, Series], *, under_rate: bool) -> Iterator[str]:
    series = known.get(vector.name)
    if series is None:
        yield f"metric {vector.name} does not exist"
        return
    for matcher in vector.matchers.matchers:
        if matcher.name not in series.labels:
            yield f"{vector.name} has no label {matcher.name}"
    if series.kind == "counter" and not under_rate:
        yield f"counter {vector.name} outside rate or increase"


def _grouping(aggregate: promql_parser.AggregateExpr, known: Mapping[str, Series]) -> Iterator[str]:
    inside = [known.get(vector.name) for vector in selectors(aggregate)]
    if None in inside:
        return  # The unknown metric is a defect of its own.
    labels = {label for series in inside if series for label in series.labels}
    for name in set(aggregate.modifier.labels) - labels - set(_made(aggregate)):
        yield f"groups by {name}, which nothing inside has"


def _made(tree: object) -> Iterator[str]:
    if isinstance(tree, promql_parser.Call) and tree.func.name in ("label_replace", "label_join"):
        yield tree.args[1].val
    for child in children(tree):
        yield from _made(child)


def _bar(tree: object) -> Iterator[str]:
    for vector in selectors(tree):
        names = {matcher.name for matcher in vector.matchers.matchers}
        wanted = {"cluster", "tenant"} if vector.name.startswith("ALERTS") else TARGET
        watchdog = any(matcher.value == "Watchdog" and matcher.op == promql_parser.MatchOp.Equal
                       for matcher in vector.matchers.matchers)
        if not wanted <= names and not watchdog:
            yield f"{vector.name} does not follow the variables {sorted(wanted - names)}"


def selectors(tree: object) -> Iterator[promql_parser.VectorSelector]:
    """Every vector selector of an expression."""
    if isinstance(tree, promql_parser.VectorSelector):
        yield tree
    for child in children(tree):
        yield from selectors(child)


def children(tree: object) -> list[object]:
    """The expressions directly inside an expression."""
    if isinstance(tree, promql_parser.BinaryExpr):
        return [tree.lhs, tree.rhs]
    if isinstance(tree, promql_parser.Call):
        return list(tree.args)
    if isinstance(tree, promql_parser.MatrixSelector):
        return [tree.vector_selector]
    if isinstance(tree, promql_parser.AggregateExpr):
        return [tree.expr, *([tree.param] if tree.param is not None else [])]
    if isinstance(tree, promql_parser.ParenExpr | promql_parser.SubqueryExpr | promql_parser.UnaryExpr):
        return [tree.expr]
    return []
