"""Rows on their way: temporary tables of the contract's types, filled by COPY and checked before the upsert."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from sales_exporter.contract.relations import Relation
from sales_exporter.errors import DataFileError
from sales_exporter.importer.files import Progress, silent
from sales_exporter.importer.rows import Rows

SCHEMA = "sales"
Connection = psycopg.Connection[tuple[Any, ...]]

_PLACE = re.compile(r"line ([0-9]+)(?:, column ([a-z_]+))?")

CREATE = """
    CREATE TEMPORARY TABLE {staging} ON COMMIT DROP AS
    SELECT 0 AS import_entry, 0::bigint AS import_line, {columns} FROM {target} WITH NO DATA
"""
COPY = "COPY {staging} (import_entry, import_line, {columns}) FROM STDIN"
REPEATED = "SELECT EXISTS (SELECT FROM {staging} GROUP BY {key} HAVING count(*) > 1)"
CONFLICT = """
    SELECT import_entry, import_line, first_line
      FROM (SELECT import_entry, import_line, ROW({columns}) AS content,
                   first_value(ROW({columns})) OVER same AS first_content,
                   first_value(import_line) OVER same AS first_line
              FROM {staging}
            WINDOW same AS (PARTITION BY {key} ORDER BY import_entry, import_line)) AS ordered
     WHERE content IS DISTINCT FROM first_content
  ORDER BY import_entry, import_line LIMIT 1
"""
DROP_COPIES = """
    DELETE FROM {staging} WHERE (import_entry, import_line) IN (
        SELECT import_entry, import_line
          FROM (SELECT import_entry, import_line,
                       row_number() OVER (PARTITION BY {key} ORDER BY import_entry, import_line) AS place
                  FROM {staging}) AS numbered
         WHERE place > 1)
"""
MEASURE = "SELECT count(*), max({time}::timestamptz) FROM {staging}"


@dataclass(frozen=True, slots=True)
class Staged:
    """The rows for one relation, in a temporary table; each key is there once."""

    relation: Relation
    columns: tuple[str, ...]
    rows: int
    last_event: datetime | None


def stage(connection: Connection, entries: Sequence[Rows], progress: Progress) -> Staged:
    """Copy the rows of all entries for one relation into its temporary table.

    Raises:
        DataFileError: a row is malformed, or one key has two contents.
    """
    relation, columns = entries[0].relation, entries[0].columns
    connection.execute(compose(CREATE, relation, columns))
    for place, rows in enumerate(entries):
        _copy(connection, place, rows, progress)
    (repeated,) = _one(connection, compose(REPEATED, relation, columns))
    if repeated:
        _refuse_conflict(connection, entries)
        connection.execute(compose(DROP_COPIES, relation, columns))
    connection.execute(compose("ANALYZE {staging}", relation, columns))
    time = sql.Identifier(relation.time) if relation.time in columns else sql.NULL
    count, moment = _one(connection, compose(MEASURE, relation, columns, time=time))
    return Staged(relation, columns, count, moment)


def compose(
    statement: LiteralString, relation: Relation, columns: Sequence[str], **more: sql.Composable
) -> sql.Composed:
    """A statement of ours with the names of a relation in it: staging, target, columns, key."""
    return sql.SQL(statement).format(
        staging=sql.Identifier(f"import_{relation.name}"), target=sql.Identifier(SCHEMA, relation.name),
        columns=names(columns), key=names(relation.key), **more,
    )


def names(columns: Iterable[str], table: str = "") -> sql.Composed:
    """Column names with commas between them, of ``table`` if one is given."""
    return sql.SQL(", ").join(sql.Identifier(table, name) if table else sql.Identifier(name) for name in columns)


def _copy(connection: Connection, place: int, rows: Rows, progress: Progress) -> None:
    try:
        with connection.cursor() as cursor, cursor.copy(compose(COPY, rows.relation, rows.columns)) as copy:
            for line, values in rows.read(progress):
                copy.write_row((place, line, *values))
    except psycopg.errors.DataError as error:
        raise _refused(rows, error.diag.context or "") from None


def _refused(rows: Rows, context: str) -> DataFileError:
    """What PostgreSQL did not take, at its place in the file. Its context quotes the value; the place alone is used."""
    found = _PLACE.search(context)
    number, column = (int(found[1]), found[2]) if found else (1, None)
    line, _ = next(itertools.islice(rows.read(silent), number - 1, None), (1, []))
    spec = rows.target.columns.get(column or "")
    kind = rows.relation.column(column).type if column else "value"
    where = (spec.column or spec.template or column or "") if spec else ""
    return rows.table.error(line, where, f"expected a {kind} that {rows.relation.name} can hold")


def _refuse_conflict(connection: Connection, entries: Sequence[Rows]) -> None:
    relation = entries[0].relation
    found = connection.execute(compose(CONFLICT, relation, entries[0].columns)).fetchone()
    if found is not None:
        place, line, first = found
        key = ", ".join(relation.key)
        raise entries[place].table.error(
            line, key, f"expected one content for each key of {relation.name}, found another than in line {first}")


def _one(connection: Connection, statement: sql.Composed) -> tuple[Any, ...]:
    row = connection.execute(statement).fetchone()
    assert row is not None, "an aggregate without GROUP BY returns one row"
    return row
