"""The dashboards on VictoriaMetrics: what Prometheus answers, it answers.

Numbers are not compared: windows are cut and rates extrapolated differently there, which counts where a window holds
two samples, as here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from sales_exporter.grafana.document import panels
from tests.grafana.server import Prometheus
from tests.grafana.world import BOARDS, World, answers, resolved
from tests.support import victoria

pytestmark = [pytest.mark.postgres, pytest.mark.stack]

ELSEWHERE = frozenset({"sales-alerts", "sales-anomalies", "sales-exporter", "sales-slo"})
"""Dashboards of which this small world has no data: servers that say something of themselves, and recorded series."""


@pytest.fixture(scope="module")
def other(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """VictoriaMetrics with the same samples, whose text format has milliseconds."""
    samples = [line for line in world.past.read_text().splitlines() if not line.startswith("#")]
    with victoria.serving(tmp_path_factory.mktemp("victoria"), "".join(f"{line}000\n" for line in samples)) as url:
        yield Prometheus(url)


@pytest.mark.parametrize("name", [name for name, board in BOARDS.items() if board["uid"] not in ELSEWHERE])
def test_the_same_questions_find_as_many_series(world: World, other: Prometheus, name: str):
    values = resolved(BOARDS[name], world.prometheus, one=False)
    for panel in panels(BOARDS[name]):
        ours = answers(panel, values, world.prometheus)
        for (target, expected), (_, found) in zip(ours, answers(panel, values, other), strict=True):
            assert bool(found) == bool(expected), (panel["title"], target["expr"])
            assert all(math.isfinite(float(value)) for series in found for _, value in series["values"])
