"""The statements of the checks on rows, composed from the contract's own names."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from sales_exporter.contract.catalog import RelationFacts
from sales_exporter.contract.probes import Probe
from sales_exporter.contract.relations import Column, Relation

SAMPLE_ROWS = 1_000_000
"""Above this estimate a table is sampled down to about as many rows."""


def source(facts: RelationFacts) -> sql.Composed:
    """The relation, or a sample of it by blocks when it is large; views cannot be sampled."""
    name = sql.Identifier("sales", facts.name)
    if not sampled(facts):
        return sql.SQL("{} AS r").format(name)
    percent = sql.Literal(100.0 * SAMPLE_ROWS / facts.rows)
    return sql.SQL("{} AS r TABLESAMPLE SYSTEM ({})").format(name, percent)


def sampled(facts: RelationFacts) -> bool:
    """Whether ``source`` is a sample."""
    return facts.can_sample and facts.rows > SAMPLE_ROWS


def counts(facts: RelationFacts, probes: Sequence[Probe]) -> sql.Composed:
    """One scan: column ``n0``, ``n1`` … is the number of rows that break probe 0, 1 …"""
    columns = sql.SQL(", ").join(
        sql.SQL("count(*) FILTER (WHERE {}) AS {}").format(probe.condition, sql.Identifier(f"n{place}"))
        for place, probe in enumerate(probes)
    )
    return sql.SQL("SELECT {} FROM {}").format(columns, source(facts))


def beyond_snapshot(relation: Relation, key: str) -> sql.Composed:
    """``n0``: rows whose change key this server has not given to any transaction yet."""
    return sql.SQL("SELECT count(*) AS n0 FROM {} WHERE {} >= pg_snapshot_xmax(pg_current_snapshot())").format(
        sql.Identifier("sales", relation.name), sql.Identifier(key))


def duplicates(relation: Relation) -> sql.Composed:
    """``n0``: keys that occur more than once."""
    parts = sql.SQL(", ").join(
        sql.SQL("coalesce({}::text, '')").format(sql.Identifier(name)) for name in relation.key)
    return sql.SQL("SELECT count(*) AS n0 FROM (SELECT FROM {} GROUP BY {} HAVING count(*) > 1) AS d").format(
        sql.Identifier("sales", relation.name), parts)


def orphans(facts: RelationFacts, column: Column, target: Relation) -> sql.Composed:
    """``n0``: different values of ``column`` that the relation it references does not have."""
    return sql.SQL(
        "SELECT count(*) AS n0 FROM "
        "(SELECT DISTINCT {column} AS id FROM {source} WHERE {column} IS NOT NULL) AS o "
        "WHERE NOT EXISTS (SELECT FROM {target} AS t WHERE t.{key} = o.id)"
    ).format(
        column=sql.Identifier(column.name), source=source(facts),
        target=sql.Identifier("sales", target.name), key=sql.Identifier(target.key[0]),
    )


UNREVISED = sql.SQL("""
    SELECT count(*) AS n0 FROM sales.leads AS l
     WHERE NOT EXISTS (SELECT FROM sales.lead_revisions AS v WHERE v.lead_id = l.lead_id)
""")
"""``n0``: leads that the log of leads does not know."""


def foreign_money(facts: RelationFacts, *, rates: bool) -> sql.Composed:
    """``n0``: currencies other than ``%(reporting)s`` without any rate; malformed ones are a finding of their own."""
    known = sql.SQL("AND NOT EXISTS (SELECT FROM sales.fx_rates AS f WHERE f.currency = m.currency)")
    return sql.SQL(
        "SELECT count(*) AS n0 FROM (SELECT DISTINCT currency FROM {}) AS m "
        "WHERE m.currency <> %(reporting)s AND m.currency ~ '^[A-Z]{{3}}$' {}"
    ).format(source(facts), known if rates else sql.SQL(""))


def days_without_rate(facts: RelationFacts, day: sql.Composable) -> sql.Composed:
    """``n0``: days with foreign money of a currency that has rates, but none for that day."""
    return sql.SQL(
        "SELECT count(*) AS n0 FROM (SELECT DISTINCT {day} AS day, currency FROM {source} "
        "WHERE {day} IS NOT NULL AND currency <> %(reporting)s) AS m "
        "WHERE EXISTS (SELECT FROM sales.fx_rates AS f WHERE f.currency = m.currency) "
        "AND NOT EXISTS (SELECT FROM sales.fx_rates AS f WHERE f.currency = m.currency AND f.day = m.day)"
    ).format(day=day, source=source(facts))
