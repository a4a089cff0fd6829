"""The queries of the shipped dashboards, by dashboard, panel and letter, and what their variables stand for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from sales_exporter.api.table import Ref
from sales_exporter.errors import StackError
from sales_exporter.files import shipped
from sales_exporter.grafana.document import (
    RATE_INTERVAL,
    Board,
    length,
    panels,
    source_of,
    used,
    variables_of,
    written,
)

_SPECIAL = re.compile(r"[$()*+?.{}|^\[\]\\]")


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a dashboard, as far as it matters for a query.

    ``series`` and ``label`` say where its values are listed; without them ``default`` is its value. ``all`` is what
    stands for all values; a variable that has it stands within a regular expression.
    """

    name: str
    default: str
    series: str = ""
    label: str = ""
    all: str = ""

    def stated(self, value: str) -> str:
        """A value as Grafana writes it into a query."""
        return _SPECIAL.sub(r"\\\\\g<0>", value) if self.all else value


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard: its queries by panel and letter, what each panel says of itself, and its variables in order."""

    queries: Mapping[tuple[int, str], str]
    descriptions: Mapping[int, str]
    variables: tuple[Variable, ...]
    span: int
    """Seconds of the time range that it opens with."""

    def needed(self, letters: Iterable[tuple[int, str]]) -> frozenset[str]:
        """Names of the variables that queries depend on, directly or through the lists of other variables."""
        names = {name for key in letters for name in used(self.queries[key])}
        for variable in reversed(self.variables):
            if variable.name in names:
                names |= used(variable.series)
        return frozenset(names)


@cache
def dashboards() -> Mapping[str, Dashboard]:
    """All that are shipped, by uid; read once.

    Raises:
        StackError: this installation lacks them.
    """
    files = sorted((shipped("grafana") / "dashboards").glob("*/*.json"))
    boards = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return {board["uid"]: _dashboard(board) for board in boards}


def expression(ref: Ref, values: Mapping[str, str], rate_interval: int = RATE_INTERVAL) -> str:
    """The PromQL of a query, with the values of its variables.

    Raises:
        StackError: the shipped dashboards have no such query.
        LookupError: a variable has no value.
    """
    board = dashboards().get(ref.board)
    text = board.queries.get((ref.panel, ref.query)) if board is not None else None
    if board is None or text is None:
        raise StackError(f"no query {ref.query} in panel {ref.panel} of dashboard {ref.board}; install it again")
    return written(text, values, rate_interval, board.span)


def _dashboard(board: Board) -> Dashboard:
    found = {(panel["id"], target["refId"]): target["expr"]
             for panel in panels(board) for target in panel.get("targets", []) if "expr" in target}
    said = {panel["id"]: panel.get("description", "") for panel in panels(board)}
    return Dashboard(found, said, tuple(_variable(variable) for variable in variables_of(board)), length(board))


def _variable(variable: Board) -> Variable:
    series, label = source_of(variable) or ("", "")
    chosen = variable.get("current", {}).get("value")
    default = chosen if isinstance(chosen, str) and chosen != "$__all" else ""
    return Variable(variable["name"], default, series, label, variable.get("allValue") or "")
