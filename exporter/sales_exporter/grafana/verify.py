"""What is wrong with a dashboard that somebody exported or edited, before Grafana is given it.

Grafana reads classic dashboards from files, in versions 12 and 13 alike. What its version 13 saves and exports by
default is schema v2, which file provisioning refuses (grafana/grafana#122663) with little to say about the remedy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Set
from typing import Any

from sales_exporter.grafana import queries, structure
from sales_exporter.grafana.document import Board
from sales_exporter.grafana.registry import Series

EXPORT = "in Grafana 13 export it again by Export, Advanced options, Model: Classic"
FIRST_SCHEMA = 36
"""Oldest schema whose data sources are objects, as all that is judged here expects."""
_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_OURS = re.compile(r"metric (?:sales|gen_ai|http_server|instrumentation|websocket_server|system|process)_")
_UNKNOWN = re.compile(r"metric \S+ does not exist")


def verify(text: str, known: Mapping[str, Series], uids: Set[str]) -> list[str]:
    """Sentences on what keeps the dashboard from loading, from answering, or from leading where its links say.

    ``known`` are the series that there can be, ``uids`` the other dashboards. A metric of another exporter is not
    judged: only names that begin like ours are expected to be known.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        return [f"is not JSON: {error}"]
    refusal = _form(found)
    if refusal:
        return [refusal]
    whole = [*_identity(found), *_inputs(found)]
    try:
        return [*whole, *structure.broken(found, uids | {found.get("uid", "")}), *_queries(found, known)]
    except (KeyError, TypeError, AttributeError) as error:
        return [*whole, f"has a part of another form than Grafana writes: {type(error).__name__} {error}"]


def _form(found: Any) -> str:
    """Why this is no classic dashboard; empty if it is one."""
    if not isinstance(found, dict):
        return "is no dashboard: a JSON object is expected"
    if str(found.get("apiVersion", "")).startswith("dashboard.grafana.app/"):
        return ("is a Kubernetes-style resource: Grafana 12 does not load it from files, and dashboards beside it are "
                f"classic; {EXPORT}")
    if "elements" in found or ("spec" in found and "panels" not in found):
        return f"is schema v2, which file provisioning refuses; {EXPORT}"
    if isinstance(found.get("dashboard"), dict):
        return "is the answer of Grafana's API: put what is under `dashboard` into the file, without `meta`"
    if not isinstance(found.get("panels"), list):
        return "has no panels: it is no classic dashboard"
    return ""


def _identity(board: Board) -> list[str]:
    found = []
    if not board.get("title"):
        found.append("has no title: Grafana refuses it")
    if not _UID.fullmatch(board.get("uid") or ""):
        found.append("has no uid of at most 40 letters, digits, - and _: its address would change at every start")
    if not isinstance(board.get("schemaVersion"), int) or board["schemaVersion"] < FIRST_SCHEMA:
        found.append(f"has schemaVersion {board.get('schemaVersion')}: save it again in Grafana 12 or newer")
    return found


def _inputs(board: Board) -> list[str]:
    if "__inputs" not in board:
        return []
    return ["was exported for sharing: provisioning does not fill in __inputs; export it again without "
            "«Export for sharing externally», and use a data source variable"]


def _queries(board: Board, known: Mapping[str, Series]) -> list[str]:
    return [text for text in queries.broken(board, known) if not _UNKNOWN.search(text) or _OURS.search(text)]
