"""What the queries of a dashboard find in the two weeks, and whether that can be."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from sales_exporter.grafana.document import Board, panels
from tests.grafana.weeks import Series, Weeks

Place = tuple[int, str]
"""Panel and letter of a query."""


def silent(weeks: Weeks, board: Board, values: Mapping[str, str]) -> set[Place]:
    """Queries that find nothing; fails when another finds what cannot be."""
    found: set[Place] = set()
    for panel in panels(board):
        for target in panel["targets"]:
            series = weeks.answer(board, target, values)
            if not series:
                found.add((panel["id"], target["refId"]))
            plausible(panel, target, series)
    return found


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
