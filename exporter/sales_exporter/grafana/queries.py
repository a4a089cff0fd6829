"""What is wrong with the PromQL of a dashboard: syntax, metrics, labels, windows and the use of counters."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

import promql_parser

from sales_exporter.grafana.document import (
    RANGE,
    RATE_INTERVAL,
    Board,
    expressions,
    filled,
    panels,
    source_of,
    variables_of,
)
from sales_exporter.grafana.document import (
    named as name_of,
)
from sales_exporter.grafana.promql import children, made, parsed, selectors
from sales_exporter.grafana.registry import PLACE, TARGET, Series

RATES = {"rate", "increase", "irate", "resets"}
_DURATION = re.compile(r"(?:offset |\[)\$\{?([a-zA-Z]\w*)")
"""A variable that stands for a duration, not for the value of a label."""
_TOPS = {"topk", "bottomk"}
_HARD_CODED = re.compile(r"(?:job|instance|cluster|tenant)\s*(?:=|=~|!=)\s*\"(?!\$)(?!.*Watchdog)[^\"]+\"")


def defects(board: Board, known: Mapping[str, Series]) -> list[str]:
    """Sentences on every query of one of our dashboards; none means that it is sound."""
    found = broken(board, known)
    drawn = {f"{name_of(panel)} {target['refId']}" for panel in panels(board)
             for target in panel["targets"] if target.get("range")}
    for where, tree in _trees(board):
        if isinstance(tree, str) or where.startswith("variable"):
            continue
        home = "annotation" if where.startswith("annotation") else _home(board, known)
        found += [f"{where}: {text}" for text in _bar(tree, known, home)]
        if where in drawn:
            found += [f"{where}: {text}" for text in _over_time(tree)]
    for where, expr in expressions(board):
        found += [f"{where}: hard-coded {text}" for text in _HARD_CODED.findall(expr)]
    return found


def broken(board: Board, known: Mapping[str, Series]) -> list[str]:
    """Sentences on every query of any dashboard that cannot answer, or would answer something else than it says."""
    found: list[str] = []
    for where, tree in _trees(board):
        texts = [tree] if isinstance(tree, str) else _meaning(tree, known, under_rate=where.startswith("variable"))
        found += [f"{where}: {text}" for text in texts]
    return found


def _trees(board: Board) -> Iterator[tuple[str, object]]:
    """(where, tree) of every query; a sentence in place of the tree of one that cannot be parsed."""
    values = {variable["name"]: _example(variable) for variable in variables_of(board)}
    for where, expr in expressions(board):
        durations = {name: "1h" for name in _DURATION.findall(expr) if name in values}
        try:
            yield where, parsed(filled(expr, values | durations))
        except KeyError as error:
            yield where, f"variable {error.args[0]} does not exist"
        except ValueError as error:
            yield where, f"cannot be parsed: {' '.join(str(error).split())}"


def _example(variable: Board) -> str:
    # What a list or a text field stands for may be a number or a part of a query; labels are quoted.
    chosen = variable.get("current", {}).get("value")
    return chosen if variable.get("type") in {"custom", "textbox", "constant"} and isinstance(chosen, str) else "x"


def _meaning(tree: object, known: Mapping[str, Series], *, under_rate: bool) -> Iterator[str]:
    if isinstance(tree, promql_parser.VectorSelector):
        yield from _selector(tree, known, under_rate=under_rate)
    if isinstance(tree, promql_parser.AggregateExpr) and tree.modifier is not None:
        yield from _grouping(tree, tree.modifier, known)
    rated = isinstance(tree, promql_parser.Call) and tree.func.name in RATES
    if isinstance(tree, promql_parser.Call) and tree.func.name == "histogram_quantile":
        yield from _buckets(tree.args[1])
    for child in children(tree):
        yield from _meaning(child, known, under_rate=under_rate or rated)


def _buckets(tree: object) -> Iterator[str]:
    while isinstance(tree, promql_parser.ParenExpr):
        tree = tree.expr
    if isinstance(tree, promql_parser.AggregateExpr):
        by = tree.modifier is not None and tree.modifier.type == promql_parser.AggModifierType.By
        named_le = tree.modifier is not None and "le" in tree.modifier.labels
        if by != named_le:
            yield "histogram_quantile of buckets without le"


def _over_time(tree: object) -> Iterator[str]:
    """What looks right at one moment and wrong on a time axis."""
    if isinstance(tree, promql_parser.Call) and tree.func.name in RATES:
        (window,) = (arg for arg in tree.args if isinstance(arg, promql_parser.MatrixSelector))
        if window.range.total_seconds() not in (RATE_INTERVAL, RANGE):
            yield f"{tree.func.name} over a fixed window: peaks between two points are lost; use $__rate_interval"
    if isinstance(tree, promql_parser.AggregateExpr) and str(tree.op) in _TOPS:
        if any(vector.at is None for vector in selectors(tree)):
            yield f"{tree.op} anew at each moment: lines come and go; choose by the whole range (@ end())"
        return
    for child in children(tree):
        yield from _over_time(child)


def _selector(vector: promql_parser.VectorSelector, known: Mapping[str, Series], *, under_rate: bool) -> Iterator[str]:
    series = known.get(vector.name or "")
    if series is None:
        yield f"metric {vector.name} does not exist{_meant(vector.name, known)}"
        return
    for matcher in vector.matchers.matchers:
        if matcher.name not in series.labels:
            yield f"{vector.name} has no label {matcher.name}"
    if series.kind == "counter" and not under_rate:
        yield f"counter {vector.name} outside rate or increase"


def _meant(name: str | None, known: Mapping[str, Series]) -> str:
    near = difflib.get_close_matches(name or "", known, 1, 0.85)
    return f"; {near[0]} does" if near else ""


def _grouping(
    aggregate: promql_parser.AggregateExpr, named: promql_parser.AggModifier, known: Mapping[str, Series]
) -> Iterator[str]:
    inside = [known.get(vector.name or "") for vector in selectors(aggregate)]
    if None in inside:
        return  # The unknown metric is a defect of its own.
    labels = {label for series in inside if series for label in series.labels}
    for name in set(named.labels) - labels - set(made(aggregate)):
        yield f"groups by {name}, which nothing inside has"


def _home(board: Board, known: Mapping[str, Series]) -> str:
    """Which kind of process the variables ``job`` and ``instance`` choose from."""
    asked = next((source_of(variable) for variable in variables_of(board) if variable["name"] == "job"), None)
    series = known.get(asked[0].partition("{")[0]) if asked else None
    return series.home if series else ""


def _bar(tree: object, known: Mapping[str, Series], home: str) -> Iterator[str]:
    for vector in selectors(tree):
        series = known.get(vector.name or "")
        if series is None:
            continue  # That it does not exist is a defect of its own.
        names = {matcher.name for matcher in vector.matchers.matchers}
        wanted = (TARGET if series.home == home else PLACE) & series.labels
        watchdog = any(matcher.value == "Watchdog" and matcher.op == promql_parser.MatchOp.Equal
                       for matcher in vector.matchers.matchers)
        if not wanted <= names and not watchdog:
            yield f"{vector.name} does not follow the variables {sorted(wanted - names)}"
