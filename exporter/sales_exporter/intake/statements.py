"""The statements that the intake writes with. Names come from the contract, values are parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from psycopg import sql

from sales_exporter.contract.relations import RELATIONS
from sales_exporter.intake.events import Row

BEGIN = b"BEGIN; SET LOCAL timezone = 'UTC'; SET LOCAL synchronous_commit = on"
NEW_EVENTS = """
    INSERT INTO sales_intake.events (source, event_id) SELECT * FROM unnest(%s::text[], %s::text[])
    ON CONFLICT DO NOTHING RETURNING source, event_id
"""
STAMP = """
    INSERT INTO sales_intake.as_of AS a (relation, key, name, at)
    SELECT %s, %s, name, %s FROM unnest(%s::text[]) AS n (name) ORDER BY name
    ON CONFLICT (relation, key, name) DO UPDATE SET at = excluded.at WHERE a.at <= excluded.at
    RETURNING name
"""
LETTER = """
    INSERT INTO sales_intake.dead_letters (letter_id, source, event_id, received_at, accepted, reason, payload)
    VALUES (%s, %s, %s, to_timestamp(%s), %s, %s, %s) ON CONFLICT DO NOTHING
"""
FORGET = "DELETE FROM sales_intake.events WHERE written_at < now() - interval '30 days'"
TRIM = """
    DELETE FROM sales_intake.dead_letters WHERE letter_id IN (
        SELECT letter_id FROM sales_intake.dead_letters WHERE NOT accepted ORDER BY received_at DESC OFFSET %s)
"""
COUNT = "SELECT count(*) FROM sales_intake.dead_letters"


@cache
def insert(relation: str, columns: tuple[str, ...]) -> sql.Composed:
    """A row that is written once; one of the same key stays as it is."""
    _known(relation, columns)
    return sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
        sql.Identifier("sales", relation), _names(columns), _marks(columns))


@cache
def upsert(relation: str, columns: tuple[str, ...], changed: tuple[str, ...]) -> sql.Composed:
    """A row that may exist: then ``changed`` are set. Parameters: the columns, then the changed ones."""
    _known(relation, columns)
    key = RELATIONS[relation].key
    base = sql.SQL("INSERT INTO {} AS t ({}) VALUES ({}) ON CONFLICT ({}) DO ").format(
        sql.Identifier("sales", relation), _names(columns), _marks(columns), _names(key))
    if not changed:
        return base + sql.SQL("NOTHING")
    pairs = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in changed)
    return base + sql.SQL("UPDATE SET {}").format(pairs)


def key_of(row: Row) -> str:
    """The key of a row that may exist; leads and deals have one column for it."""
    (name,) = RELATIONS[row.relation].key
    return str(row.values[name])


def changes(row: Row) -> Mapping[str, object]:
    """What a row sets in one that exists."""
    return {name: value for name, value in row.values.items() if name not in RELATIONS[row.relation].key}


def _known(relation: str, columns: Iterable[str]) -> None:
    known = {column.name for column in RELATIONS[relation].columns}
    if not set(columns) <= known:
        raise ValueError(f"{relation} has no columns {sorted(set(columns) - known)}")


def _names(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _marks(columns: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join([sql.Placeholder()] * len(columns))
