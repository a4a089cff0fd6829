"""The watches that the product ships with, against the catalogue of its metrics."""

from __future__ import annotations

import json

import promql_parser
import pytest

from sales_exporter.sidecar.watches.files import shipped
from sales_exporter.sidecar.watches.watch import Watch
from tests.rules.lint import CATEGORIES, TEAMS, lost_tenants, raw_counters, unknown_names
from tests.rules.rulebook import ROOT

NEEDED = {
    "api_latency_p95", "api_error_ratio", "api_throughput", "cpu", "memory", "disk", "call_success_ratio",
    "call_answer_ratio", "call_first_response_p95", "leads", "stage_transitions", "conversion", "revenue", "spend",
    "cost_per_conversion", "model_predictions", "model_mean_score", "model_accuracy", "model_label_delay",
    "collector_duration", "collector_age", "exporter_up",
}
TENANT = frozenset({"cluster", "tenant"})

each_watch = pytest.mark.parametrize("watch", shipped(), ids=lambda watch: watch.name)


@pytest.fixture(scope="module")
def dashboards() -> set[str]:
    return {json.loads(path.read_text())["uid"] for path in (ROOT / "grafana/dashboards").rglob("*.json")}


def queries(watch: Watch) -> list[str]:
    """Every PromQL of a watch."""
    return [text for text in (watch.query, watch.denominator, watch.limit, watch.money) if isinstance(text, str)]


def test_the_pack_covers_the_product() -> None:
    assert {watch.name for watch in shipped()} >= NEEDED
    assert {watch.resource for watch in shipped()} >= {"cpu", "memory", "disk", "api_throughput", "call_concurrency",
                                                       "sales_capacity"}


@each_watch
def test_its_metrics_and_labels_are_in_the_catalogue(watch: Watch) -> None:
    assert [text for query in queries(watch) for text in unknown_names(query)] == []


@each_watch
def test_counters_are_read_through_their_increase(watch: Watch) -> None:
    assert [text for query in queries(watch) for text in raw_counters(query)] == []


@each_watch
def test_clusters_and_tenants_are_kept_apart(watch: Watch) -> None:
    assert [text for query in queries(watch) for text in lost_tenants(query, TENANT)] == []


@each_watch
def test_it_parses_as_a_mean_of_the_past_too(watch: Watch) -> None:
    assert promql_parser.parse(f"avg_over_time((\n{watch.query}\n)[14m:5m])").func.name == "avg_over_time"


@each_watch
def test_people_find_their_way_from_it(watch: Watch, dashboards: set[str]) -> None:
    assert watch.dashboard in dashboards
    assert watch.runbook is None or (ROOT / watch.runbook).is_file()
    assert watch.team in TEAMS
    assert watch.category in CATEGORIES
    assert watch.title
    assert watch.service


def test_a_ratio_says_how_many_cases_it_is_made_of() -> None:
    assert [watch.name for watch in shipped() if watch.kind == "ratio" and watch.denominator is None] == []


def test_the_pack_lies_within_the_package() -> None:
    folder = ROOT / "exporter/sales_exporter/sidecar/watches/default"
    assert {path.suffix for path in folder.iterdir()} == {".yml"}
