"""What is missing for a panel to be understood: texts, units, scales, legends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from sales_exporter.grafana.document import Board, used

WITH_LEGEND = frozenset({"timeseries", "barchart", "statetimeline", "piechart"})
LARGE = frozenset({"stat", "gauge", "bargauge"})
"""Kinds that draw what they say when empty in one line, in letters as large as its length allows."""
LONGEST = 32
"""Characters of such a line that can be read in a panel of a sixth of a page."""
SHORTEST = 40
"""Characters below which a description cannot say how a number is defined."""

_OWN_UNIT = re.compile(r"(suffix|prefix): ?\S+")


def defects(panel: Board, units: Set[str]) -> Iterator[str]:
    """Sentences on one panel; ``units`` are those that Grafana knows."""
    yield from _texts(panel)
    yield from _numbers(panel, units)
    yield from _scales(panel)
    yield from _targets(panel)
    yield from _overrides(panel)


def _texts(panel: Board) -> Iterator[str]:
    if not panel.get("title") or len(panel.get("description", "")) < SHORTEST:
        yield "needs a title and a description that says how the number is defined"
    empty = panel["fieldConfig"]["defaults"].get("noValue", "")
    if not empty:
        yield "does not say what to configure when it is empty"
    if panel["type"] in LARGE and (len(empty) > LONGEST or f"{empty}:" not in panel.get("description", "")):
        yield f"when empty it has to say in {LONGEST} characters what is missing, and in its description what to do"
    if panel["type"] in WITH_LEGEND and not panel["options"]["legend"]["showLegend"]:
        yield "needs a legend"


def _numbers(panel: Board, units: Set[str]) -> Iterator[str]:
    defaults = panel["fieldConfig"]["defaults"]
    given = [defaults.get("unit", "")]
    for override in panel["fieldConfig"]["overrides"]:
        given += [item["value"] for item in override["properties"] if item["id"] == "unit"]
    for unit in given:
        if unit not in units and not _OWN_UNIT.fullmatch(unit):
            yield f"unit {unit!r} does not exist"
    if "decimals" not in defaults or not defaults.get("thresholds"):
        yield "needs decimals and thresholds"


def _scales(panel: Board) -> Iterator[str]:
    defaults = panel["fieldConfig"]["defaults"]
    if panel["type"] in ("gauge", "bargauge") and "min" not in defaults:
        yield "a bar needs its zero"
    if panel["type"] == "gauge" and "max" not in defaults:
        yield "a dial needs its end"
    for steps in _steps(panel):
        values = [step["value"] for step in steps[1:]]
        if steps[0].get("value") is not None or values != sorted(set(values)):
            yield "thresholds do not ascend from the lowest"


def _targets(panel: Board) -> Iterator[str]:
    letters = [target["refId"] for target in panel["targets"]]
    if not letters or len(set(letters)) != len(letters):
        yield "needs queries with letters of their own"
    for target in panel["targets"]:
        if target.get("range") and target["legendFormat"] in ("", "__auto"):
            yield f"query {target['refId']} has a legend of labels instead of words"


def _steps(panel: Board) -> Iterator[list[Board]]:
    config = panel["fieldConfig"]
    if config["defaults"].get("thresholds"):
        yield config["defaults"]["thresholds"]["steps"]
    for override in config["overrides"]:
        yield from (item["value"]["steps"] for item in override["properties"] if item["id"] == "thresholds")


def _overrides(panel: Board) -> Iterator[str]:
    names = {target["legendFormat"] for target in panel["targets"]}
    for step in panel.get("transformations", []):
        names |= set(step["options"].get("renameByName", {}).values())
    for override in panel["fieldConfig"]["overrides"]:
        name = override["matcher"]["options"]
        if override["matcher"]["id"] == "byName" and name not in names:
            yield f"override for {name!r}, which no query gives"
        if override["matcher"]["id"] == "byName" and used(name):
            yield f"override for {name!r}: Grafana fills in the variable of a legend, but not of an override"
