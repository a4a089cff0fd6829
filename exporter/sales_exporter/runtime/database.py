"""The PostgreSQL source: at most a few connections, one consistent snapshot a pass, a deadline that closes the socket.

A frozen server cannot be told to cancel: the driver would wait for it long after the deadline. The last act of
a deadline here is therefore to shut the socket down, which ends the pass at once (reliability.md, M5).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg.rows import dict_row
from pydantic import SecretStr

from sales_exporter import config
from sales_exporter.collectors import Row
from sales_exporter.errors import (
    ContractViolation,
    DeadlineExceeded,
    LockTimeout,
    RowBudgetExceeded,
    SourceError,
    SourceUnavailable,
)
from sales_exporter.runtime import columns

Connection = psycopg.AsyncConnection[dict[str, Any]]

CONNECT_SECONDS = 2.0
RELATIONS = """
    SELECT c.relname AS relation
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'sales' AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
       AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
"""
_CONNECTION = {
    "application_name": "sales-exporter",
    "connect_timeout": 2,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
LARGE_ANSWER = 100_000
"""Fields of an answer after which a connection is not kept: the driver's buffers stay as large as the largest message
of their connection, which is tens of megabytes after a part of a fill."""
# SQLSTATE classes of a source that changed under us: name or access rule, data exception, schema name.
_CONTRACT = ("42", "22", "3F")


class Reader:
    """One pass's view of the source. The transaction begins with the first fetch."""

    def __init__(self, database: Database, deadline: float, statement_timeout: float) -> None:
        self._database = database
        self._statement_timeout = statement_timeout
        self._limit = asyncio.get_running_loop().time() + deadline
        self._connection: Connection | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._late = False
        self._heavy = False

    async def fetch(self, sql: str, /, **parameters: object) -> list[Row]:
        """Rows of one statement, all from the snapshot in which this pass began.

        Raises:
            SourceError: one of its kinds, with a reason that is safe as a label value.
        """
        budget = self._database.settings.row_budget
        bounded = f"SELECT * FROM ({sql.strip().rstrip(';')}\n) AS answer LIMIT {budget + 1}"  # noqa: S608
        with self._translated():
            connection = await self._begin()
            cursor = await connection.execute(bounded.encode(), parameters or None)
            rows = await cursor.fetchall()
        if len(rows) > budget:
            raise RowBudgetExceeded(f"a query returned more than {budget} rows")
        return rows

    async def columns(self, sql: str, names: Sequence[str], /, **parameters: object) -> Mapping[str, Any]:
        """The rows of one statement as arrays, as :class:`sales_exporter.ledger.source.Reading` promises.

        Lists of texts must be cast in the statement: ``%(ids)s::text[]``.

        Raises:
            SourceError: as fetch, less the row budget: who asks for columns has bounded them.
        """
        with self._translated():
            connection = await self._begin()
            async with connection.cursor(binary=True) as cursor:
                columns.register(cursor.adapters)
                given = {name: columns.written(parameter) for name, parameter in parameters.items()}
                await cursor.execute(columns.aggregated(sql, names).encode(), given or None)
                row = await cursor.fetchone()
        assert row is not None
        found = columns.filled(row)
        self._heavy |= sum(map(len, found.values())) > LARGE_ANSWER
        return found

    async def relations(self) -> frozenset[str]:
        """Names of the relations in schema ``sales`` that this role can read."""
        return frozenset(str(row["relation"]) for row in await self.fetch(RELATIONS))

    async def close(self, *, clean: bool) -> None:
        """End the pass; a connection that may be in an unknown state is not used again."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        ended = False
        try:
            if clean and not self._late:
                with contextlib.suppress(psycopg.Error):
                    await connection.execute("COMMIT")
                    ended = True
        finally:
            # Whoever is cancelled in the middle of it gives the connection back all the same.
            if self._alarm is not None:
                self._alarm.cancel()
            await self._database.give_back(connection, keep=ended and not self._late and not self._heavy)

    async def _begin(self) -> Connection:
        if self._connection is None:
            self._connection = await self._database.take(self._limit)
            self._alarm = asyncio.get_running_loop().call_at(self._limit, self._cut)
            milliseconds = int(self._statement_timeout * 1000)
            await self._connection.execute(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                f"SET LOCAL statement_timeout = {milliseconds};"
                "SET LOCAL lock_timeout = 1000; SET LOCAL jit = off; SET LOCAL timezone = 'UTC';"
                "SET LOCAL max_parallel_workers_per_gather = 0"
            )
        return self._connection

    def _cut(self) -> None:
        self._late = True
        if self._connection is not None:
            shut(self._connection)

    @contextlib.contextmanager
    def _translated(self) -> Any:
        """Driver errors as ours. Their text may quote rows or the DSN, so only their class is told."""
        try:
            yield
        except psycopg.Error as error:
            raise self._translate(error) from None

    def _translate(self, error: psycopg.Error) -> SourceError:
        kind = type(error).__name__
        if self._late or isinstance(error, pg.QueryCanceled):
            return DeadlineExceeded("the pass ran out of time")
        if isinstance(error, pg.LockNotAvailable):
            return LockTimeout("a lock on the source was not granted within 1 s")
        if (error.sqlstate or "").startswith(_CONTRACT):
            return ContractViolation(f"the source does not fit the contract ({kind}); run: sales-exporter check")
        return SourceUnavailable(f"the source is unavailable ({kind})")


class Database:
    """Hands out readers. Starts without a server; never holds more than ``settings.connections``."""

    def __init__(self, dsn: SecretStr | None, settings: config.Database) -> None:
        self.settings = settings
        self._dsn = dsn
        self._slots = asyncio.Semaphore(settings.connections)
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._closed = False

    @property
    def open_connections(self) -> int:
        """Connections held now, idle ones included."""
        return len(self._open)

    @contextlib.asynccontextmanager
    async def reader(self, deadline: float, statement_timeout: float | None = None) -> AsyncIterator[Reader]:
        """A reader for one pass that ends ``deadline`` seconds from now at the latest.

        A statement may take what the settings say, unless ``statement_timeout`` (seconds) is given.
        """
        reader = Reader(self, deadline, statement_timeout or self.settings.statement_timeout)
        clean = False
        try:
            yield reader
            clean = True
        finally:
            await reader.close(clean=clean)

    async def take(self, limit: float) -> Connection:
        """A live connection, new or kept; waits for a free slot until ``limit`` (loop time)."""
        if self._dsn is None:
            raise SourceUnavailable("no database is configured; set database.dsn_file")
        try:
            async with asyncio.timeout_at(limit):
                await self._slots.acquire()
        except TimeoutError:
            raise DeadlineExceeded("no connection became free in time") from None
        try:
            return await self._kept(limit) or await self._connect(limit)
        except BaseException:
            self._slots.release()
            raise

    async def give_back(self, connection: Connection, *, keep: bool) -> None:
        """Keep a connection for the next pass, or close it; every one is closed once this is."""
        if keep and not connection.closed and not self._closed:
            self._idle.append(connection)
        else:
            await self._discard(connection)
        self._slots.release()

    async def close(self) -> None:
        """Shut all sockets, for good; passes that are under way end at once."""
        self._closed = True
        for connection in list(self._open):
            shut(connection)
        for connection in self._idle:
            await self._discard(connection)
        self._idle.clear()

    async def _kept(self, limit: float) -> Connection | None:
        """A kept connection that still answers: a server restart must not cost a pass."""
        while self._idle:
            connection = self._idle.pop()
            alarm = asyncio.get_running_loop().call_at(limit, shut, connection)
            try:
                await connection.execute("")
            except psycopg.Error:
                await self._discard(connection)
            except BaseException:
                # Cancelled: nobody else knows of this connection.
                await self._discard(connection)
                raise
            else:
                return connection
            finally:
                alarm.cancel()
        return None

    async def _connect(self, limit: float) -> Connection:
        assert self._dsn is not None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(limit, loop.time() + CONNECT_SECONDS)):
                connection = await psycopg.AsyncConnection.connect(
                    self._dsn.get_secret_value(), autocommit=True, row_factory=dict_row, prepare_threshold=None,
                    **_CONNECTION,  # type: ignore[arg-type]
                )
        except (psycopg.Error, OSError, TimeoutError, UnicodeError) as error:
            # The driver's message may contain the password of a malformed DSN (reliability.md, M7).
            raise SourceUnavailable(f"cannot connect to the database ({type(error).__name__})") from None
        self._open.add(connection)
        return connection

    async def _discard(self, connection: Connection) -> None:
        self._open.discard(connection)
        shut(connection)
        with contextlib.suppress(psycopg.Error):
            await connection.close()


def shut(connection: psycopg.AsyncConnection[Any]) -> None:
    """Shut the connection's socket down, so that whoever waits on it goes on at once."""
    # A duplicate: closing the socket object must not close the driver's descriptor.
    with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.pgconn.socket)) as handle:
        handle.shutdown(socket.SHUT_RDWR)
