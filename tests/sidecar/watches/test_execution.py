"""Every query of the pack on a real Prometheus over all metrics of the catalogue: it answers, with its labels."""

from __future__ import annotations

import itertools
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import promql_parser as ql
import pytest

from sales_exporter.grafana.registry import registry
from sales_exporter.sidecar.watches.files import shipped
from sales_exporter.sidecar.watches.watch import Watch
from tests.grafana.boards import ROOT
from tests.grafana.server import Prometheus, program, serving
from tests.rules.rulebook import nodes

pytestmark = pytest.mark.stack

NOW = 1_780_000_200
STEP = 240
"""Shorter than the five minutes that Prometheus looks back."""
MOMENTS = (*range(NOW - 86_400 - 4_800, NOW - 86_400 + 1, STEP), *range(NOW - 9_600, NOW + 1, STEP))
"""What the queries look back on: a while, and the same of the day before."""
VALUES = {"error_type": ("", "timeout"), "http_response_status_code": ("200", "500"), "le": ("0.1", "1", "+Inf"),
          "job": ("sales-exporter",), "cluster": ("demo",), "tenant": ("default",)}
"""Values of labels that no query asks for by name, beside x."""

QUERIES = {f"{watch.name}-{part}": (watch, query) for watch in shipped()
           for part, query in (("query", watch.query), ("denominator", watch.denominator), ("money", watch.money))
           if isinstance(query, str)}


def asked() -> dict[str, dict[str, set[str]]]:
    """By metric and label: the values that the queries ask for."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for _, query in QUERIES.values():
        for node in nodes(query):
            selector = node.vector_selector if isinstance(node, ql.MatrixSelector) else node
            if isinstance(selector, ql.VectorSelector) and selector.name:
                labels = found[selector.name]
                for matcher in selector.matchers.matchers:
                    if matcher.op == ql.MatchOp.Equal and matcher.value:
                        labels[matcher.name].add(matcher.value)
    return found


def lines() -> Iterator[str]:
    """Samples of every metric that is asked for. Counters and totals grow, as the rest does."""
    known = registry(ROOT / "alert_rules")
    for metric, labels in asked().items():
        names = sorted(known[metric].labels)
        values = [sorted(labels.get(name, set())) or VALUES.get(name, ("x",)) for name in names]
        for combination in itertools.product(*values):
            text = ",".join(f'{name}="{value}"' for name, value in zip(names, combination, strict=True))
            yield from (f"{metric}{{{text}}} {1000 + (at - MOMENTS[0]) / 8} {at}\n" for at in MOMENTS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder: Path = tmp_path_factory.mktemp("watches")
    with (folder / "past.om").open("w") as file:
        file.writelines(lines())
        file.write("# EOF\n")
    subprocess.run([program("promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet", folder / "past.om",
                    folder / "tsdb"], check=True, capture_output=True)
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 60s}\n")
    with serving(folder / "tsdb", folder / "prometheus.yml") as found:
        yield found


@pytest.mark.parametrize(("watch", "query"), QUERIES.values(), ids=QUERIES)
def test_a_query_answers_with_the_labels_of_its_entity(server: Prometheus, watch: Watch, query: str) -> None:
    found = server.now(query, NOW)
    assert found
    for series in found:
        assert {"cluster", "tenant"} <= series["metric"].keys()
        assert series["value"][1] not in ("NaN", "+Inf", "-Inf")
        if query != watch.money:
            assert set(watch.by) <= series["metric"].keys()


@pytest.mark.parametrize("watch", [watch for watch in shipped() if watch.denominator], ids=lambda watch: watch.name)
def test_a_denominator_has_the_labels_of_its_ratio(server: Prometheus, watch: Watch) -> None:
    ratios, cases = ({tuple(sorted(series["metric"].items())) for series in server.now(query or "", NOW)}
                     for query in (watch.query, watch.denominator))
    assert ratios == cases


@pytest.mark.parametrize("watch", shipped(), ids=lambda watch: watch.name)
def test_a_query_answers_as_a_mean_of_the_past(server: Prometheus, watch: Watch) -> None:
    assert server.over(f"avg_over_time((\n{watch.query}\n)[14m:5m])", NOW - 3600, NOW, 900)
