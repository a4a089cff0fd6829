"""What a state was folded from: after a restore, a failover or a truncation its transaction ids mean nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sales_exporter.ledger.source import Reading

# pg_control_* may be called by everyone. relfilenode changes with TRUNCATE and with any rewrite of the table.
# What the role may not read is not there for it; nor is a change key that it may not read.
SERVER = """
    SELECT s.system_identifier::text AS system, c.timeline_id AS timeline, d.oid::bigint AS database,
           pg_is_in_recovery() AS standby,
           CASE WHEN pg_is_in_recovery() THEN '' ELSE pg_current_snapshot()::text END AS snapshot
      FROM pg_control_system() AS s, pg_control_checkpoint() AS c, pg_database AS d
     WHERE d.datname = current_database()
"""
RELATIONS = """
    SELECT c.relname AS name, c.relkind::text AS kind, pg_relation_filenode(c.oid)::bigint AS file,
           array_agg(a.attname::text) FILTER (
               WHERE a.atttypid = 'xid8'::regtype AND has_column_privilege(c.oid, a.attnum, 'SELECT')) AS keys
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE n.nspname = 'sales' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
       AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
     GROUP BY c.oid, c.relname, c.relkind
"""
LOGS: Mapping[str, str] = {
    "leads": "changed_tx", "lead_revisions": "recorded_tx", "stage_transitions": "recorded_tx",
    "deals": "changed_tx", "spend": "changed_tx", "touches": "recorded_tx", "calls": "recorded_tx",
    "call_judgements": "recorded_tx", "model_predictions": "recorded_tx", "model_outcomes": "recorded_tx",
    "removals": "removed_tx",
}
"""Change keys by relation."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The server and the relations that a pass reads, and the snapshot that it sees ('' on a standby)."""

    system: str
    timeline: int
    database: int
    standby: bool
    snapshot: str
    files: Mapping[str, tuple[str, int | None]]
    keyed: frozenset[str]

    def identity(self, relations: Collection[str], definition: str) -> str:
        """A digest that changes when a state from these relations, under this definition, is worth nothing."""
        files = sorted((name, *self.files[name]) for name in relations if name in self.files)
        facts = (self.system, self.timeline, self.database, files, definition)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]

    def inexact(self, relations: Collection[str]) -> str:
        """Why these relations cannot be read incrementally to the last unit, '' when they can."""
        if self.standby:
            return "a standby does not tell which transactions are running"
        without = sorted(name for name in relations if name in LOGS and name not in self.keyed)
        return f"no change key in {', '.join(without)}" if without else ""


async def origin(db: Reading) -> Origin:
    """Look at the server and the catalogue."""
    server = (await db.fetch(SERVER))[0]
    rows = await db.fetch(RELATIONS)
    return Origin(
        server["system"], server["timeline"], server["database"], server["standby"], server["snapshot"],
        {row["name"]: (row["kind"], row["file"]) for row in rows},
        frozenset(row["name"] for row in rows if LOGS.get(row["name"], "") in (row["keys"] or ())),
    )


async def beyond(db: Reading, relations: Collection[str]) -> list[str]:
    """Relations with rows whose key lies beyond the present: a dump that was restored into another cluster.

    They would count as new for ever. Asked in every pass, so the newest key comes from the end of an index. Leads have
    none; their revisions, which come from the same dump, speak for them.
    """
    keyed = set(relations) & LOGS.keys()
    if "lead_revisions" in keyed:
        keyed.discard("leads")
    newest = [
        f"SELECT '{name}' AS name"  # noqa: S608  (names of the contract)
        f" FROM (SELECT {LOGS[name]} AS key FROM sales.{name} ORDER BY key DESC LIMIT 1) AS newest"
        " WHERE key >= pg_snapshot_xmax(pg_current_snapshot())"
        for name in sorted(keyed)
    ]
    return [str(row["name"]) for row in await db.fetch(" UNION ALL ".join(newest))] if newest else []
