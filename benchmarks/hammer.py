"""Whether cells equal a full recomputation after a million random changes by eight writers and many kills.

    python benchmarks/hammer.py [--changes 1000000] [--kill 0.05] [--seed 1]

Starts a PostgreSQL of its own. Writers insert, move, revise, merge and erase leads with late, tied and out-of-order
rows, roll back, use savepoints and hold transactions open; a ledger folds beside them in a process that gets SIGKILL
around its commits. Then every cell is compared with a recomputation, and sums with plain SQL. Exits 1 when one differs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sales_exporter import contract  # noqa: E402
from sales_exporter.demo.postgres import create_role, running  # noqa: E402
from tests.support.hammer import Hammer  # noqa: E402
from tests.support.storm import Outcome, storm  # noqa: E402


def report(outcome: Outcome, seconds: float) -> dict[str, object]:
    """The figures, printed and returned."""
    print(f"\n{outcome.changes} changes, {outcome.folds} commits of the ledger, {outcome.kills} kills"
          f" ({outcome.kills_in_commit} at a commit), {seconds:.0f} s")
    for one in outcome.differences:
        print(f"  {one.source:<14}{one.compared:>10} cells compared, {one.total} differ {dict(one.cells) or ''}")
    for cube, (cells, rows) in outcome.sums.items():
        print(f"  sum of {cube:<8}{cells:>10} in cells, {rows} by SQL")
    return {"changes": outcome.changes, "commits": outcome.folds, "kills": outcome.kills, "cells": outcome.cells,
            "different": outcome.wrong, "sums_agree": all(a == b for a, b in outcome.sums.values()),
            "rebuilds": outcome.rebuilds, "seconds": round(seconds)}


def main() -> None:
    """Run and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=1_000_000)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--things", type=int, default=20_000, help="leads that are written about")
    parser.add_argument("--kill", type=float, default=0.05, help="probability of SIGKILL at each line of the ledger")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        with running(folder / "cluster", max_connections="40") as server:
            owner = server.login()
            with psycopg.connect(owner.dsn) as connection:
                connection.execute(contract.schema_sql().encode())
            reader = create_role(owner, contract.role_sql(), "sales_exporter", "reader-password")
            hammer = Hammer(owner.dsn, options.changes, options.writers, options.things, options.seed)
            began = time.monotonic()
            outcome = asyncio.run(storm(hammer, reader.dsn, folder / "state", options.kill, print))
            figures = report(outcome, time.monotonic() - began)
    print(json.dumps(figures))
    if outcome.wrong or not figures["sums_agree"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
