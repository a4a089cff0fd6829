"""Moves events from the spool to PostgreSQL: one transaction for a batch, each event once by its id.

A database that refuses one event's values gets the others of the batch; that event becomes a dead letter. A database
that is frozen costs one deadline: its last act is to shut the socket down, as everywhere here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence

import psycopg
from psycopg import errors as pg
from psycopg.rows import tuple_row
from pydantic import SecretStr

from sales_exporter.errors import ContractViolation, DeadlineExceeded, LockTimeout, SourceError, SourceUnavailable
from sales_exporter.intake import statements
from sales_exporter.intake.events import Event, Row, decoded
from sales_exporter.intake.reading import Letter
from sales_exporter.intake.spool import Spooled
from sales_exporter.runtime.database import shut

Connection = psycopg.AsyncConnection[tuple[object, ...]]

DEADLINE = 10.0
"""Seconds that a batch may take."""
CONNECT = 3.0
_CONNECTION = {
    "application_name": "sales-exporter intake", "connect_timeout": 3, "tcp_user_timeout": 5000, "keepalives_idle": 10,
    "keepalives_interval": 5, "keepalives_count": 3,
}
REFUSED = (psycopg.DataError, psycopg.IntegrityError, pg.RaiseException)
"""What a database says to one row: its values do not fit, or a trigger of its owner wants none of it."""
_CONTRACT = ("42", "3F", "55")


class Writer:
    """One connection, opened when it is needed."""

    def __init__(self, dsn: SecretStr) -> None:
        self._dsn = dsn
        self._connection: Connection | None = None
        self._late = False
        self.written: Counter[str] = Counter()

    async def write(self, events: Sequence[Spooled], letters: Sequence[Letter]) -> int:
        """Write a batch, whole or not at all. Returns how many events became dead letters.

        Raises:
            SourceError: nothing was written, or it is not known; writing it again changes nothing twice.
        """
        batch = [(one, _event(one)) for one in events]
        async with self._within(DEADLINE) as connection:
            try:
                rows = await self._together(connection, batch, letters)
                refused = 0
            except REFUSED:
                await connection.execute("ROLLBACK")
                rows, refused = await self._apart(connection, batch, letters)
        self.written += rows
        return refused

    async def keep_house(self, letters: int) -> int:
        """Forget ids of events that are old, and all but the newest ``letters`` that were refused. Returns the rest.

        Raises:
            SourceError: the database did not answer.
        """
        async with self._within(DEADLINE) as connection:
            await connection.execute(statements.FORGET)
            await connection.execute(statements.TRIM, (letters,))
            row = await (await connection.execute(statements.COUNT)).fetchone()
            return int(str(row[0])) if row else 0

    def renewed(self, dsn: SecretStr) -> Writer:
        """Connect with this from the next connection on."""
        if dsn != self._dsn:
            self._dsn = dsn
            if self._connection is not None:
                shut(self._connection)
        return self

    async def close(self) -> None:
        """Shut the connection; a batch that is under way ends."""
        connection, self._connection = self._connection, None
        if connection is not None:
            shut(connection)
            with contextlib.suppress(psycopg.Error):
                await connection.close()

    async def _together(
        self, connection: Connection, batch: Sequence[tuple[Spooled, Event | None]], letters: Sequence[Letter]
    ) -> Counter[str]:
        await connection.execute(statements.BEGIN)
        rows = await write_events(connection, [(one.source, event) for one, event in batch if event is not None])
        await _keep(connection, [*letters, *(_broken(one) for one, event in batch if event is None)])
        await connection.execute("COMMIT")
        return rows

    async def _apart(
        self, connection: Connection, batch: Sequence[tuple[Spooled, Event | None]], letters: Sequence[Letter]
    ) -> tuple[Counter[str], int]:
        """As together, but an event whose values are refused leaves the others alone."""
        await connection.execute(statements.BEGIN)
        rows: Counter[str] = Counter()
        kept = list(letters)
        for one, event in batch:
            if event is None:
                kept.append(_broken(one))
                continue
            await connection.execute("SAVEPOINT one")
            try:
                rows += await write_events(connection, [(one.source, event)])
                await connection.execute("RELEASE one")
            except REFUSED as error:
                await connection.execute("ROLLBACK TO one")
                reason = f"the database refuses it ({type(error).__name__})"
                kept.append(Letter(one.source, one.event_id, reason, one.body, one.received_at, accepted=True))
        await _keep(connection, kept)
        await connection.execute("COMMIT")
        return rows, len(kept) - len(letters)

    @contextlib.asynccontextmanager
    async def _within(self, seconds: float) -> AsyncIterator[Connection]:
        """A connection for so long. Whatever goes wrong closes it, and is told as one of our errors."""
        self._late = False
        clean = False
        alarm = None
        try:
            connection = await self._connected()
            alarm = asyncio.get_running_loop().call_later(seconds, self._cut)
            yield connection
            clean = True
        except psycopg.Error as error:
            raise self._translated(error) from None
        finally:
            if alarm is not None:
                alarm.cancel()
            if not clean:
                await self.close()

    def _cut(self) -> None:
        self._late = True
        if self._connection is not None:
            shut(self._connection)

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await connect(self._dsn)
        return self._connection

    def _translated(self, error: psycopg.Error) -> SourceError:
        """The driver's text may quote rows or the DSN, so only its class is told."""
        kind, state = type(error).__name__, error.sqlstate or ""
        if self._late or isinstance(error, pg.QueryCanceled):
            return DeadlineExceeded("the batch ran out of time")
        if isinstance(error, pg.LockNotAvailable):
            return LockTimeout("a lock was not granted in time")
        if state.startswith(_CONTRACT):
            return ContractViolation(f"the database cannot take events ({kind}); run: sales-exporter schema --intake, "
                                     "and --intake-role")
        return SourceUnavailable(f"the database is unavailable ({kind})")


