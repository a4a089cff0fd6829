"""How fast `sales-exporter import` loads a CSV file into the embedded PostgreSQL: first load, and the same again.

    python benchmarks/importing.py [--rows 1000000]

The file is a log of stage transitions, a busy relation with three indexes besides its key. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from sales_exporter import contract
from sales_exporter.demo.postgres import running
from sales_exporter.importer import check_files, import_files
from sales_exporter.importer import map as maps

MAP = """
sources: {log: {file: log.csv}}
relations:
  - relation: stage_transitions
    source: log
    columns:
      transition_id: id
      lead_id: {template: "lead-{lead}"}
      from_stage: from
      to_stage: {column: to, values: {"Closed Won": won}}
      occurred_at: at
      rep_id: rep
"""
STAGES = ("", "lead", "contact", "qualified", "proposal", "Closed Won")


def write(path: Path, rows: int) -> None:
    """A log of ``rows`` transitions, five a lead, a new second for each."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    with path.open("w", encoding="utf-8") as file:
        file.write("id,lead,from,to,at,rep\n")
        for row in range(rows):
            lead, step = divmod(row, 5)
            at = (start + timedelta(seconds=row)).strftime("%Y-%m-%d %H:%M:%S")
            file.write(f"{row:09d},{lead:08d},{STAGES[step]},{STAGES[step + 1]},{at},rep-{lead % 30}\n")


def main() -> None:
    """Measure reading alone, a first load, and a second one that changes nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows: int = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        path = folder / "log.csv"
        write(path, rows)
        plan, files = maps.parse(MAP, "map"), {"log": path}
        figures: dict[str, float] = {"rows": rows, "file_mib": round(path.stat().st_size / 2**20, 1)}
        started = time.perf_counter()
        check_files(plan, "map", files)
        figures["read_and_convert_rows_per_second"] = round(rows / (time.perf_counter() - started))
        with running(folder / "postgres") as server:
            dsn = server.login().dsn
            with psycopg.connect(dsn) as connection:
                connection.execute(contract.schema_sql().encode())
            for step, added in (("first_load", rows), ("same_again", 0)):
                started = time.perf_counter()
                report = import_files(plan, "map", files, dsn)
                figures[f"{step}_rows_per_second"] = round(rows / (time.perf_counter() - started))
                assert report.counts[0].added == added, "the second load must add nothing"
    figures["memory_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
