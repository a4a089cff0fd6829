"""The generated dashboards as their readers get them: panels, queries and variables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "grafana" / "dashboards"
Board = dict[str, Any]

RATE_INTERVAL, RANGE = 310, 3600
"""Seconds that Grafana would fill in: a step of five minutes and a scrape interval; the time range."""

_VARIABLE = re.compile(r"\$\{?(?!__)([a-zA-Z]\w*)\}?")


def all_boards() -> dict[str, Board]:
    """Every provisioned dashboard by its path below grafana/dashboards."""
    paths = sorted(FOLDER.rglob("*.json"))
    return {str(path.relative_to(FOLDER)): json.loads(path.read_text("utf-8")) for path in paths}


def panels(board: Board) -> Iterator[Board]:
    """Every panel but rows, those inside collapsed rows too."""
    for panel in board["panels"]:
        yield from panel.get("panels", [])
        if panel["type"] != "row":
            yield panel


def expressions(board: Board) -> Iterator[tuple[str, str]]:
    """(where, PromQL) of every query: panels, annotations and the series behind variables."""
    for panel in panels(board):
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for layer in board["annotations"]["list"]:
        yield f"annotation {layer['name']}", layer["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", source_of(variable)[0]


def source_of(variable: Board) -> tuple[str, str]:
    """(series, label) of a query variable."""
    series, label = re.fullmatch(r"label_values\((.+),\s*(\w+)\)", variable["query"]["query"]).groups()
    return series, label


def variables(board: Board) -> set[str]:
    """Names of the board's variables."""
    return {variable["name"] for variable in board["templating"]["list"]}


def used(text: str) -> set[str]:
    """Names of the variables that a text refers to, Grafana's own (``__name``) left out."""
    return set(_VARIABLE.findall(text))


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables replaced, those of Grafana itself too."""
    text = text.replace("$__rate_interval", f"{RATE_INTERVAL}s").replace("$__range", f"{RANGE}s")
    return _VARIABLE.sub(lambda found: values[found[1]], text)
