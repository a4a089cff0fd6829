"""Two made-up weeks of a whole installation in a real Prometheus, asked as Grafana asks it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sales_exporter.demo.binaries import obtain
from sales_exporter.demo.history import Grain, History, serving
from sales_exporter.grafana.document import Board, length, source_of, written
from sales_exporter.grafana.structure import SHARED
from tests.grafana.boards import ROOT
from tests.grafana.server import Prometheus
from tests.grafana.world import escaped

FINEST = 11_000
"""Points that Prometheus answers at most."""
POINTS = 200
"""Points of a line that a screen has room for."""
SAMPLES = 300
"""Seconds between two samples of the past; live it is ten."""
LOOKBACK = Grain().lookback
"""How long a sample of the past holds."""
Series = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Weeks:
    """The server, and the moment at which the past ends."""

    prometheus: Prometheus
    end: float

    def values(self, board: Board, *, one: bool) -> dict[str, str]:
        """Variables as a browser resolves them, top to bottom; ``one`` picks one job and one instance."""
        found: dict[str, str] = {}
        for variable in board["templating"]["list"]:
            asked = source_of(variable)
            if asked is None:
                found[variable["name"]] = variable["current"]["value"]
                continue
            series, label = written(asked[0], found, SAMPLES, SAMPLES), asked[1]
            known = self.prometheus.label_values(series, label, self.end - length(board), self.end)
            assert known, f"variable {variable['name']} has no values"
            default = variable.get("current", {}).get("value")
            single = one and variable["name"] in SHARED
            if variable["includeAll"]:
                found[variable["name"]] = escaped(known[0]) if single else variable["allValue"]
            else:
                found[variable["name"]] = default if default in known else known[0]
        return found

    def answer(self, board: Board, target: Board, values: Mapping[str, str]) -> list[Series]:
        """The series of one query; values of an instant query are lists of one."""
        span = length(board)
        step = max(SAMPLES, span // POINTS)
        expr = written(target["expr"], values, step + SAMPLES, span)
        if target.get("instant"):
            return [{**series, "values": [series["value"]]} for series in self.prometheus.now(expr, self.end)]
        return self.prometheus.over(expr, self.end - span, self.end, step)


    def marks(self, board: Board, layer: Board, values: Mapping[str, str]) -> list[Series]:
        """The series of an annotation layer, as finely as Grafana asks."""
        span = length(board)
        return self.prometheus.over(written(layer["expr"], values, SAMPLES, span), self.end - span, self.end,
                                    max(60, span // FINEST))


@contextlib.contextmanager
def living(made: History) -> Iterator[Weeks]:
    """The two weeks on a server of their own, for the length of a block."""
    with serving(made, obtain(ROOT / ".sales-exporter", print)) as url:
        yield Weeks(Prometheus(url), made.end)


def standing() -> Weeks | None:
    """The same on a server that runs already, for who writes a dashboard: SALES_TEST_WEEKS=URL,END."""
    url, _, end = os.environ.get("SALES_TEST_WEEKS", "").partition(",")
    return Weeks(Prometheus(url), float(end)) if url else None
