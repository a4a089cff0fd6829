"""Every query of every dashboard, run by a real Prometheus over two weeks of a whole installation."""

from __future__ import annotations

import math
import re

import pytest

from sales_exporter.grafana.document import Board, panels
from tests.grafana.boards import all_boards
from tests.grafana.stated import STATED
from tests.grafana.weeks import Series, Weeks

pytestmark = [pytest.mark.postgres, pytest.mark.stack, pytest.mark.timeout(900)]

BOARDS = all_boards()


def unit_of(panel: Board, target: Board) -> str:
    """The unit that a query's numbers are shown in."""
    names = {target["legendFormat"]}
    for step in panel.get("transformations", []):
        renamed = step["options"].get("renameByName", {})
        names.add(renamed.get(f"Value #{target['refId']}", renamed.get("Value", "")))
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] in names:
            for item in override["properties"]:
                if item["id"] == "unit":
                    return str(item["value"])
    return str(panel["fieldConfig"]["defaults"]["unit"])


def plausible(panel: Board, target: Board, series: list[Series]) -> None:
    """Fails when the answer has a series without its name, or a number that its unit cannot have."""
    where = f"{panel['title']} {target['refId']}"
    for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
        assert all(label in found["metric"] for found in series), f"{where}: no label {label}"
    numbers = [float(value) for found in series for _, value in found["values"]]
    assert all(math.isfinite(number) for number in numbers), where
    if unit_of(panel, target) == "percentunit":
        share = "- 1" not in target["expr"] and "roi_ratio" not in target["expr"]
        free = panel.get("type") == "timeseries" or not share or "error_budget" in target["expr"]
        assert free or all(-1 <= number <= 1 for number in numbers), (where, numbers)


@pytest.mark.parametrize("one", [False, True], ids=["all instances", "one instance"])
@pytest.mark.parametrize("name", BOARDS)
def test_every_query_has_a_plausible_answer(weeks: Weeks, name: str, one: bool):
    board = BOARDS[name]
    values = weeks.values(board, one=one)
    silent: set[tuple[int, str]] = set()
    for panel in panels(board):
        for target in panel["targets"]:
            series = weeks.answer(board, target, values)
            if not series:
                silent.add((panel["id"], target["refId"]))
            plausible(panel, target, series)
    stated = {(number, letter) for number, (letters, _) in STATED.get(board["uid"], {}).items() for letter in letters}
    if one:
        # Of one instance there may be less.
        assert stated <= silent
    else:
        assert silent == stated


@pytest.mark.parametrize("name", BOARDS)
def test_marks_on_the_time_axis_are_evaluated(weeks: Weeks, name: str):
    board = BOARDS[name]
    values = weeks.values(board, one=False)
    found = {layer["name"]: weeks.marks(board, layer, values) for layer in board["annotations"]["list"]}
    assert found["Alerts"]
