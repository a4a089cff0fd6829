"""The history as a table of SQLite: what is written, and what may be asked. Runs in the thread of the history."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from statistics import median, quantiles
from typing import Any

from sales_exporter.sidecar.desk.model import Event, Flapping, Times, Wanted
from sales_exporter.sidecar.store import Change

TABLES = """
    CREATE TABLE events (
        number INTEGER PRIMARY KEY, at REAL NOT NULL, fingerprint TEXT NOT NULL, alertname TEXT NOT NULL,
        kind TEXT NOT NULL, by TEXT NOT NULL, via TEXT NOT NULL, why TEXT NOT NULL, labels TEXT NOT NULL,
        starts_at REAL);
    CREATE INDEX events_of ON events (fingerprint, number);
    CREATE INDEX events_at ON events (at);
"""
PAGE = 1_000
"""Events in one answer, at most."""
FLAPS = 3
"""An alert that fired so often within a span flaps."""
MOST_FLAPPING = 20
_INSERT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_FIELDS = "number, at, fingerprint, kind, by, via, why, labels, starts_at"
_FIRINGS = """
    SELECT fingerprint, min(at) FILTER (WHERE kind = 'fired') AS fired,
        min(at) FILTER (WHERE kind = 'acknowledged') AS acknowledged,
        min(at) FILTER (WHERE kind IN ('resolved', 'closed')) AS over, max(labels) AS labels
    FROM events WHERE at >= :since AND starts_at IS NOT NULL
    GROUP BY fingerprint, starts_at HAVING fired < :until
"""

Firing = tuple[str, float, float | None, float | None, str]
"""Fingerprint, when it fired, when it was first acknowledged, when it was over, and labels as JSON."""


def inserts(events: Sequence[Event]) -> Change:
    """Events with their numbers, to be written."""
    return _INSERT, [
        (one.number, one.at, one.fingerprint, one.labels.get("alertname", ""), one.kind, one.by, one.via, one.why,
         json.dumps(dict(one.labels), sort_keys=True), one.starts_at) for one in events]


def pruned(before: float) -> Change:
    """Forget events that are older than a moment."""
    return "DELETE FROM events WHERE at < ?", [(before,)]


def newest(db: sqlite3.Connection) -> int:
    """The largest number; 0 without events."""
    return int(db.execute("SELECT coalesce(max(number), 0) FROM events").fetchone()[0])


def everything(db: sqlite3.Connection) -> list[Event]:
    """All events, the oldest first."""
    # The fields are a constant of ours.
    return [_event(row) for row in db.execute(f"SELECT {_FIELDS} FROM events ORDER BY number")]  # noqa: S608


def find(db: sqlite3.Connection, wanted: Wanted) -> list[Event]:
    """Events that are wanted, the newest first, a page of them at most."""
    terms, values = _terms(wanted)
    where = f"WHERE {' AND '.join(terms)}" if terms else ""
    # Nothing but constants of ours and question marks.
    query = f"SELECT {_FIELDS} FROM events {where} ORDER BY number DESC LIMIT ?"  # noqa: S608
    return [_event(row) for row in db.execute(query, [*values, max(0, min(wanted.limit, PAGE))])]


def times(db: sqlite3.Connection, since: float, until: float) -> Times:
    """How long the cases that began in a span took."""
    found: list[Firing] = db.execute(_FIRINGS, {"since": since, "until": until}).fetchall()
    acknowledged = [at - fired for _, fired, at, _, _ in found if at is not None]
    resolved = [over - fired for _, fired, _, over, _ in found if over is not None]
    return Times(len(found), *_middle_and_tail(acknowledged), *_middle_and_tail(resolved), _flapping(found))


def _terms(wanted: Wanted) -> tuple[list[str], list[object]]:
    given = (("at >= ?", wanted.since), ("at < ?", wanted.until), ("fingerprint = ?", wanted.fingerprint or None),
             ("alertname = ?", wanted.alertname or None), ("number < ?", wanted.before))
    terms: list[str] = [term for term, value in given if value is not None]
    values: list[object] = [value for _, value in given if value is not None]
    if wanted.kinds:
        terms.append(f"kind IN ({', '.join('?' * len(wanted.kinds))})")
        values += sorted(wanted.kinds)
    return terms, values


def _event(row: tuple[Any, ...]) -> Event:
    number, at, fingerprint, kind, by, via, why, labels, starts_at = row
    return Event(at, fingerprint, kind, by, via, why, json.loads(labels), starts_at, number)


def _middle_and_tail(lengths: Sequence[float]) -> tuple[float | None, float | None]:
    """Median and 90 % quantile."""
    if len(lengths) < 2:
        return (lengths[0], lengths[0]) if lengths else (None, None)
    return median(lengths), quantiles(lengths, n=10, method="inclusive")[-1]


def _flapping(found: Sequence[Firing]) -> tuple[Flapping, ...]:
    """The alerts that fired most often, those that fired less than ``FLAPS`` times left out."""
    spans: dict[str, list[Firing]] = {}
    for firing in found:
        spans.setdefault(firing[0], []).append(firing)
    return tuple(sorted(_counted(spans), key=lambda one: (-one.times, one.fingerprint))[:MOST_FLAPPING])


def _counted(spans: dict[str, list[Firing]]) -> Iterator[Flapping]:
    for name, firings in spans.items():
        if len(firings) >= FLAPS:
            lasted = [over - fired for _, fired, _, over, _ in firings if over is not None]
            yield Flapping(name, json.loads(firings[0][4]), len(firings), median(lasted) if lasted else 0.0)
