"""The shipped rules and their cases as values: what is read from alert_rules/ and tests/rules/*.yml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "alert_rules"
RUNBOOKS = RULES / "runbooks"
CASES = Path(__file__).resolve().parent
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C, where PyYAML has it: the cases are long."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule."""

    family: str
    name: str
    expr: str
    hold: float
    keep: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def id(self) -> str:
        """Name for a test; two severities of one alert are two rules, and so are two windows of an objective."""
        return "-".join((self.name, *(self.labels[key] for key in ("severity", "window") if key in self.labels)))


@dataclass(frozen=True, slots=True)
class Record:
    """One recording rule."""

    name: str
    expr: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """One expectation of a promtool test: what an alert does at a moment of a group of input series."""

    title: str
    alert: str
    inputs: frozenset[str]
    severities: frozenset[str]


def seconds(text: str) -> float:
    """A Prometheus duration."""
    return float(promql_parser.parse_duration(text).total_seconds()) if text not in {"0s", ""} else 0.0


@cache
def alerts() -> tuple[Alert, ...]:
    """All alerting rules, by file."""
    return tuple(
        Alert(path.stem, rule["alert"], rule["expr"], seconds(rule.get("for", "")),
              seconds(rule.get("keep_firing_for", "")), rule["labels"], rule["annotations"])
        for path in sorted((RULES / "alerts").glob("*.yml")) for rule in _rules(path)
    )


@cache
def records() -> tuple[Record, ...]:
    """All recording rules."""
    return tuple(Record(rule["record"], rule["expr"], rule.get("labels", {}))
                 for path in sorted((RULES / "recording").glob("*.yml")) for rule in _rules(path))


@cache
def cases() -> tuple[Case, ...]:
    """All expectations about alerts in the promtool tests."""
    return tuple(case for path in sorted(CASES.glob("*.yml")) for case in _cases(yaml.load(path.read_text(), LOADER)))


@cache
def nodes(expr: str) -> tuple[Any, ...]:
    """Every node of an expression."""
    found: list[Any] = []
    promql_parser.walk(promql_parser.parse(expr), found.append)
    return tuple(found)


def selectors(expr: str) -> Iterator[tuple[frozenset[str], Mapping[str, str]]]:
    """The metrics and the labels, with what they are matched against, that each selector of an expression asks for."""
    for node in nodes(expr):
        selector = node.vector_selector if isinstance(node, promql_parser.MatrixSelector) else node
        if isinstance(selector, promql_parser.VectorSelector):
            matchers = {m.name: m.value for m in selector.matchers.matchers}
            named = {selector.name} if selector.name else set()
            value = matchers.pop("__name__", None)
            if value is not None:
                named |= {value} if re.search(r"[()+*.]", value) else set(value.split("|"))
            yield frozenset(named), matchers


@cache
def metrics(expr: str) -> frozenset[str]:
    """All metrics of an expression, those behind recording rules included."""
    found: set[str] = set()
    for named, labels in selectors(expr):
        for name in named:
            behind = [record for record in records() if record.name == name
                      and all(record.labels.get(label, value) == value for label, value in labels.items())]
            found |= {name} if not behind else set[str]().union(*(metrics(record.expr) for record in behind))
    return frozenset(found)


def _rules(path: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.load(path.read_text(), LOADER)["groups"] for rule in group["rules"]]


def _cases(tree: dict[str, Any]) -> Iterator[Case]:
    for group in tree["tests"]:
        inputs = frozenset(re.split(r"[{ ]", series["series"])[0] for series in group.get("input_series", []))
        for check in group.get("alert_rule_test", []):
            severities = frozenset(alert["exp_labels"]["severity"] for alert in check["exp_alerts"])
            yield Case(group["name"], check["alertname"], inputs, severities)