async def connect(dsn: SecretStr) -> Connection:
    """A connection with the intake's role.

    Raises:
        SourceUnavailable: there is none to be had.
    """
    try:
        async with asyncio.timeout(CONNECT):
            return await psycopg.AsyncConnection.connect(
                dsn.get_secret_value(), autocommit=True, row_factory=tuple_row,
                **_CONNECTION)  # type: ignore[arg-type]
    except (psycopg.Error, OSError, TimeoutError, UnicodeError) as error:
        # The driver's message may contain the password of a malformed DSN (reliability.md, M7).
        raise SourceUnavailable(f"cannot connect to the database ({type(error).__name__})") from None


async def write_events(connection: Connection, events: Sequence[tuple[str, Event]]) -> Counter[str]:
    """Write the rows of events that were not written before, within the transaction. Returns rows by relation."""
    if not events:
        return Counter()
    cursor = await connection.execute(
        statements.NEW_EVENTS, ([source for source, _ in events], [event.id for _, event in events]))
    fresh = set(await cursor.fetchall())
    rows: Counter[str] = Counter()
    once: defaultdict[tuple[str, tuple[str, ...]], list[Row]] = defaultdict(list)
    for source, event in events:
        if (source, event.id) not in fresh:
            continue
        for row in event.rows:
            if row.merge:
                rows[row.relation] += await _merge(connection, row, event)
            else:
                once[row.relation, tuple(row.values)].append(row)
    for (relation, columns), group in once.items():
        async with connection.cursor() as cursor:
            await cursor.executemany(statements.insert(relation, columns), [list(row.values.values()) for row in group])
            rows[relation] += cursor.rowcount
    return rows


async def _merge(connection: Connection, row: Row, event: Event) -> int:
    changes = statements.changes(row)
    cursor = await connection.execute(
        statements.STAMP, (row.relation, statements.key_of(row), event.occurred_at, list(changes)))
    newer = {name for (name,) in await cursor.fetchall()}
    changed = tuple(name for name in changes if name in newer)
    whole = {**row.defaults, **row.values}
    query = statements.upsert(row.relation, tuple(whole), changed)
    cursor = await connection.execute(query, [*whole.values(), *(changes[name] for name in changed)])
    return cursor.rowcount


async def _keep(connection: Connection, letters: Sequence[Letter]) -> None:
    if letters:
        async with connection.cursor() as cursor:
            await cursor.executemany(statements.LETTER, [
                (one.id, one.source, one.event_id, one.received_at, one.accepted, one.reason, one.payload)
                for one in letters])


def _event(one: Spooled) -> Event | None:
    try:
        return decoded(one.event_id, one.body)
    except ValueError:
        return None


def _broken(one: Spooled) -> Letter:
    return Letter(one.source, one.event_id, "not an event of this release", one.body, one.received_at, accepted=True)
