"""The connection of a check: read only, every statement bounded, driver texts never shown."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any, LiteralString

import psycopg
from psycopg import errors as pg
from psycopg import sql
from psycopg.rows import dict_row
from pydantic import SecretStr

from sales_exporter.contract.findings import DATABASE, Finding

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 5.0

_OPTIONS: Mapping[str, Any] = {
    "connect_timeout": CONNECT_SECONDS, "application_name": "sales-exporter check", "tcp_user_timeout": 5000,
}

# The driver's text may hold the password of a broken DSN, so it is searched here and never passed on.
_REFUSALS = (
    ("password authentication failed", "the password or the user is wrong", "Correct the file of database.dsn_file."),
    ("no password supplied", "the server asks for a password and none is given", "Put password=… into the DSN."),
    ("not permitted to log in", "the role may not log in", "ALTER ROLE sales_exporter LOGIN;"),
    ("no pg_hba.conf entry", "pg_hba.conf does not let this user in from here", "Add a line to pg_hba.conf."),
    ("too many connections", "the role or the server has no free connection",
     "Look in pg_stat_activity for application_name sales-exporter."),
    ("remaining connection slots", "the server has no free connection", "Raise max_connections, or use a pool."),
    ("could not translate host name", "the host name is unknown", "Correct host= in the DSN."),
    ("failed to resolve host", "the host name is unknown", "Correct host= in the DSN."),
    ("connection refused", "nobody listens at that host and port", "Start PostgreSQL, or correct host= and port=."),
    ("timeout expired", f"no answer within {CONNECT_SECONDS} s", "Look at the network between here and the server."),
    ("certificate", "the TLS certificate is not accepted", "Correct sslmode= and sslrootcert= in the DSN."),
)


class Unreachable(Exception):
    """No connection, or it broke; carries the finding that says so."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


class Unfinished(Exception):
    """A statement ran into its time limit."""


class Locked(Exception):
    """A statement waited for a lock that another session holds."""


class Refused(Exception):
    """The server would not run a statement; ``code`` is its SQLSTATE."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Session:
    """One connection. Each statement has a read-only transaction and a time limit of its own."""

    def __init__(self, dsn: SecretStr, seconds: float = STATEMENT_SECONDS) -> None:
        self._seconds = seconds
        self._connection = connect(dsn)

    def fetch(self, statement: LiteralString | sql.Composable, /, **parameters: object) -> list[dict[str, Any]]:
        """Rows of one statement; parameters are ``%(name)s``.

        Raises:
            Unfinished: it took longer than the limit.
            Locked: another session holds a lock on what it reads.
            Refused: the server would not run it.
            Unreachable: the connection broke.
        """
        try:
            with _cut_off(self._connection, self._seconds + 1), self._connection.transaction():
                self._connection.execute(
                    "SET TRANSACTION READ ONLY; SET LOCAL lock_timeout = 1000; SET LOCAL timezone = 'UTC';"
                    f"SET LOCAL statement_timeout = {int(self._seconds * 1000)}")
                query = statement if isinstance(statement, str) else sql.Composed([statement])
                return self._connection.execute(query, parameters).fetchall()
        except pg.QueryCanceled:
            raise Unfinished from None
        except pg.LockNotAvailable:
            raise Locked from None
        except psycopg.Error as error:
            if self._connection.broken or self._connection.closed:
                raise Unreachable(_broken()) from None
            raise Refused(error.sqlstate or "unknown") from None

    def pid(self) -> int:
        """The server process behind this connection, asked outside of a transaction block."""
        with _cut_off(self._connection, self._seconds):
            (row,) = self._connection.execute("SELECT pg_backend_pid() AS pid").fetchall()
        return int(row["pid"])

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def connect(dsn: SecretStr) -> psycopg.Connection[dict[str, Any]]:
    """A connection in autocommit mode.

    Raises:
        Unreachable: with a reason from a closed set.
    """
    try:
        return psycopg.connect(
            dsn.get_secret_value(), autocommit=True, prepare_threshold=None, row_factory=dict_row, **_OPTIONS)
    except psycopg.Error as error:
        raise Unreachable(_refusal(str(error).lower())) from None


def backends(dsn: SecretStr, session: Session) -> tuple[tuple[int, ...], int]:
    """Backend pids that ``session`` sees before and while a second client holds a transaction, and the second's.

    Raises:
        Unreachable: there is no second connection to be had.
    """
    try:
        before = session.pid()
        with contextlib.closing(connect(dsn)) as second, _cut_off(second, STATEMENT_SECONDS):
            second.execute("BEGIN READ ONLY")
            (row,) = second.execute("SELECT pg_backend_pid() AS pid").fetchall()
            while_held = session.pid()
            second.execute("ROLLBACK")
    except psycopg.Error:
        raise Unreachable(_broken()) from None
    return (before, while_held), int(row["pid"])


@contextlib.contextmanager
def _cut_off(connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """Shut the socket after ``seconds``: a frozen server honours no statement_timeout (reliability.md, M5)."""
    def shut() -> None:
        with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    alarm = threading.Timer(seconds, shut)
    alarm.daemon = True
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()


def _refusal(text: str) -> Finding:
    for part, reason, remedy in _REFUSALS:
        if part in text:
            return Finding("connection", "error", DATABASE, f"No connection: {reason}.", remedy)
    if "database" in text and "does not exist" in text:
        return Finding("connection", "error", DATABASE, "No connection: the database does not exist.",
                       "Correct dbname= in the DSN.")
    return Finding("connection", "error", DATABASE, "No connection to PostgreSQL.",
                   "Try the same DSN with psql; its words are not repeated here, they may hold the password.")


def _broken() -> Finding:
    return Finding("connection", "error", DATABASE, "The connection broke, or the server stopped answering.",
                   "Run the check again when the server answers; nothing after this point was checked.")
