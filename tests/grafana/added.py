"""What a generated company of the size of these tests lacks: calls within an hour, and something to recommend."""

from __future__ import annotations

import psycopg

from tests.support.databases import Database

CALLS, STALE = 60, 400


def neglect(database: Database, now: float) -> None:
    """Write deals that were opened long before ``now`` and never closed, enough of them to be told of."""
    with psycopg.connect(database.owner.dsn) as connection:
        connection.execute(
            """
            INSERT INTO sales.deals (deal_id, opened_at, stage, status, amount, currency)
            SELECT 'neglected-' || n, to_timestamp(%(now)s) - interval '200 days', 'proposal', 'open', 900, 'EUR'
              FROM generate_series(1, %(deals)s) n
            """, {"deals": STALE, "now": now})


def ring(database: Database, now: float) -> None:
    """Write calls that began within the hour before ``now``: of both kinds, every third of them answered."""
    with psycopg.connect(database.owner.dsn) as connection:
        connection.execute(
            """
            INSERT INTO sales.calls (call_id, agent_kind, direction, started_at, answered_at, ended_at, outcome,
                                     success, talk_seconds, first_response_seconds, cost, currency)
            SELECT 'ringing-' || n, CASE WHEN n %% 2 = 0 THEN 'ai' ELSE 'human' END, 'outbound', started,
                   CASE WHEN n %% 3 = 0 THEN started + interval '5 s' END, started + interval '50 s',
                   CASE WHEN n %% 3 = 0 THEN 'answered' WHEN n %% 10 = 1 THEN 'failed' ELSE 'no_answer' END,
                   CASE WHEN n %% 3 = 0 THEN n %% 4 = 0 END, CASE WHEN n %% 3 = 0 THEN 20 + n END,
                   CASE WHEN n %% 3 = 0 THEN 0.4 + n / 50.0 END, 0.05, 'EUR'
              FROM generate_series(1, %(calls)s) n,
                   LATERAL (SELECT to_timestamp(%(now)s) - n * interval '50 s') t (started)
            """, {"calls": CALLS, "now": now})
