"""What holds for every collector that there is, found by itself."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from sales_exporter import catalogue
from sales_exporter.collectors import discover
from sales_exporter.contract.relations import RELATIONS
from sales_exporter.model import Metric

ROOT = Path(__file__).resolve().parents[2]
KINDS = discover()
METRICS = [metric for kind in KINDS.values() for metric in kind.metrics]
FOREIGN = ("system_", "process_")


@pytest.mark.parametrize("name", KINDS)
def test_a_collector_is_called_as_its_module_and_has_a_test(name: str) -> None:
    assert KINDS[name].__module__ == f"sales_exporter.collectors.{name}"
    assert (ROOT / "tests" / "collectors" / f"test_{name}.py").exists()


@pytest.mark.parametrize("name", KINDS)
def test_a_collector_reads_relations_of_the_contract(name: str) -> None:
    assert set(KINDS[name].reads) <= set(RELATIONS)


def test_no_counter_shares_its_openmetrics_name_with_another_metric() -> None:
    names = {metric.name for metric in METRICS}
    assert [name for name in names if name.removesuffix("_total") in names - {name}] == []


def test_a_metric_belongs_to_one_collector() -> None:
    assert [name for name, count in Counter(metric.name for metric in METRICS).items() if count > 1] == []


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_follows_the_naming_rules(metric: Metric) -> None:
    assert metric.name.startswith(("sales_", *FOREIGN))
    assert metric.help[0].isupper() or metric.help[0].isdigit()
    assert metric.help.endswith(".")
    assert not re.search(r"(_ms|_milliseconds|_percent|_pct|_kb|_mb)(_|$)", metric.name)
    assert not {"quantile", "le", "job", "instance", "cluster", "tenant"} & set(metric.labels)


@pytest.mark.parametrize("metric", [m for m in METRICS if m.name.startswith("sales_") and m.name.endswith("_ratio")],
                         ids=lambda metric: metric.name)
def test_a_ratio_never_stands_alone(metric: Metric) -> None:
    names = {other.name for other in METRICS}
    bounds = {f"{metric.name}_lower", f"{metric.name}_upper"}
    assert bounds <= names or metric.name in catalogue.WITHOUT_BOUNDS


def test_s2_no_label_can_carry_personal_data() -> None:
    labels = {label for metric in METRICS for label in metric.labels}
    assert not labels & {"email", "phone", "address", "lead", "lead_id", "deal", "deal_id", "call", "call_id", "url"}


def test_the_page_of_metrics_is_up_to_date() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == catalogue.document(), "run: make docs"


def test_every_setting_is_documented() -> None:
    readme = (ROOT / "README.md").read_text()
    assert catalogue.with_configuration(readme) == readme, "run: make docs"
    assert not [row for row in catalogue.configuration().splitlines() if row.endswith("|  |")]
