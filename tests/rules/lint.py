"""What is wrong with an alerting rule: our own checks, beyond what promtool looks at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import promql_parser as ql

from sales_exporter.catalogue import instrumented, judged
from sales_exporter.collectors import discover
from tests.rules.rulebook import Alert, metrics, nodes, records, selectors

SEVERITIES = {"critical", "warning", "info"}
TEAMS = {"platform", "sales-ops", "ml", "exec"}
CATEGORIES = {"availability", "freshness", "collection", "quality", "capacity", "business", "model", "monitoring"}
SCRAPED = frozenset({"cluster", "tenant", "job", "instance"})
SERVERS = ("prometheus_", "alertmanager_")
COMPARISONS = {"==", "!=", ">", "<", ">=", "<="}
OVER_RANGES = {"rate", "increase", "changes"}
# Read the counter itself beside its increase, to see a series that was born with violations or errors.
RAW_COUNTERS = {"SalesContractViolations", "SalesInstrumentationErrors"}
ALWAYS_FIRING = "Watchdog"
# When no exporter is left, there is no cluster or tenant to name.
WHOLE = {"SalesExporterAbsent"}
FINDING = frozenset({"severity", "team", "category", "service", "entity", "watch"})
"""Labels of what the sidecar finds, beside cluster and tenant: it pushes alerts with these and no others."""


@cache
def registry() -> Mapping[str, frozenset[str]]:
    """Every series name that the exporter, an application or the sidecar can expose, with its labels."""
    known: dict[str, frozenset[str]] = {"up": frozenset(), "ALERTS": frozenset({"alertname"})}
    for metric in (*instrumented(), *judged(), *(metric for kind in discover().values() for metric in kind.metrics)):
        labels = frozenset(metric.labels)
        if metric.kind == "histogram":
            known |= {f"{metric.name}_bucket": labels | {"le"}, f"{metric.name}_count": labels,
                      f"{metric.name}_sum": labels}
        else:
            known[metric.name] = labels
    return known


def unknown_names(expr: str) -> Iterator[str]:
    """Metrics that nobody exposes, and labels that they do not have."""
    recorded = {record.name for record in records()}
    for named, labels in selectors(expr):
        for name in named - recorded:
            if name.startswith(SERVERS):
                continue
            if name not in registry():
                if not any(re.fullmatch(name, known) for known in registry()):
                    yield f"no collector exposes {name}"
            elif labels.keys() - registry()[name] - SCRAPED:
                yield f"{name} has no label {sorted(labels.keys() - registry()[name] - SCRAPED)}"


def lost_tenants(expr: str, keep: frozenset[str]) -> Iterator[str]:
    """Aggregations and matchings that mix clusters or tenants."""
    for node in nodes(expr):
        modifier = getattr(node, "modifier", None)
        if isinstance(node, ql.AggregateExpr):
            kept = _labels(modifier)
            if modifier is None or modifier.type != ql.AggModifierType.By or not keep <= kept:
                yield f"{node.op} does not group by {sorted(keep)}"
        matching = modifier.matching if isinstance(node, ql.BinaryExpr) and modifier is not None else None
        # A calendar is the same for all tenants.
        if matching is not None and matching.type == ql.LabelModifierType.Include and not keep <= set(matching.labels) \
                and _reads(node.rhs):
            yield f"a matching on {sorted(matching.labels)} mixes {sorted(keep)}"


def decides(expr: str) -> bool:
    """Whether the expression can be empty: it compares, or asks for absence."""
    return any(
        (isinstance(node, ql.BinaryExpr) and str(node.op) in COMPARISONS | {"unless"})
        or (isinstance(node, ql.Call) and node.func.name == "absent")
        for node in nodes(expr)
    )


def raw_counters(expr: str) -> Iterator[str]:
    """Counters that are read without a function over their increase."""
    inside: list[Any] = []
    for node in nodes(expr):
        if isinstance(node, ql.Call) and node.func.name in OVER_RANGES:
            inside += [str(arg.vector_selector) for arg in node.args if isinstance(arg, ql.MatrixSelector)]
    for node in nodes(expr):
        selector = node.vector_selector if isinstance(node, ql.MatrixSelector) else node
        name = selector.name or "" if isinstance(selector, ql.VectorSelector) else ""
        if name.endswith(("_total", "_bucket", "_count")) and str(selector) not in inside:
            yield f"{name} is a counter and needs rate or increase"


def defects(alert: Alert) -> list[str]:
    """Everything that is wrong with a rule; empty when it may be shipped."""
    found = list(unknown_names(alert.expr))
    if alert.name != ALWAYS_FIRING:
        found += [] if decides(alert.expr) else ["the expression compares nothing"]
        found += [] if alert.hold else ["no `for`"]
    if alert.name not in WHOLE:
        found += lost_tenants(alert.expr, frozenset({"cluster"} if alert.family == "meta" else {"cluster", "tenant"}))
    if alert.name not in RAW_COUNTERS and not is_twin(alert):
        found += raw_counters(alert.expr)
    return found


def is_twin(alert: Alert) -> bool:
    """Whether it is the alert that fires when a family's metrics are gone."""
    return alert.name.endswith("MetricsAbsent")


def is_finding(alert: Alert) -> bool:
    """Whether it passes on what the sidecar found: severity, team, category and service are those of the series."""
    return alert.labels == {name: f"{{{{ $labels.{name} }}}}" for name in alert.labels}


def severities(alert: Alert) -> frozenset[str]:
    """The severities that an alert can have."""
    return frozenset(SEVERITIES if is_finding(alert) else {alert.labels["severity"]})


def asked_in_texts(alert: Alert) -> Iterator[str]:
    """The queries within an alert's texts, with something in place of what is filled in."""
    for text in alert.annotations.values():
        yield from (query.replace("%q", '"x"') for query in re.findall(r"query \(printf `([^`]+)`", text))


def collectors_of(expr: str) -> frozenset[str]:
    """The collectors whose metrics an expression reads."""
    owners = {name: collector for collector, kind in discover().items() for metric in kind.metrics
              for name in (metric.name, f"{metric.name}_bucket", f"{metric.name}_count")}
    return frozenset(owners[name] for name in metrics(expr) if name in owners)


def false_resolve(hold: float, resend: float, grace: float) -> bool:
    """Whether a Prometheus that is killed resolves a firing alert which has not ended (reliability.md, M13).

    Below ``grace`` the state of ``for`` is not restored, so the alert waits for ``hold`` again; the Alertmanager
    ends what it has not heard of for four times the resend delay.
    """
    return 4 * resend <= hold < grace


def _reads(expr: Any) -> bool:
    """Whether an expression asks for any series."""
    found: list[Any] = []
    ql.walk(expr, found.append)
    return any(isinstance(node, ql.VectorSelector | ql.MatrixSelector) for node in found)


def _labels(modifier: Any) -> frozenset[str]:
    return frozenset(modifier.labels) if modifier is not None else frozenset()
