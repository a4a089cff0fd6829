"""Each row of the table is a number that a shipped dashboard shows: panel, query, variables, unit, labels."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

from sales_exporter.api.dashboards import dashboards, expression
from sales_exporter.api.pictures import business, performance
from sales_exporter.api.schema import VERSION, Breakdown, Figure
from sales_exporter.api.table import BUSINESS, METRICS, PERFORMANCE, Field, Ref, named
from sales_exporter.files import shipped
from sales_exporter.grafana.document import Board, panels, used
from sales_exporter.grafana.document import named as name_of
from sales_exporter.sidecar.watches.files import load

FIELDS = {name: named(name) for name in METRICS}
UNITS = {"bytes": "bytes", "locale": "count", "none": "number", "percentunit": "ratio", "reqps": "requests_per_second",
         "s": "seconds", "short": "number", "suffix: pp": "percentage_points", "suffix: x": "multiple"}
"""Grafana's units as the API calls them; a short number may be money."""


@cache
def boards() -> dict[str, Board]:
    files = (shipped("grafana") / "dashboards").glob("*/*.json")
    return {board["uid"]: board for board in (json.loads(file.read_text()) for file in files)}


def panel_of(ref: Ref) -> Board:
    found = [panel for panel in panels(boards()[ref.board]) if panel["id"] == ref.panel]
    assert len(found) == 1, ref
    return found[0]


def column(panel: Board, target: Board) -> str:
    """The name by which settings of a panel find what a query answers."""
    several = len(panel["targets"]) > 1
    name = f"Value #{target['refId']}" if several else "Value"
    for step in panel.get("transformations") or []:
        if step["id"] == "organize":
            return str(step["options"]["renameByName"].get(name, name))
    return str(target.get("legendFormat", ""))


def unit_of(ref: Ref) -> str:
    """The unit in which the panel shows what a query answers, as the API calls it."""
    panel = panel_of(ref)
    target = next(one for one in panel["targets"] if one["refId"] == ref.query)
    unit = panel["fieldConfig"]["defaults"].get("unit")
    for override in panel["fieldConfig"].get("overrides", []):
        if override["matcher"] == {"id": "byName", "options": column(panel, target)}:
            unit = next((one["value"] for one in override["properties"] if one["id"] == "unit"), unit)
    return "currency" if unit == "short" and "$currency" in target["expr"] else UNITS[unit]


def field(name: str) -> Field:
    found = FIELDS[name]
    assert found is not None
    return found


@pytest.mark.parametrize("name", METRICS)
def test_the_panel_has_the_query_and_the_dashboard_its_variables(name: str) -> None:
    one = field(name)
    for ref in one.refs.values():
        (target,) = (target for target in panel_of(ref)["targets"] if target["refId"] == ref.query)
        known = {variable.name for variable in dashboards()[ref.board].variables}
        assert used(target["expr"]) <= known
        filled = expression(ref, dict.fromkeys(known, "24h"))
        # What is left is the replacement of a label, such as "$1".
        assert not re.search(r"\$\{?[a-zA-Z_]", filled)
    assert not one.ahead or one.ahead in used(expression_text(one))


def expression_text(one: Field) -> str:
    ref = one.refs["value"]
    return dashboards()[ref.board].queries[ref.panel, ref.query]


@pytest.mark.parametrize("name", METRICS)
def test_the_unit_is_the_one_that_the_panel_shows(name: str) -> None:
    one = field(name)
    for part, ref in one.refs.items():
        if part == "n":
            assert unit_of(ref) in ("count", "number"), ref
        else:
            assert unit_of(ref) == one.unit, ref


@pytest.mark.parametrize("name", METRICS)
def test_bounds_come_in_pairs_with_the_level_that_the_panel_names(name: str) -> None:
    one = field(name)
    assert ("lower" in one.refs) == ("upper" in one.refs) == (one.level is not None)
    if one.level is not None and not one.ahead:
        panel = panel_of(one.refs["value"])
        said = f"{panel.get('description', '')} {[column(panel, target) for target in panel['targets']]}"
        # Bounds of a time to a limit are said in words: one of twenty, nineteen of twenty.
        assert f"{one.level:.0%}".replace("%", " %") in said or "nineteen of twenty" in said


SUFFIXES = {"p50": "p50", "p95": "p95", "p99": "p99", "ai": "AI", "people": "people", "quarter": "quarter",
            "critical": "critical", "warning": "warning"}
"""Ends of names, and the word that the legend, or else the title, has for it."""


@pytest.mark.parametrize("name", [name for name in METRICS if name.rpartition("_")[2] in SUFFIXES])
def test_what_a_name_ends_with_is_what_the_panel_calls_it(name: str) -> None:
    panel = panel_of(field(name).refs["value"])
    (target,) = (target for target in panel["targets"] if target["refId"] == field(name).refs["value"].query)
    for word in {SUFFIXES[piece] for piece in name.split("_") if piece in SUFFIXES}:
        assert re.search(rf"\b{word}\b", f"{column(panel, target)} {panel['title']}", re.IGNORECASE), word


@pytest.mark.parametrize("name", [name for name in METRICS if field(name).level is not None])
def test_the_panel_calls_bounds_by_their_side(name: str) -> None:
    for part, words in (("lower", "from|lower|soonest"), ("upper", "to|upper|latest")):
        ref = field(name).refs[part]
        panel = panel_of(ref)
        (target,) = (target for target in panel["targets"] if target["refId"] == ref.query)
        assert re.search(rf"\b({words})\b", column(panel, target), re.IGNORECASE), column(panel, target)


def test_what_is_forecast_are_all_watches_of_the_product_that_are() -> None:
    # Of what has a limit, forecasts.time_to_limit says when it is reached.
    watches = {watch.name for watch in load(()) if watch.forecast and watch.limit is None}
    assert {dict(field(name).chosen)["forecast"] for name in METRICS if field(name).ahead} == watches


def test_names_are_given_once_in_a_section() -> None:
    assert len(set(METRICS)) == len(METRICS)
    assert {name for name in METRICS if named(name) is None} == set()


def test_version_1_keeps_the_fields_that_it_was_given_out_with() -> None:
    """Fields are added under a version. Whoever takes one away, or changes its unit or labels, makes the next."""
    given_out = (Path(__file__).parent / "version_1.txt").read_text().splitlines()
    there = {" ".join((name, field(name).unit, *field(name).by)) for name in METRICS}
    assert VERSION == 1
    assert set(given_out) - there == set()


def test_a_row_of_the_table_is_all_that_a_field_of_the_answer_needs() -> None:
    for model, sections in ((performance(), PERFORMANCE), (business(), BUSINESS)):
        for section, fields in sections.items():
            shown = model.model_fields[section].annotation
            assert shown is not None
            kinds = {name: info.annotation for name, info in shown.model_fields.items()}
            assert kinds == {one.name: Breakdown if one.by else Figure for one in fields}


def test_each_field_is_described_in_the_words_of_its_panel() -> None:
    schema = performance().model_json_schema()["$defs"]["Api"]["properties"]["latency_p95"]
    panel = next(panel for panel in panels(boards()["sales-api"]) if panel["id"] == 12)
    assert (name_of(panel), schema["description"]) == ("Latency quantiles", panel["description"])
