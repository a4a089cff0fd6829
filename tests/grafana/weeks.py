"""Two made-up weeks of a whole installation in a real Prometheus, asked as Grafana asks it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sales_exporter.demo.binaries import obtain
from sales_exporter.demo.history import Quietly, serving
from sales_exporter.demo.history import world as two_weeks
from sales_exporter.grafana.document import Board, source_of, written
from sales_exporter.grafana.structure import SHARED
from tests.grafana.boards import ROOT
from tests.grafana.server import Prometheus
from tests.grafana.world import escaped

LENGTHS = {"m": 60, "h": 3_600, "d": 86_400}
FINEST = 11_000
"""Points that Prometheus answers at most."""
POINTS = 200
"""Points of a line that a screen has room for."""
SAMPLES = 300
"""Seconds between two samples of the past; live it is ten."""
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


def length(board: Board) -> int:
    """Seconds of the time range that a dashboard opens with."""
    number, unit = re.fullmatch(r"now-(\d+)([mhd])", board["time"]["from"]).groups()
    return int(number) * LENGTHS[unit]


@contextlib.contextmanager
def living() -> Iterator[Weeks]:
    """The two weeks for the length of a block."""
    programs = obtain(ROOT / ".sales-exporter", print)
    # Not below pytest's folder: PostgreSQL's own user has to get there.
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o711)
    try:
        made = two_weeks(folder, programs, Quietly())
        shutil.rmtree(folder / "postgres", ignore_errors=True)
        with serving(made, programs) as url:
            yield Weeks(Prometheus(url), made.end)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def standing(url: str, end: float) -> Iterator[Weeks]:
    """The same on a server that runs already, for who writes a dashboard: SALES_TEST_WEEKS=URL,END."""
    yield Weeks(Prometheus(url), end)


def weeks() -> contextlib.AbstractContextManager[Weeks]:
    """The two weeks: made, or those that SALES_TEST_WEEKS names."""
    url, _, end = os.environ.get("SALES_TEST_WEEKS", "").partition(",")
    return standing(url, float(end)) if url else living()
