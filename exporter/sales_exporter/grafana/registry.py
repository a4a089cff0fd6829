"""Every series that dashboards can ask for, with its kind, its labels and who says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import promql_parser
import yaml

from sales_exporter.catalogue import instrumented, judged
from sales_exporter.collectors import discover
from sales_exporter.grafana.foreign import FOREIGN
from sales_exporter.grafana.promql import children, made, parsed
from sales_exporter.model import Metric

PLACE = frozenset({"cluster", "tenant"})
TARGET = PLACE | {"job", "instance"}
"""Labels that every scraped series has."""


@dataclass(frozen=True, slots=True)
class Series:
    """A series name that can be queried: its kind, its labels, and which kind of process says it."""

    kind: str
    labels: frozenset[str]
    home: str


def registry(rules: Path) -> dict[str, Series]:
    """Every series that there can be: of the exporter, an application, the sidecar, the servers, and of the rules.

    ``rules`` is the folder of the rule files; those that record are read.
    """
    known: dict[str, Series] = {name: Series(kind, frozenset({*labels, *TARGET}), name.partition("_")[0])
                                for name, (kind, labels) in FOREIGN.items()}
    of_exporter = [metric for kind in discover().values() for metric in kind.metrics]
    for home, metrics in {"application": instrumented(), "sidecar": judged(), "exporter": of_exporter}.items():
        for metric in metrics:
            known |= _series(metric, home)
    alert = frozenset({"alertname", "severity", "team", "category", "service", "slo", *TARGET})
    known |= {"ALERTS": Series("gauge", alert | {"alertstate"}, "rules"),
              "ALERTS_FOR_STATE": Series("gauge", alert, "rules")}
    for path in sorted((rules / "recording").glob("*.yml")):
        groups = yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in (rule for group in groups for rule in group["rules"]):
            kept = _kept(parsed(rule["expr"]), known)
            known[rule["record"]] = Series("gauge", frozenset({*kept, *rule.get("labels", {})}), "rules")
    return known


def _kept(tree: object, known: Mapping[str, Series]) -> frozenset[str]:
    """Labels that the result of an expression can have."""
    if isinstance(tree, promql_parser.AggregateExpr):
        named = frozenset(tree.modifier.labels) if tree.modifier is not None else frozenset()
        without = tree.modifier is not None and tree.modifier.type == promql_parser.AggModifierType.Without
        return _kept(tree.expr, known) - named if without else named
    series = known.get(tree.name or "") if isinstance(tree, promql_parser.VectorSelector) else None
    own = series.labels if series is not None else frozenset[str]()
    return own.union(made(tree), *(_kept(child, known) for child in children(tree)))


def _series(metric: Metric, home: str) -> dict[str, Series]:
    labels = frozenset({*metric.labels, *TARGET})
    if metric.kind != "histogram":
        return {metric.name: Series(metric.kind, labels, home)}
    parts = {f"{metric.name}_{part}": Series("counter", labels, home) for part in ("count", "sum")}
    return {**parts, f"{metric.name}_bucket": Series("counter", labels | {"le"}, home)}
