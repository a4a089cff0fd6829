"""What the live writers ask of the database and write into it."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from sales_exporter.demo.generator.live.agenda import Batch
from sales_exporter.demo.generator.relations import Relation

LAST_EVENT = """
    SELECT extract(epoch FROM greatest(
        (SELECT max(created_at) FROM sales.leads), (SELECT max(started_at) FROM sales.calls)))::double precision
"""
"""Until when the rows of the database tell of the business. Both columns have an index."""

OPEN_LEADS = """
    SELECT l.lead_id, extract(epoch FROM l.created_at)::double precision AS created, l.channel_id, l.rep_id, l.is_test,
           last.to_stage AS stage, extract(epoch FROM last.occurred_at)::double precision AS entered,
           EXISTS (SELECT FROM sales.stage_transitions
                    WHERE lead_id = l.lead_id AND to_stage IN ('qualified', 'proposal')) AS qualified,
           ARRAY(SELECT DISTINCT channel_id FROM sales.touches WHERE lead_id = l.lead_id) AS touched,
           (SELECT score FROM sales.model_predictions
             WHERE subject_kind = 'lead' AND subject_id = l.lead_id ORDER BY predicted_at DESC LIMIT 1) AS score
      FROM sales.leads AS l
     CROSS JOIN LATERAL (
           SELECT to_stage, occurred_at FROM sales.stage_transitions
            WHERE lead_id = l.lead_id ORDER BY occurred_at DESC, transition_id DESC LIMIT 1) AS last
     WHERE l.created_at >= to_timestamp(%(since)s) AND last.to_stage IN ('lead', 'contact', 'qualified', 'proposal')
       AND (hashtext(l.lead_id) & 2147483647) %% %(writers)s = %(writer)s
"""
"""The open leads of one of several writers, each with its stage, the channels that touched it and its score."""

UNJUDGED = """
    SELECT c.call_id, extract(epoch FROM c.started_at)::double precision AS started, c.agent_kind = 'ai' AS ai,
           c.direction = 'inbound' AS inbound, p.score
      FROM sales.calls AS c
      LEFT JOIN sales.model_predictions AS p ON p.subject_kind = 'call' AND p.subject_id = c.call_id
     WHERE c.started_at >= to_timestamp(%(since)s) AND c.outcome = 'answered' AND c.success IS NULL
       AND NOT EXISTS (SELECT FROM sales.call_judgements AS j WHERE j.call_id = c.call_id)
       AND (hashtext(c.call_id) & 2147483647) %% %(writers)s = %(writer)s
"""
"""Answered calls that still wait for their verdict."""

MOVE_DEAL = """
    UPDATE sales.deals SET stage = %(stage)s, status = %(status)s, closed_at = %(closed_at)s,
                           lost_reason = %(lost_reason)s
     WHERE deal_id = %(deal_id)s AND status = 'open'
"""

RESTATE = """
    INSERT INTO sales.spend AS there (spend_day, channel_id, campaign_id, amount, currency)
    VALUES (%(spend_day)s, %(channel_id)s, %(campaign_id)s, %(amount)s, %(currency)s)
        ON CONFLICT (spend_day, channel_id, coalesce(campaign_id, ''))
        DO UPDATE SET amount = excluded.amount, currency = excluded.currency WHERE there.amount <> excluded.amount
"""

_ORDER = (
    "leads", "stage_transitions", "touches", "deals", "deal_moves", "calls", "call_judgements", "model_predictions",
    "model_outcomes",
)

Connection = psycopg.AsyncConnection[Any]


async def last_event(connection: Connection) -> float | None:
    """Epoch seconds of the newest thing that the rows tell of; None when there is nothing."""
    row = await (await connection.execute(LAST_EVENT)).fetchone()
    return None if row is None else row[0]


async def rows(connection: Connection, query: str, **values: object) -> list[dict[str, Any]]:
    """Rows of one of the queries above."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query.encode(), values)
        return await cursor.fetchall()


async def write(connection: Connection, batch: Batch) -> None:
    """Write a batch in one transaction. Doing it again, when nobody knows whether it was committed, changes nothing."""
    async with connection.transaction(), connection.cursor() as cursor:
        for relation in _ORDER:
            if not batch.rows[relation]:
                continue
            if relation == "deal_moves":
                await cursor.executemany(MOVE_DEAL, batch.rows[relation])
                continue
            columns = list(batch.rows[relation][0])
            await cursor.executemany(_insert(relation, columns), batch.rows[relation])


async def insert(connection: Connection, relation: Relation, statement: str | None = None) -> None:
    """Write generated rows; those that are there already stay, unless ``statement`` says what becomes of them."""
    columns = list(relation.columns)
    values = zip(*(relation[name].decoded() for name in columns), strict=True)
    query = _insert(relation.name, columns) if statement is None else statement.encode()
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.executemany(query, [dict(zip(columns, row, strict=True)) for row in values])


def _insert(relation: str, columns: list[str]) -> sql.Composed:
    return sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
        sql.Identifier("sales", relation), sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(map(sql.Placeholder, columns)),
    )
