"""Which metrics a query reads, and how."""

from __future__ import annotations

import pytest

from sales_exporter.sidecar.watches.files import shipped
from sales_exporter.sidecar.watches.promql import readings
from tests.rules.rulebook import selectors


@pytest.mark.parametrize(("query", "expected"), [
    ("a_total", [("a_total", None)]),
    ('rate(a_total{x="y[b)"}[5m])', [("a_total", "rate")]),
    ("rate (a_total[5m] offset 1d)", [("a_total", "rate")]),
    ("sum by (a, b) (increase(c[1h])) / on (a) group_left (z) d", [("c", "increase"), ("d", None)]),
    ("sum(x) by (y)", [("x", None)]),
    ("avg_over_time((x)[5m:1m])", [("x", None)]),
    ("a or b and c unless d", [("a", None), ("b", None), ("c", None), ("d", None)]),
    ("1e3 * x - 0x1f + Inf", [("x", None)]),
    ("job:x:rate5m{} offset 5m", [("job:x:rate5m", None)]),
    ("time() - x @ end()", [("x", None)]),
    ("-x == bool y # and z", [("x", None), ("y", None)]),
    ('label_replace(x, "a", "$1", "b", "(.*)")', [("x", None)]),
    ('{__name__=~"x|y"}', []),
    (")(", []),
])
def test_the_metrics_of_a_query(query: str, expected: list[tuple[str, str | None]]) -> None:
    assert [(reading.metric, reading.function) for reading in readings(query)] == expected


def test_the_metrics_of_the_pack_are_those_that_a_parser_finds() -> None:
    for watch in shipped():
        assert {reading.metric for reading in readings(watch.query)} == set().union(
            *(names for names, _ in selectors(watch.query)))
