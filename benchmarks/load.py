"""How fast the generator fills a database, generation included, and why it loads as it does.

    python benchmarks/load.py --leads 1000000
    python benchmarks/load.py --compare
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from sales_exporter import contract
from sales_exporter.demo.generator import Relation, Tables, benchmark, generate, load
from sales_exporter.demo.postgres import running

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)


class Clock:
    """Seconds by the name of what went on while they passed."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def __call__(self, done: int, total: int, what: str) -> None:
        now = time.perf_counter()
        name = "indexes" if what.startswith("index ") else what
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now


def measure(dsn: str, leads: int, seed: int) -> None:
    """Generate and load, and print where the time went."""
    clock = Clock()
    tables, _ = generate(benchmark(leads, seed=seed))
    clock(0, 0, "generation")
    load(dsn, tables, clock)
    clock(0, 0, "commit and analyze")
    print(f"{'':<20}{'rows':>12}{'seconds':>10}{'rows/s':>12}")
    for name, seconds in clock.seconds.items():
        rows = next((len(one) for one in tables if one.name == name), 0)
        print(f"{name:<20}{rows or '':>12}{seconds:>10.2f}{rows / seconds if rows else 0:>12,.0f}")
    total = sum(clock.seconds.values())
    print(f"{'total':<20}{tables.rows:>12}{total:>10.2f}{tables.rows / total:>12,.0f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"transitions per lead {len(tables['stage_transitions']) / leads:.2f}, peak memory {peak:.0f} MiB")


def compare(dsn: str, seed: int) -> None:
    """Time the ways of loading against each other, best of three, on 100,000 leads."""
    tables, _ = generate(benchmark(100_000, seed=seed))
    transitions = tables["stage_transitions"]
    binary, text = encoded(transitions)
    print(f"\n{len(transitions)} rows of stage_transitions, best of three, seconds")
    for name, act in {
        "encode binary": lambda: encoded(transitions, text=False),
        "encode text": lambda: encoded(transitions, binary=False),
        "copy binary, indexes dropped and built": lambda: copied(dsn, transitions, binary, "binary", rebuild=True),
        "copy text, indexes dropped and built": lambda: copied(dsn, transitions, text, "text", rebuild=True),
        "copy binary, indexes kept": lambda: copied(dsn, transitions, binary, "binary", rebuild=False),
    }.items():
        print(f"  {name:<48}{best(act):>8.2f}")
    print(f"\n{len(tables['leads'])} rows of leads with their revisions, best of three, seconds")
    rows = {name: encoded(tables[name], text=False)[0] for name in ("leads", "lead_revisions")}
    for name, act in {
        "triggers off, revisions by COPY": lambda: revised(dsn, tables, rows, triggers=False),
        "triggers on": lambda: revised(dsn, tables, rows, triggers=True),
    }.items():
        print(f"  {name:<48}{best(act):>8.2f}")


def best(act: Callable[[], object]) -> float:
    """The least seconds of three runs."""
    found = []
    for _ in range(3):
        start = time.perf_counter()
        act()
        found.append(time.perf_counter() - start)
    return min(found)


def encoded(relation: Relation, *, binary: bool = True, text: bool = True) -> tuple[bytes, bytes]:
    """A relation in COPY's binary and in its text format."""
    rows = HEADER + relation.copy_bytes(slice(0, len(relation))) + b"\xff\xff" if binary else b""
    if not text:
        return rows, b""
    columns = [
        ["\\N" if value is None else str(value) for value in column.decoded()] for column in relation.columns.values()
    ]
    return rows, "".join("\t".join(row) + "\n" for row in zip(*columns, strict=True)).encode()


def copied(dsn: str, relation: Relation, data: bytes, form: str, *, rebuild: bool) -> None:
    """Load one relation and undo it."""
    with psycopg.connect(dsn) as connection:
        name = sql.Identifier("sales", relation.name)
        indexes = connection.execute(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = %s::regclass AND NOT indisprimary", (f"sales.{relation.name}",),
        ).fetchall() if rebuild else []
        for index, _ in indexes:
            connection.execute(f"DROP INDEX {index}".encode())
        put(connection, relation, name, data, form)
        for _, definition in indexes:
            connection.execute(definition.encode())
        connection.rollback()


def put(connection: psycopg.Connection, relation: Relation, name: sql.Identifier, data: bytes, form: str) -> None:
    """COPY into one relation."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT {})").format(
        name, sql.SQL(", ").join(map(sql.Identifier, relation.columns)), sql.SQL(form))  # type: ignore[arg-type]
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for start in range(0, len(data), 1 << 22):
            copy.write(data[start : start + (1 << 22)])


def revised(dsn: str, tables: Tables, rows: dict[str, bytes], *, triggers: bool) -> None:
    """Load leads and their revisions, the latter by trigger or by COPY, and undo it."""
    with psycopg.connect(dsn) as connection:
        if not triggers:
            connection.execute("ALTER TABLE sales.leads DISABLE TRIGGER USER")
        for name in ("leads",) if triggers else ("leads", "lead_revisions"):
            put(connection, tables[name], sql.Identifier("sales", name), rows[name], "binary")
        connection.rollback()


def main() -> None:
    """Start a PostgreSQL of our own, measure, and remove it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compare", action="store_true", help="time the ways of loading against each other instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        with running(Path(folder) / "cluster") as server:
            dsn = server.login().dsn
            with psycopg.connect(dsn) as connection:
                connection.execute(contract.schema_sql().encode())
            if options.compare:
                compare(dsn, options.seed)
            else:
                measure(dsn, options.leads, options.seed)


if __name__ == "__main__":
    main()
