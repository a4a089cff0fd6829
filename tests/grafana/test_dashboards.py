"""Every dashboard is generated, sound in structure, and asks only for what the exporter exports."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache

import pytest

from grafana.source.__main__ import DASHBOARDS, generated
from grafana.source.sdk import units
from tests.grafana import lint, queries
from tests.grafana.boards import FOLDER, Board, all_boards

BOARDS = all_boards()
UIDS = {board["uid"] for board in BOARDS.values()}
UNITS = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}
KNOWN = queries.registry()


def every_defect(board: Board) -> list[str]:
    return [*lint.defects(board, UIDS, UNITS), *queries.defects(board, KNOWN)]


@cache
def defects_as_committed(name: str) -> frozenset[str]:
    return frozenset(every_defect(BOARDS[name]))


def test_committed_json_is_what_the_builders_make():
    made = {str(path): text for path, text in generated()}
    there = {str(path.relative_to(FOLDER)): path.read_text("utf-8") for path in FOLDER.rglob("*.json")}
    assert made == there, "run: python -m grafana.source"
    assert DASHBOARDS == FOLDER


def test_uids_are_unique():
    assert len(UIDS) == len(BOARDS)


@pytest.mark.parametrize("name", BOARDS)
def test_structure_is_sound(name: str):
    assert lint.defects(BOARDS[name], UIDS, UNITS) == []


@pytest.mark.parametrize("name", BOARDS)
def test_queries_name_only_what_is_exported(name: str):
    assert queries.defects(BOARDS[name], KNOWN) == []


def first(board: Board, kind: str) -> Board:
    return next(panel for panel in board["panels"] if panel["type"] == kind)


def replace(board: Board, old: str, new: str) -> None:
    target = next(target for panel in board["panels"] for target in panel["targets"] if old in target["expr"])
    target["expr"] = target["expr"].replace(old, new)


MUTATIONS: dict[str, Callable[[Board], object]] = {
    "metric typo": lambda board: replace(board, "sales_spend{", "sales_spent{"),
    "label typo": lambda board: replace(board, "window=", "windows="),
    "grouping typo": lambda board: replace(board, "sum by (stage)", "sum by (stages)"),
    "syntax": lambda board: replace(board, "sum (", "sum (("),
    "missing rate": lambda board: replace(board, "sales_source_lag_seconds{", "sales_calls_total{"),
    "unknown variable": lambda board: replace(board, '"$window"', '"$nowhere"'),
    "hard-coded job": lambda board: replace(board, 'job=~"$job"', 'job="sales-exporter"'),
    "matcher of the bar dropped": lambda board: replace(board, 'tenant="$tenant",', ""),
    "unit typo": lambda board: first(board, "timeseries")["fieldConfig"]["defaults"].update(unit="percentunits"),
    "override unit typo": lambda board: first(board, "stat")["fieldConfig"]["overrides"][0]["properties"][0].update(
        value="percnt"),
    "override of nothing": lambda board: first(board, "stat")["fieldConfig"]["overrides"][0]["matcher"].update(
        options="nothing"),
    "no description": lambda board: first(board, "stat").update(description=""),
    "no empty text": lambda board: first(board, "table")["fieldConfig"]["defaults"].pop("noValue"),
    "no legend": lambda board: first(board, "timeseries")["options"]["legend"].update(showLegend=False),
    "no zero": lambda board: first(board, "bargauge")["fieldConfig"]["defaults"].pop("min"),
    "same id": lambda board: first(board, "table").update(id=1),
    "same letter": lambda board: first(board, "stat")["targets"][1].update(refId="A"),
    "overlap": lambda board: board["panels"][1]["gridPos"].update(x=0),
    "too wide": lambda board: board["panels"][3]["gridPos"].update(w=7),
    "fixed data source": lambda board: first(board, "stat")["targets"][0]["datasource"].update(uid="prometheus"),
    "dead link": lambda board: board["links"].append({"title": "x", "type": "link", "url": "/d/nowhere"}),
    "unused variable": lambda board: board["templating"]["list"].append({"name": "spare", "type": "constant"}),
    "bar out of order": lambda board: board["templating"]["list"].reverse(),
    "schema v2": lambda board: board.update(schemaVersion=41),
    "editable": lambda board: board.update(editable=True),
    "no alert layer": lambda board: board["annotations"]["list"].clear(),
    "too many panels": lambda board: board["panels"].extend(
        {**copy.deepcopy(board["panels"][0]), "id": 100 + n, "gridPos": {"x": 0, "y": 100 + n, "w": 1, "h": 1}}
        for n in range(10)),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_broken_dashboard_is_noticed(mutation: str):
    board = copy.deepcopy(BOARDS["Sales/sales-home.json"])
    MUTATIONS[mutation](board)
    assert set(every_defect(board)) - defects_as_committed("Sales/sales-home.json")


def test_panels_that_overlap_in_a_closed_row_are_noticed():
    board = copy.deepcopy(BOARDS["Platform/sales-api.json"])
    first(board, "row")["panels"][1]["gridPos"].update(x=0)
    assert every_defect(board) == ["Model error ratio: overlaps Model calls"]
