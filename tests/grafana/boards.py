"""The dashboards of the repository."""

from __future__ import annotations

import json
from pathlib import Path

from sales_exporter.grafana.document import Board

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "grafana" / "dashboards"


def all_boards() -> dict[str, Board]:
    """Every provisioned dashboard by its path below grafana/dashboards."""
    paths = sorted(FOLDER.rglob("*.json"))
    return {str(path.relative_to(FOLDER)): json.loads(path.read_text("utf-8")) for path in paths}
