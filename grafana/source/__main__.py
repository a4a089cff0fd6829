"""``python -m grafana.source``: write every dashboard to grafana/dashboards/<folder>/<uid>.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from grafana.source import api, executive
from grafana.source.sdk import JSONEncoder

DASHBOARDS = Path(__file__).resolve().parent.parent / "dashboards"
FOLDERS = {"Platform": (api.build,), "Sales": (executive.build,)}
"""Grafana folder to builders; a folder of files is a folder in Grafana."""


def generated() -> Iterator[tuple[Path, str]]:
    """Each dashboard's path below ``grafana/dashboards`` and its JSON text, the same on every run."""
    for folder, builders in FOLDERS.items():
        for build in builders:
            board = build()
            yield Path(folder) / f"{board.uid}.json", json.dumps(
                board, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write what has changed."""
    for name, text in generated():
        path = DASHBOARDS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
