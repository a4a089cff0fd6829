"""What passes through the intake: rows of the contract, the event that they come from, and what was refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

Value = str | bool | int | float | None
"""A value as it is spooled and sent: times are ISO 8601 in UTC, money is decimal text."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of one relation. A row with ``merge`` may exist: then its ``values`` replace what is older there.

    ``defaults`` fill a new row and leave one that exists as it is.
    """

    relation: str
    values: Mapping[str, Value]
    merge: bool = False
    defaults: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a vendor. ``id`` is the vendor's own: the same id is the same event."""

    id: str
    occurred_at: datetime
    rows: tuple[Row, ...]

    def encoded(self) -> bytes:
        """The event for the spool."""
        facts = {"occurred_at": plain(self.occurred_at),
                 "rows": [[row.relation, dict(row.values), row.merge, dict(row.defaults)] for row in self.rows]}
        return json.dumps(facts, separators=(",", ":")).encode()


def decoded(event_id: str, body: bytes) -> Event:
    """An event from the spool.

    Raises:
        ValueError: the bytes are not those of an event.
    """
    try:
        facts = json.loads(body)
        rows = tuple(Row(*row) for row in facts["rows"])
        return Event(event_id, datetime.fromisoformat(facts["occurred_at"]), rows)
    except (KeyError, TypeError) as error:
        raise ValueError("not an event of the spool") from error


def row(relation: str, /, **values: object) -> Row:
    """A row that is written once."""
    return Row(relation, plains(values))


def merged(relation: str, defaults: Mapping[str, object], /, **values: object) -> Row:
    """A row that may exist already."""
    return Row(relation, plains(values), True, plains(defaults))


def plains(values: Mapping[str, object]) -> dict[str, Value]:
    """Values that JSON holds without loss."""
    return {name: plain(value) for name, value in values.items()}


def plain(value: Any) -> Value:
    """A value that JSON holds without loss: times as ISO 8601 in UTC, money as text.

    Raises:
        TypeError: of a kind that no column takes.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"no column takes a {type(value).__name__}")
