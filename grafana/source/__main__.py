"""``python -m grafana.source``: write every dashboard to grafana/dashboards/<folder>/<uid>.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from grafana.source.boards import discover
from grafana.source.sdk import JSONEncoder

DASHBOARDS = Path(__file__).resolve().parent.parent / "dashboards"


def generated() -> Iterator[tuple[Path, str]]:
    """Each dashboard's path below ``grafana/dashboards`` and its JSON text, the same on every run."""
    for folder, build in discover():
        board = build()
        yield Path(folder) / f"{board.uid}.json", json.dumps(
            board, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write what there is, and remove what no builder makes any more."""
    made = {DASHBOARDS / name: text for name, text in generated()}
    for path in set(DASHBOARDS.rglob("*.json")) - made.keys():
        path.unlink()
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
