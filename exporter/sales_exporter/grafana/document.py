"""A dashboard as its JSON has it: panels, queries and variables. What is missing or of another kind is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Board = dict[str, Any]

RATE_INTERVAL, RANGE = 310, 3600
"""Seconds that Grafana would fill in: a step of five minutes and a scrape interval; the time range."""

_LENGTHS = {"m": 60, "h": 3_600, "d": 86_400}
_RANGE = re.compile(r"now-(\d+)([mhd])")
_VARIABLE = re.compile(r"\$\{?(?!__)([a-zA-Z]\w*)(?::\w+)?\}?")
_LABEL_VALUES = re.compile(r"label_values\((.+),\s*(\w+)\)")
_BUILT_IN = "-- Grafana --"


def panels(board: Board) -> Iterator[Board]:
    """Every panel but rows, those inside collapsed rows too."""
    for panel in board["panels"]:
        yield from panel.get("panels", [])
        if panel["type"] != "row":
            yield panel


def expressions(board: Board) -> Iterator[tuple[str, str]]:
    """(where, PromQL) of every query: panels, annotations and the series behind variables."""
    for panel in panels(board):
        for target in panel.get("targets", []):
            if "expr" in target:
                yield f"{named(panel)} {target.get('refId', '')}".strip(), target["expr"]
    for layer in board.get("annotations", {}).get("list", []):
        if layer.get("datasource", {}).get("uid") != _BUILT_IN and "expr" in layer:
            yield f"annotation {layer['name']}", layer["expr"]
    for variable in variables_of(board):
        asked = source_of(variable)
        if asked is not None:
            yield f"variable {variable['name']}", asked[0]


def length(board: Board) -> int:
    """Seconds of the time range that a dashboard opens with; an hour for one that does not end now."""
    found = _RANGE.fullmatch(board.get("time", {}).get("from", ""))
    return int(found[1]) * _LENGTHS[found[2]] if found else RANGE


def named(panel: Board) -> str:
    """What people call a panel."""
    return panel.get("title") or f"panel {panel.get('id', 'without id')}"


def source_of(variable: Board) -> tuple[str, str] | None:
    """(series, label) of a query variable that lists the values of a label, in either form that Grafana writes."""
    query = variable.get("query", "")
    text = query.get("query", "") if isinstance(query, dict) else query
    found = _LABEL_VALUES.fullmatch(text) if variable.get("type") == "query" else None
    return (found[1], found[2]) if found else None


def variables_of(board: Board) -> list[Board]:
    """The board's variables."""
    found: list[Board] = board.get("templating", {}).get("list", [])
    return found


def variables(board: Board) -> set[str]:
    """Names of the board's variables."""
    return {variable["name"] for variable in variables_of(board)}


def used(text: str) -> set[str]:
    """Names of the variables that a text refers to, Grafana's own (``__name``) left out."""
    return set(_VARIABLE.findall(text))


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables replaced, those of Grafana itself too."""
    return written(text, values, RATE_INTERVAL, RANGE)


def written(text: str, values: Mapping[str, str], rate_interval: int, span: int) -> str:
    """The same for a rate interval and a time range of so many seconds."""
    text = re.sub(r"\$\{?__(?:rate_interval|interval)\}?", f"{rate_interval}s", text)
    text = re.sub(r"\$\{?__range\}?", f"{span}s", text)
    return _VARIABLE.sub(lambda found: values[found[1]], text)
