"""Writers that do to a source whatever a source lives through, as fast as they can, from several processes.

Every transaction makes about ``CHANGES`` row changes and then commits, rolls back, or rolls back to a savepoint first.
Business times are late, tied and out of order; some transactions stay open for a while, so that commits interleave
with transaction ids in every way.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg

CHANGES = 20
STAGES = ("lead", "contact", "qualified", "proposal", "won", "lost")
CHANNELS = (None, "email", "paid", "partner", "unknown", "social")
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 120
Cursor = psycopg.Cursor[tuple[object, ...]]


@dataclass
class Writer:
    """One writer with its own ids; it also changes the things of the others."""

    number: int
    seed: int
    things: int
    serial: int = 0
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.seed}-{self.number}")

    def lead(self) -> str:
        """Some lead, of any writer, that may or may not exist."""
        return f"l{self.random.randrange(self.things)}"

    def id(self) -> str:
        """A new id, neither ascending nor descending."""
        self.serial += 1
        return f"{self.random.randrange(1_000_000):06d}-{self.number}-{self.serial}"

    def moment(self) -> datetime:
        """Whole hours, so that ties are frequent; of any age."""
        return START + timedelta(hours=self.random.randrange(DAYS * 24))

    def many(self, make: Callable[[], tuple[object, ...]], n: int = CHANGES) -> list[tuple[object, ...]]:
        """Rows of one statement."""
        return [make() for _ in range(n)]


def insert_leads(w: Writer, cursor: Cursor) -> int:
    cursor.executemany(
        "INSERT INTO sales.leads (lead_id, created_at, channel_id, campaign_id, is_test) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        w.many(lambda: (w.lead(), w.moment(), w.random.choice(CHANNELS), w.random.choice((None, "c1", "c2")),
                        w.random.random() < 0.1)))
    return CHANGES


def move(w: Writer, cursor: Cursor) -> int:
    cursor.executemany(
        "INSERT INTO sales.stage_transitions (transition_id, lead_id, from_stage, to_stage, occurred_at)"
        " VALUES (%s, %s, %s, %s, %s)",
        w.many(lambda: (w.id(), w.lead(), w.random.choice((None, *STAGES, "odd")), w.random.choice((*STAGES, "odd")),
                        w.moment())))
    return CHANGES


def revise(w: Writer, cursor: Cursor) -> int:
    cursor.execute(
        "UPDATE sales.leads SET channel_id = %s, campaign_id = %s, is_test = %s WHERE lead_id = ANY(%s)",
        (w.random.choice(CHANNELS), w.random.choice((None, "c1", "c3")), w.random.random() < 0.2,
         sorted({w.lead() for _ in range(6)})))
    return cursor.rowcount


def erase(w: Writer, cursor: Cursor) -> int:
    """Two leads with all that they have, in any order."""
    ids = sorted({w.lead(), w.lead()})
    tables = ["leads", "stage_transitions", "deals", "touches", "calls"]
    w.random.shuffle(tables)
    done = 0
    for table in tables:
        cursor.execute(f"DELETE FROM sales.{table} WHERE lead_id = ANY(%s)".encode(), (ids,))
        done += cursor.rowcount
    return done


def merge(w: Writer, cursor: Cursor) -> int:
    """One lead becomes another: its history moves over."""
    source, target = w.lead(), w.lead()
    cursor.execute(
        "INSERT INTO sales.stage_transitions (transition_id, lead_id, from_stage, to_stage, occurred_at)"
        " SELECT transition_id || '-m' || %s, %s, from_stage, to_stage, occurred_at FROM sales.stage_transitions"
        " WHERE lead_id = %s", (w.id(), target, source))
    moved = cursor.rowcount
    cursor.execute("DELETE FROM sales.stage_transitions WHERE lead_id = %s", (source,))
    cursor.execute("DELETE FROM sales.leads WHERE lead_id = %s", (source,))
    return 2 * moved + cursor.rowcount


def call(w: Writer, cursor: Cursor) -> int:
    def row() -> tuple[object, ...]:
        begun = w.moment()
        answered = w.random.random() < 0.6
        return (w.id(), w.lead(), w.random.choice(("human", "ai")), w.random.choice(("inbound", "outbound")), begun,
                begun + timedelta(seconds=w.random.randrange(600)), "answered" if answered else "busy",
                w.random.choice((None, True, False)), w.random.randrange(600) if answered else None,
                round(w.random.random(), 4), "EUR")

    rows = w.many(row, CHANGES // 2)
    cursor.executemany(
        "INSERT INTO sales.calls (call_id, lead_id, agent_kind, direction, started_at, ended_at, outcome, success,"
        " talk_seconds, cost, currency) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", rows)
    cursor.execute("SELECT call_id FROM sales.calls TABLESAMPLE system (1) LIMIT 5")
    judged = [one for (one,) in cursor.fetchall()] + [rows[0][0]]
    cursor.executemany(
        "INSERT INTO sales.call_judgements (judgement_id, call_id, success, judged_at) VALUES (%s, %s, %s, %s)",
        [(w.id(), one, w.random.random() < 0.5, w.moment()) for one in judged])
    return len(rows) + len(judged)


def predict(w: Writer, cursor: Cursor) -> int:
    cursor.executemany(
        "INSERT INTO sales.model_predictions (prediction_id, model, version, subject_kind, subject_id, predicted_at,"
        " horizon_seconds, score, threshold) VALUES (%s, 'lead_score', %s, 'lead', %s, %s, 864000, %s, 0.4)",
        w.many(lambda: (w.id(), w.random.choice(("1", "2")), w.lead(), w.moment(), w.random.random()), CHANGES // 2))
    cursor.executemany(
        "INSERT INTO sales.model_outcomes (subject_kind, subject_id, observed_at, label, is_final)"
        " VALUES ('lead', %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        w.many(lambda: (w.lead(), w.moment(), w.random.randrange(2), w.random.random() < 0.5), CHANGES // 2))
    return CHANGES


def deal(w: Writer, cursor: Cursor) -> int:
    def row() -> tuple[object, ...]:
        opened, status = w.moment(), w.random.choice(("open", "won", "lost"))
        closed = None if status == "open" else opened + timedelta(hours=w.random.randrange(900))
        return (f"d{w.random.randrange(w.things)}", w.lead(), f"r{w.random.randrange(9)}", opened,
                w.random.choice(STAGES), status, w.random.randrange(100_000) / 100, w.random.choice(("EUR", "USD")),
                closed)

    # In the order of their keys, as a careful application writes: else writers lock each other out.
    rows = sorted({str(one[0]): one for one in w.many(row, CHANGES // 2)}.values(), key=lambda one: str(one[0]))
    cursor.executemany(
        "INSERT INTO sales.deals (deal_id, lead_id, rep_id, opened_at, stage, status, amount, currency, closed_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (deal_id) DO UPDATE SET lead_id = excluded.lead_id,"
        " status = excluded.status, amount = excluded.amount, closed_at = excluded.closed_at", rows)
    cursor.execute("DELETE FROM sales.deals WHERE deal_id = %s", (f"d{w.random.randrange(w.things)}",))
    return len(rows) + cursor.rowcount


def spend(w: Writer, cursor: Cursor) -> int:
    day = w.moment().date()
    cursor.execute(
        "INSERT INTO sales.spend (spend_day, channel_id, campaign_id, amount, currency) VALUES (%s, %s, %s, %s, 'EUR')"
        " ON CONFLICT (spend_day, channel_id, coalesce(campaign_id, '')) DO UPDATE SET amount = excluded.amount",
        (day, w.random.choice(CHANNELS[1:]), w.random.choice((None, "c1")), w.random.randrange(100_000) / 100))
    if w.random.random() < 0.1:
        cursor.execute("DELETE FROM sales.spend WHERE spend_day = %s AND channel_id = 'paid'", (day,))
    return 1


def touch(w: Writer, cursor: Cursor) -> int:
    cursor.executemany(
        "INSERT INTO sales.touches (touch_id, lead_id, occurred_at, channel_id, kind) VALUES (%s, %s, %s, %s, 'click')",
        w.many(lambda: (w.id(), w.lead(), w.moment(), w.random.choice(CHANNELS[1:]))))
    return CHANGES


WORK = ((insert_leads, 5), (move, 10), (revise, 4), (erase, 1), (merge, 1), (call, 3), (predict, 3), (deal, 3),
        (spend, 1), (touch, 2))


def write(dsn: str, number: int, seed: int, things: int, changes: int, done: object) -> None:
    """One writer until it has made its changes; ``done`` is a shared counter of all committed ones."""
    w = Writer(number, seed, things)
    acts, weights = zip(*WORK, strict=True)
    made = 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        while made < changes:
            # A conflict between writers costs the transaction, as everywhere.
            with contextlib.suppress(psycopg.errors.DeadlockDetected, psycopg.Rollback):
                fresh = transaction(w, connection, w.random.choices(acts, weights, k=w.random.randint(1, 3)))
                made += fresh
                with done.get_lock():  # type: ignore[attr-defined]
                    done.value += fresh  # type: ignore[attr-defined]


def transaction(
    w: Writer, connection: psycopg.Connection[tuple[object, ...]], acts: list[Callable[[Writer, Cursor], int]]
) -> int:
    """One transaction; returns the committed changes."""
    made = 0
    with connection.transaction(), connection.cursor() as cursor:
        for act in acts:
            if w.random.random() < 0.1:
                with connection.transaction(force_rollback=True):
                    act(w, cursor)
            else:
                made += act(w, cursor)
            if w.random.random() < 0.02:
                time.sleep(0.4)
        if w.random.random() < 0.1:
            raise psycopg.Rollback
    return made


@dataclass
class Hammer:
    """All writers; leave the block and they have finished."""

    dsn: str
    changes: int
    writers: int = 8
    things: int = 5_000
    seed: int = 1

    def __post_init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._done = context.Value("q", 0)
        self._processes = [
            context.Process(target=write, args=(
                self.dsn, number, self.seed, self.things, self.changes // self.writers, self._done))
            for number in range(self.writers)
        ]

    def start(self) -> None:
        """Let them write."""
        for process in self._processes:
            process.start()

    @property
    def busy(self) -> bool:
        """Whether one still writes."""
        return any(process.is_alive() for process in self._processes)

    @property
    def done(self) -> int:
        """Changes committed so far."""
        return int(self._done.value)

    def finish(self) -> None:
        """Wait for all; a writer that failed is an error."""
        for process in self._processes:
            process.join()
            if process.exitcode:
                raise RuntimeError(f"a writer failed with {process.exitcode}")
