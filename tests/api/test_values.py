"""The API says what the dashboards show: value by value against a real Prometheus over two weeks of a company."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from sales_exporter.api.asked import seconds
from sales_exporter.api.table import BUSINESS, METRICS, PERFORMANCE, Field, Ref, named
from sales_exporter.files import shipped
from sales_exporter.grafana.document import RATE_INTERVAL, Board, length, panels, written
from tests.api.desk import holding
from tests.api.serving import api
from tests.grafana.weeks import Weeks
from tests.support.clocks import FakeClock
from tests.support.web import ask

pytestmark = [pytest.mark.stack, pytest.mark.slow]

EXACT = 1e-12
"""Prometheus adds up in any order, so the last bits of a sum differ from one answer to the next."""
QUIET = {"forecasts.time_to_limit", "insights.sayings"}
"""Fields of which these two weeks have nothing to say."""
Numbers = Mapping[frozenset[tuple[str, str]], float]


@cache
def boards() -> dict[str, Board]:
    files = (shipped("grafana") / "dashboards").glob("*/*.json")
    return {board["uid"]: board for board in (json.loads(file.read_text()) for file in files)}


@pytest.fixture(scope="module")
def answers(weeks: Weeks) -> dict[str, dict[str, Any]]:
    """What the API says at the end of the two weeks, by name of the field."""
    async def read() -> dict[str, Any]:
        async with api(weeks.prometheus.url, holding(), FakeClock(weeks.end)) as address:
            found = [await ask(address, f"/api/dashboard/{path}")
                     for path in ("performance/current", "business/comprehensive")]
        return {f"{section}.{name}": field for answer in found for section, fields in json.loads(answer.body).items()
                if section in {**PERFORMANCE, **BUSINESS} for name, field in fields.items()}

    return asyncio.run(read())


def shown(weeks: Weeks, field: Field, ref: Ref) -> Numbers:
    """What a panel shows, asked as a browser does: its variables from top to bottom, then the query."""
    board = boards()[ref.board]
    (expr,) = (target["expr"] for panel in panels(board) if panel["id"] == ref.panel
               for target in panel["targets"] if target["refId"] == ref.query)
    values = weeks.values(board, one=False) | dict(field.chosen)
    ahead = seconds(values[field.ahead]) if field.ahead else 0.0
    filled = written(expr, values, RATE_INTERVAL, length(board))
    found = {frozenset(series["metric"].items()): float(series["value"][1])
             for series in weeks.prometheus.now(filled, weeks.end + ahead)}
    return {labels: value for labels, value in found.items() if math.isfinite(value)}


def said(field: Mapping[str, Any], part: str) -> Numbers:
    """What the API says, by labels."""
    rows = field.get("rows", [{**field, "labels": {}}])
    return {frozenset(row["labels"].items()): row[part] for row in rows if row[part] is not None}


@pytest.mark.parametrize("name", METRICS)
def test_a_field_is_what_the_panel_shows(weeks: Weeks, answers: dict[str, dict[str, Any]], name: str) -> None:
    field = named(name)
    assert field is not None
    assert answers[name]["state"] == ("no_data" if name in QUIET else "ok")
    assert answers[name].get("left_out", 0) == 0
    for part, ref in field.refs.items():
        panel = shown(weeks, field, ref)
        values = panel if part == "value" else {key: panel[key] for key in panel if key in said(answers[name], "value")}
        assert said(answers[name], part) == pytest.approx(values, rel=EXACT)


@pytest.mark.parametrize("name", METRICS)
def test_bounds_are_around_the_value(answers: dict[str, dict[str, Any]], name: str) -> None:
    lower, upper = said(answers[name], "lower"), said(answers[name], "upper")
    for labels, value in said(answers[name], "value").items():
        assert lower.get(labels, -math.inf) <= value <= upper.get(labels, math.inf)


async def test_the_past_of_a_field_ends_at_what_it_is_now(
    weeks: Weeks, answers: dict[str, dict[str, Any]]
) -> None:
    async with api(weeks.prometheus.url, holding(), FakeClock(weeks.end)) as address:
        for name in ("key_metrics.revenue_won", "calls.answered_ratio", "api.latency_p95"):
            answer = await ask(address, f"/api/dashboard/performance/history?metric={name}&range=7d&points=200")
            lines = json.loads(answer.body)["lines"]
            last = {frozenset(line["labels"].items()): line["points"][-1] for line in lines}
            assert {at for at, _ in last.values()} == {weeks.end}
            now = said(answers[name], "value")
            assert {labels: value for labels, (_, value) in last.items()} == pytest.approx(now, rel=EXACT)
            assert sum(len(line["points"]) for line in lines) <= 200

