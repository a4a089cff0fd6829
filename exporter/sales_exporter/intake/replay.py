"""Tries dead letters again, one transaction for each, so that an interruption leaves every letter whole or done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import psycopg
from pydantic import SecretStr

from sales_exporter.errors import ContractViolation, SourceUnavailable, UsageError
from sales_exporter.intake.events import Event, decoded
from sales_exporter.intake.mappings import FORM, JSON
from sales_exporter.intake.reading import parsed, read
from sales_exporter.intake.sources import Source
from sales_exporter.intake.writer import REFUSED, Connection, connect, write_events

_COLUMNS = "letter_id, source, event_id, received_at, accepted, reason, attempts"
_LIST = f"SELECT {_COLUMNS} FROM sales_intake.dead_letters ORDER BY received_at, letter_id"  # noqa: S608
# Another replay may be at work on it.
_LOCK = "SELECT payload FROM sales_intake.dead_letters WHERE letter_id = %s FOR UPDATE SKIP LOCKED"
_DONE = "DELETE FROM sales_intake.dead_letters WHERE letter_id = %s"
_FAILED = "UPDATE sales_intake.dead_letters SET attempts = attempts + 1, reason = %s WHERE letter_id = %s"


@dataclass(frozen=True, slots=True)
class Kept:
    """A dead letter without its payload."""

    id: str
    source: str
    event_id: str | None
    received_at: datetime
    accepted: bool
    reason: str
    attempts: int


async def listed(dsn: SecretStr) -> list[Kept]:
    """All letters, the oldest first.

    Raises:
        SourceError: the database did not answer.
    """
    connection = await connect(dsn)
    try:
        return await _listed(connection)
    except psycopg.Error as error:
        raise _told(error) from None
    finally:
        await connection.close()


async def retried(
    dsn: SecretStr, sources: Mapping[str, Source], ids: Sequence[str] | None, depth: int,
    tell: Callable[[int, int], None],
) -> tuple[int, list[Kept]]:
    """Try letters again, all or some. Returns how many are written, and those that failed with the new reason.

    Raises:
        SourceError: the database did not answer; what was done until then is done.
        UsageError: there is no letter of an id.
    """
    connection = await connect(dsn)
    try:
        letters = await _listed(connection)
        if ids:
            missing = sorted(set(ids) - {one.id for one in letters})
            if missing:
                raise UsageError(f"--id {missing[0]}: no such dead letter")
            letters = [one for one in letters if one.id in ids]
        failed = []
        for number, one in enumerate(letters, 1):
            reason = await _tried(connection, one, sources.get(one.source), depth)
            if reason:
                failed.append(replace(one, reason=reason, attempts=one.attempts + 1))
            tell(number, len(letters))
        return len(letters) - len(failed), failed
    except psycopg.Error as error:
        raise _told(error) from None
    finally:
        await connection.close()


async def _tried(connection: Connection, letter: Kept, source: Source | None, depth: int) -> str:
    """Why the letter failed again; empty when it is written."""
    reason = ""
    async with connection.transaction():
        row = await (await connection.execute(_LOCK, (letter.id,))).fetchone()
        if row is None:
            return ""
        try:
            async with connection.transaction():
                await write_events(connection, [(letter.source, one) for one in _events(letter, row[0], source, depth)])
        except ValueError as error:
            reason = str(error)
        except REFUSED as error:
            reason = f"the database refuses it ({type(error).__name__})"
        if reason:
            await connection.execute(_FAILED, (reason, letter.id))
        else:
            await connection.execute(_DONE, (letter.id,))
    return reason


def _events(letter: Kept, payload: object, source: Source | None, depth: int) -> list[Event]:
    body = bytes(cast("bytes", payload))
    if letter.accepted:
        return [decoded(letter.event_id or "", body)]
    if source is None:
        raise ValueError("its source is not configured any more")
    found = read(source.vendor, _payload(body, source, depth), source.hints)
    if found.refused:
        raise ValueError(found.refused[0][0])
    return found.events


def _payload(body: bytes, source: Source, depth: int) -> Any:
    """A form that was refused for its fields was kept as JSON; one that was none, as it came."""
    if source.vendor.media == FORM and body.startswith(b"{"):
        return parsed(body, JSON, depth)
    return parsed(body, source.vendor.media, depth)


async def _listed(connection: Connection) -> list[Kept]:
    rows = await (await connection.execute(_LIST)).fetchall()
    return [Kept(*cast("tuple[Any, ...]", row)) for row in rows]


def _told(error: psycopg.Error) -> ContractViolation | SourceUnavailable:
    kind = type(error).__name__
    if (error.sqlstate or "").startswith(("42", "3F")):
        return ContractViolation(f"the database has no dead letters ({kind}); run: sales-exporter schema --intake, and "
                                 "--intake-role")
    return SourceUnavailable(f"the database is unavailable ({kind})")
