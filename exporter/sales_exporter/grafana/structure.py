"""What is wrong with the structure of a dashboard, as sentences; none means that it is sound."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Set

from sales_exporter.grafana import look
from sales_exporter.grafana.document import Board, named, panels, used, variables, variables_of

SHARED = ["datasource", "cluster", "tenant", "job", "instance"]
VISIBLE = 25
BYTES = 200_000
"""A dashboard in a Kubernetes ConfigMap has to stay well below 1 MiB."""

HIDDEN = 2
"""Grafana's number for a variable that is not shown."""
ON_TIME_RANGE = 2
"""Grafana's number for: ask again when the time range changes."""

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_LOCAL_PAGES = ("/alerting/",)


def defects(board: Board, uids: Set[str], units: Set[str]) -> list[str]:
    """Everything that a reader of one of our dashboards would stumble over. ``uids`` are those of all dashboards."""
    found = [*_whole(board), *broken(board, uids), *_unused(board)]
    for panel in panels(board):
        found += [f"{named(panel)}: {text}" for text in look.defects(panel, units)]
    return found


def broken(board: Board, uids: Set[str]) -> list[str]:
    """What makes any dashboard fail to load, to be drawn, or to lead where it says."""
    return [*_layout(board), *_links(board, uids), *_references(board)]


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
    ids = [panel.get("id") for panel in panels(board)]
    if not all(isinstance(number, int) and number > 0 for number in ids):
        yield "panels without id: links to a panel and reports need it"
    if len(set(ids)) != len(ids):
        yield "panel ids repeat"
    for group in [board["panels"], *(row.get("panels", []) for row in board["panels"] if row["type"] == "row")]:
        yield from _overlaps([panel for panel in group if "gridPos" in panel])
        yield from (f"{named(panel)}: has no place (gridPos)" for panel in group if "gridPos" not in panel)


def _overlaps(group: list[Board]) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for panel in group:
        place = panel["gridPos"]
        if place["x"] < 0 or place["x"] + place["w"] > 24 or place["h"] < 1 or place["w"] < 1:
            yield f"{named(panel)}: outside the 24 columns"
        rows, columns = range(place["y"], place["y"] + place["h"]), range(place["x"], place["x"] + place["w"])
        for cell in itertools.product(rows, columns):
            other = taken.setdefault(cell, named(panel))
            if other != named(panel):
                yield f"{named(panel)}: overlaps {other}"
                break


def _links(board: Board, uids: Set[str]) -> Iterator[str]:
    for where, link in _all_links(board):
        if link.get("type") == "dashboards":
            if not link.get("tags"):
                yield f"{where}link {link['title']}: has no tag"
        elif not _leads_somewhere(link.get("url", ""), uids, variables(board)):
            yield f"{where}link {link['title']}: leads nowhere"


def _all_links(board: Board) -> Iterator[tuple[str, Board]]:
    yield from (("", link) for link in board.get("links", []))
    for panel in panels(board):
        yield from ((f"{named(panel)}: ", link) for link in panel.get("links", []))
        config = panel.get("fieldConfig", {})
        yield from ((f"{named(panel)}: ", link) for link in config.get("defaults", {}).get("links", []))
        for override in config.get("overrides", []):
            for item in override["properties"]:
                yield from ((f"{named(panel)}: ", link) for link in (item["value"] if item["id"] == "links" else ()))


def _carried(board: Board) -> Iterator[str]:
    """A link to another dashboard takes the reader to the same cluster, tenant and time."""
    for where, link in _all_links(board):
        url = link.get("url", "")
        if link.get("type") == "dashboards":
            carries = link["includeVars"] and link["keepTime"]
        else:
            time = link.get("keepTime") or "${__url_time_range}" in url
            place = all(f"var-{name}=$" in url or f"${{{name}:queryparam}}" in url for name in ("cluster", "tenant"))
            carries = not url.startswith("/d/") or (time and place)
        if not carries:
            yield f"{where}link {link['title']}: does not carry cluster, tenant and time"


def _leads_somewhere(url: str, uids: Set[str], known: Set[str]) -> bool:
    dashboard = re.match(r"/d/([\w-]+)", url)
    # Another server, whose address is a variable.
    server = re.match(r"\$\{(\w+)\}/", url)
    if server:
        return server[1] in known
    return dashboard[1] in uids if dashboard else url.startswith(_LOCAL_PAGES)


def _references(board: Board) -> Iterator[str]:
    for name in sorted(used(json.dumps(board)) - variables(board)):
        # "$1" is a group of a regular expression; names start with a letter.
        yield f"variable {name} does not exist"


def _unused(board: Board) -> Iterator[str]:
    text = json.dumps([board["panels"], board["annotations"], board["templating"]])
    for variable in variables_of(board):
        if variable["name"] not in used(text) and variable.get("hide") != HIDDEN:
            yield f"variable {variable['name']} is not used"
        if variable["type"] == "query" and variable.get("refresh") != ON_TIME_RANGE:
            yield f"variable {variable['name']} keeps the values of another time range"
    yield from _carried(board)
