"""What is wrong with the structure of a dashboard, as sentences; none means that it is sound."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Set

from tests.grafana.boards import Board, panels, used, variables

SHARED = ["datasource", "cluster", "tenant", "job", "instance"]
VISIBLE = 25
BYTES = 200_000
"""A dashboard in a Kubernetes ConfigMap has to stay well below 1 MiB."""

_OWN_UNIT = re.compile(r"(suffix|prefix): ?\S+")
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_LOCAL_PAGES = ("/alerting/",)


def defects(board: Board, uids: Set[str], units: Set[str]) -> list[str]:
    """Everything that a reader would stumble over. ``uids`` are those of all dashboards."""
    found = [*_whole(board), *_layout(board), *_links(board, uids), *_references(board)]
    for panel in panels(board):
        found += [f"{panel.get('title') or panel['id']}: {text}" for text in _panel(panel, units)]
    return found


def _whole(board: Board) -> Iterator[str]:
    names = [variable["name"] for variable in board["templating"]["list"]]
    if names[:len(SHARED)] != SHARED:
        yield f"the variable bar is {names}"
    if board["schemaVersion"] != 42 or "spec" in board or "elements" in board:
        yield "not a classic dashboard of schema 42"
    if board["editable"] or board["timezone"] != "browser" or not board["refresh"] or "sales" not in board["tags"]:
        yield "must be read-only, in the browser's time zone, refreshed and tagged sales"
    if not any("ALERTS" in layer["expr"] for layer in board["annotations"]["list"]):
        yield "no annotation layer of alerts"
    if sum(1 for panel in board["panels"] if panel["type"] != "row") > VISIBLE:
        yield f"more than {VISIBLE} visible panels"
    if len(json.dumps(board)) > BYTES:
        yield "too large"
    for source in _sources(board):
        if source != _SOURCE:
            yield f"data source {source} is not the variable"


def _sources(tree: object) -> Iterator[object]:
    if isinstance(tree, dict):
        if "datasource" in tree:
            yield tree["datasource"]
        for value in tree.values():
            yield from _sources(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _sources(value)


def _layout(board: Board) -> Iterator[str]:
    ids = [panel["id"] for panel in panels(board)]
    if len(set(ids)) != len(ids) or not all(isinstance(number, int) and number > 0 for number in ids):
        yield "panel ids repeat or are missing"
    for group in [board["panels"], *(row["panels"] for row in board["panels"] if row["type"] == "row")]:
        yield from _overlaps(group)


def _overlaps(group: list[Board]) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for panel in group:
        place = panel["gridPos"]
        if place["x"] < 0 or place["x"] + place["w"] > 24 or place["h"] < 1 or place["w"] < 1:
            yield f"{panel['title']}: outside the 24 columns"
        rows, columns = range(place["y"], place["y"] + place["h"]), range(place["x"], place["x"] + place["w"])
        for cell in itertools.product(rows, columns):
            other = taken.setdefault(cell, panel["title"])
            if other != panel["title"]:
                yield f"{panel['title']}: overlaps {other}"
                break


def _links(board: Board, uids: Set[str]) -> Iterator[str]:
    for link in [*board["links"], *itertools.chain(*(panel.get("links", []) for panel in panels(board)))]:
        if link.get("type") == "dashboards":
            if not link["tags"]:
                yield f"link {link['title']}: has no tag"
        elif not _leads_somewhere(link["url"], uids):
            yield f"link {link['title']}: leads nowhere"
    for panel in panels(board):
        for override in panel["fieldConfig"]["overrides"]:
            for item in override["properties"]:
                for link in item["value"] if item["id"] == "links" else ():
                    if not _leads_somewhere(link["url"], uids):
                        yield f"{panel['title']}: link {link['title']} leads nowhere"


def _leads_somewhere(url: str, uids: Set[str]) -> bool:
    dashboard = re.match(r"/d/([\w-]+)", url)
    return dashboard[1] in uids if dashboard else url.startswith(_LOCAL_PAGES)


def _references(board: Board) -> Iterator[str]:
    known = variables(board)
    for name in sorted(used(json.dumps(board)) - known):
        # "$1" is a group of a regular expression; names start with a letter.
        yield f"variable {name} does not exist"
    text = json.dumps([board["panels"], board["annotations"], board["templating"]])
    for name in sorted(known - used(text)):
        yield f"variable {name} is not used"


def _panel(panel: Board, units: Set[str]) -> Iterator[str]:
    defaults = panel["fieldConfig"]["defaults"]
    if not panel.get("title") or len(panel.get("description", "")) < 40:
        yield "needs a title and a description that says how the number is defined"
    if not defaults.get("noValue"):
        yield "does not say what to configure when it is empty"
    given = [defaults.get("unit", "")]
    for override in panel["fieldConfig"]["overrides"]:
        given += [item["value"] for item in override["properties"] if item["id"] == "unit"]
    for unit in given:
        if unit not in units and not _OWN_UNIT.fullmatch(unit):
            yield f"unit {unit!r} does not exist"
    if "decimals" not in defaults or not defaults.get("thresholds"):
        yield "needs decimals and thresholds"
    if panel["type"] in ("gauge", "bargauge") and "min" not in defaults:
        yield "a bar needs its zero"
    if panel["type"] in ("timeseries", "barchart", "statetimeline") and not panel["options"]["legend"]["showLegend"]:
        yield "needs a legend"
    letters = [target["refId"] for target in panel["targets"]]
    if not letters or len(set(letters)) != len(letters):
        yield "needs queries with letters of their own"
    yield from _overrides(panel)


def _overrides(panel: Board) -> Iterator[str]:
    names = {target["legendFormat"] for target in panel["targets"]}
    for step in panel.get("transformations", []):
        names |= set(step["options"].get("renameByName", {}).values())
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] not in names:
            yield f"override for {override['matcher']['options']!r}, which no query gives"
