"""What PostgreSQL's catalog says about the server, the role and the relations of schema ``sales``.

No statement here uses pg_get_expr, pg_get_indexdef or pg_relation_size: they lock the relation that they look at, and a
check must get past one that is locked. Expressions are recognised in the catalog's own node text instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sales_exporter.contract.relations import RELATIONS

Fetch = Callable[..., list[dict[str, Any]]]
"""Runs one statement with parameters and returns its rows."""

SERVER = """
    SELECT current_setting('server_version_num')::int AS version,
           pg_is_in_recovery() AS standby,
           extract(epoch FROM clock_timestamp())::float8 AS clock,
           to_regnamespace('sales') IS NOT NULL AS has_schema,
           coalesce(has_schema_privilege(to_regnamespace('sales')::oid, 'USAGE'), false) AS may_use_schema
"""

ROLE = """
    SELECT r.rolsuper AS superuser,
           r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls AS attributes,
           r.rolconnlimit AS connections,
           ARRAY(SELECT split_part(setting, '=', 1) FROM unnest(r.rolconfig) AS setting) AS settings,
           has_schema_privilege(to_regnamespace('sales')::oid, 'CREATE') AS may_create,
           ARRAY(SELECT m.rolname::text FROM pg_roles AS m
                  WHERE m.rolname IN ('pg_write_all_data', 'pg_read_all_data', 'pg_execute_server_program',
                                      'pg_read_server_files', 'pg_write_server_files')
                    AND pg_has_role(r.oid, m.oid, 'MEMBER')) AS memberships,
           (SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'
               AND n.nspname NOT IN ('information_schema', 'sales')
               AND has_schema_privilege(r.oid, n.oid, 'USAGE')
               AND has_any_column_privilege(r.oid, c.oid, 'SELECT')
               AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass
                                  AND d.objid = c.oid AND d.deptype = 'e')) AS other_relations
      FROM pg_roles AS r WHERE r.rolname = current_user
"""

RELATION = """
    SELECT c.relname AS name, c.relkind::text AS kind,
           c.reltuples::float8 AS rows,
           has_table_privilege(c.oid, 'DELETE') OR has_table_privilege(c.oid, 'TRUNCATE')
             OR has_any_column_privilege(c.oid, 'INSERT')
             OR has_any_column_privilege(c.oid, 'UPDATE') AS writable
      FROM pg_class AS c
     WHERE c.relnamespace = to_regnamespace('sales')::oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
       AND c.relname = ANY (%(names)s)
"""

COLUMN = """
    SELECT c.relname AS relation, a.attname AS name,
           format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, NULL) AS type,
           a.attnotnull AS required,
           coalesce(d.adbin::text LIKE '%%:funcid ' || 'pg_current_xact_id()'::regprocedure::oid || ' %%', false)
             AS keyed,
           has_column_privilege(c.oid, a.attnum, 'SELECT') AS readable
      FROM pg_class AS c
      JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type AS t ON t.oid = a.atttypid
      LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relnamespace = to_regnamespace('sales')::oid AND c.relname = ANY (%(names)s)
"""

INDEX = """
    SELECT c.relname AS relation, x.relname AS name, i.indisvalid AND i.indisready AS valid,
           i.indisunique AS single, m.amname AS method, i.indpred IS NOT NULL AS partial,
           ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
                   JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.number
                  WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS columns,
           ARRAY(SELECT a.attname::text FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0
                    AND i.indexprs::text LIKE '%%:varattno ' || a.attnum || ' %%') AS in_expressions
      FROM pg_class AS c
      JOIN pg_index AS i ON i.indrelid = c.oid
      JOIN pg_class AS x ON x.oid = i.indexrelid
      JOIN pg_am AS m ON m.oid = x.relam
     WHERE c.relnamespace = to_regnamespace('sales')::oid AND c.relname = ANY (%(names)s)
"""

TRIGGER = """
    SELECT c.relname AS relation, p.proname AS function
      FROM pg_class AS c
      JOIN pg_trigger AS t ON t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
      JOIN pg_proc AS p ON p.oid = t.tgfoid
     WHERE c.relnamespace = to_regnamespace('sales')::oid AND c.relname = ANY (%(names)s)
"""


@dataclass(frozen=True, slots=True)
class Role:
    """What the role that we connected with may do, and what bounds it."""

    superuser: bool
    attributes: bool
    connections: int
    settings: frozenset[str]
    may_create: bool
    memberships: tuple[str, ...]
    other_relations: int


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One column as it is. ``type`` is PostgreSQL's name for it; ``keyed``: the default is the writing transaction."""

    type: str
    required: bool
    keyed: bool
    readable: bool


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """One index: its plain key columns in order, and those in expressions. One that is not valid serves nobody."""

    name: str
    valid: bool
    columns: tuple[str, ...]
    in_expressions: frozenset[str]
    method: str
    single: bool
    partial: bool


@dataclass(frozen=True, slots=True)
class RelationFacts:
    """One relation as it is. ``rows`` is an estimate; ``triggers`` are the functions of the enabled ones."""

    name: str
    kind: str
    rows: float
    writable: bool
    columns: Mapping[str, ColumnFacts]
    indexes: tuple[IndexFacts, ...]
    triggers: frozenset[str]

    @property
    def is_table(self) -> bool:
        """Whether rows are stored here, so that indexes and triggers can be."""
        return self.kind in {"r", "p"}

    @property
    def can_sample(self) -> bool:
        """Whether TABLESAMPLE works on it."""
        return self.kind in {"r", "p", "m"}

    def has(self, *columns: str) -> bool:
        """Whether all these columns are there and readable."""
        return all(name in self.columns and self.columns[name].readable for name in columns)


def role(fetch: Fetch) -> Role:
    """The facts of the role that is connected."""
    (row,) = fetch(ROLE)
    return Role(
        row["superuser"], row["attributes"], row["connections"], frozenset(row["settings"] or ()),
        row["may_create"], tuple(row["memberships"]), row["other_relations"],
    )


def relations(fetch: Fetch) -> dict[str, RelationFacts]:
    """The contract's relations that exist, by name, in the contract's order."""
    names = list(RELATIONS)
    columns = _by_relation(fetch(COLUMN, names=names))
    indexes = _by_relation(fetch(INDEX, names=names))
    triggers = _by_relation(fetch(TRIGGER, names=names))
    rows = {row["name"]: row for row in fetch(RELATION, names=names)}
    return {
        name: RelationFacts(
            name, rows[name]["kind"], rows[name]["rows"], rows[name]["writable"],
            {row["name"]: ColumnFacts(row["type"], row["required"], row["keyed"], row["readable"])
             for row in columns.get(name, ())},
            tuple(IndexFacts(row["name"], row["valid"], tuple(row["columns"]), frozenset(row["in_expressions"]),
                             row["method"], row["single"], row["partial"]) for row in indexes.get(name, ())),
            frozenset(row["function"] for row in triggers.get(name, ())),
        )
        for name in names if name in rows
    }


def _by_relation(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["relation"], []).append(row)
    return found
