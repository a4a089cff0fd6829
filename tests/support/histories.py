"""Small histories of leads, written as literals and loaded through psycopg as the owner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg

from tests.support.databases import Database

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)


def ago(days: float) -> datetime:
    """That many days before AS_OF; negative days lie after it."""
    return AS_OF - timedelta(days=days)


class Lead(NamedTuple):
    """A lead; ``created`` in days before AS_OF."""

    lead_id: str
    created: float
    channel_id: str | None = "email"
    campaign_id: str | None = None
    is_test: bool = False


class Move(NamedTuple):
    """A transition; ``at`` in days before AS_OF. Ids rise with the order in which moves are written."""

    lead_id: str
    from_stage: str | None
    to_stage: str
    at: float


class Deal(NamedTuple):
    """A deal that was closed ``closed`` days before AS_OF (None: open)."""

    deal_id: str
    lead_id: str | None
    closed: float | None
    amount: float = 100.0
    status: str = "won"
    currency: str = "EUR"


class Touch(NamedTuple):
    """A touch of a lead, ``at`` days before AS_OF."""

    touch_id: str
    lead_id: str
    at: float
    channel_id: str


def write(
    database: Database, leads: Iterable[Lead] = (), moves: Sequence[Move] = (), deals: Iterable[Deal] = (),
    touches: Iterable[Touch] = (),
) -> None:
    """Insert these rows in one transaction."""
    with psycopg.connect(database.owner.dsn) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO sales.leads (lead_id, created_at, channel_id, campaign_id, is_test)"
            " VALUES (%s, %s, %s, %s, %s)",
            [(lead.lead_id, ago(lead.created), lead.channel_id, lead.campaign_id, lead.is_test) for lead in leads],
        )
        cursor.executemany(
            "INSERT INTO sales.stage_transitions (transition_id, lead_id, from_stage, to_stage, occurred_at)"
            " VALUES (%s, %s, %s, %s, %s)",
            [(f"t{n:06d}", m.lead_id, m.from_stage, m.to_stage, ago(m.at)) for n, m in enumerate(moves)],
        )
        cursor.executemany(
            "INSERT INTO sales.deals (deal_id, lead_id, stage, status, amount, currency, opened_at, closed_at)"
            " VALUES (%s, %s, 'won', %s, %s, %s, %s, %s)",
            [(d.deal_id, d.lead_id, d.status, d.amount, d.currency, ago(400),
              None if d.closed is None else ago(d.closed)) for d in deals],
        )
        cursor.executemany(
            "INSERT INTO sales.touches (touch_id, lead_id, occurred_at, channel_id, kind)"
            " VALUES (%s, %s, %s, %s, 'click')",
            [(t.touch_id, t.lead_id, ago(t.at), t.channel_id) for t in touches],
        )
