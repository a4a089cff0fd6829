"""One connection to PostgreSQL on which every wait has an end.

Driven by libpq's asynchronous functions: a frozen server cannot be told to cancel, and a driver that waits for its
answer waits as long as the server is frozen (reliability.md, M5). Here the wait is our own, and its last act is to
shut the socket down. No message of the server or of the driver is told further: it may hold rows or the password.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakSet

from sales_exporter.instrumentation.recorders.relations import Relation, Row

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult

_DEFAULTS = {
    "application_name": "sales-exporter-recorder",
    "client_encoding": "UTF8",
    "tcp_user_timeout": "5000",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}


class Lost(Exception):
    """The connection is gone, or never was. ``reason`` is a label value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(Exception):
    """The server refused a statement; the connection lives."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def require_driver() -> None:
    """Import the driver.

    Raises:
        ImportError: it is not installed, or has no libpq; the message says what to do.
    """
    try:
        import psycopg.pq  # noqa: F401, PLC0415
    except ImportError as error:
        raise ImportError(
            "recorders write through psycopg 3, missing here or without libpq: pip install 'sales-exporter[recorders]'"
        ) from error


class Link:
    """An open connection. Used by one thread; only ``cut`` may come from another."""

    def __init__(self, dsn: str, seconds: float) -> None:
        """Connect within ``seconds``; a statement later on, with its commit, may take as long.

        Raises:
            Lost: no connection.
        """
        self._seconds = seconds
        self._limit = time.monotonic() + seconds
        self._connection: PGconn | None = None
        _links.add(self)
        try:
            self._connect(_conninfo(dsn))
        except Exception as error:
            self.close()
            # Only ours: the driver's text may hold the password of a malformed connection string.
            raise Lost("timeout" if isinstance(error, TimeoutError) else "connect") from None
        milliseconds = max(1, int(seconds * 800))
        self._begin = (
            f"BEGIN; SET LOCAL statement_timeout = {milliseconds}; SET LOCAL lock_timeout = {milliseconds // 2 + 1};"
            f" SET LOCAL idle_in_transaction_session_timeout = {milliseconds * 2}"
        ).encode()

    def insert(self, relation: Relation, rows: Sequence[Row]) -> None:
        """Write the rows in a transaction of their own; those whose key is there already are left out.

        The limits are set in the transaction alone, so that a pooler between us and the server hands none of them on.

        Raises:
            Lost: connection lost, or too late. Whether the rows are there is not known.
            Refused: none of the rows is there.
        """
        try:
            arrays = relation.arrays(rows)
        except Exception:
            raise Refused("22000") from None  # data exception
        self._limit = time.monotonic() + self._seconds
        try:
            self._run(self._begin)
            try:
                self._run(relation.insert, arrays)
                self._run(b"COMMIT")
            except Refused:
                self._run(b"ROLLBACK")
                raise
        except Refused:
            raise
        except TimeoutError:
            self.close()
            raise Lost("timeout") from None
        except Exception:
            self.close()
            raise Lost("lost") from None

    def cut(self) -> None:
        """Shut the socket down, so that whoever waits on it goes on at once."""
        connection = self._connection
        if connection is not None:
            # A duplicate: closing the socket object must not close libpq's descriptor.
            with contextlib.suppress(Exception), socket.socket(fileno=os.dup(connection.socket)) as handle:
                handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the connection up, without waiting for the server."""
        self.cut()
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.finish()

    def abandon(self) -> None:
        """In a forked child: let go of the parent's socket and send nothing on it. The driver leaves it alone too."""
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(Exception):
                nothing = os.open(os.devnull, os.O_RDWR)
                os.dup2(nothing, connection.socket)
                os.close(nothing)

    def _connect(self, conninfo: bytes) -> None:
        from psycopg import pq  # noqa: PLC0415

        self._connection = connection = pq.PGconn.connect_start(conninfo)
        wanted = int(pq.PollingStatus.WRITING)
        while wanted != pq.PollingStatus.OK:
            if wanted == pq.PollingStatus.FAILED or connection.status == pq.ConnStatus.BAD:
                raise ConnectionError
            self._wait(selectors.EVENT_READ if wanted == pq.PollingStatus.READING else selectors.EVENT_WRITE)
            wanted = connection.connect_poll()
        connection.nonblocking = 1

    def _run(self, statement: bytes, arrays: Sequence[bytes] | None = None) -> None:
        from psycopg import pq  # noqa: PLC0415

        connection = self._connection
        if connection is None:
            raise ConnectionError
        if arrays is None:
            connection.send_query(statement)
        else:
            connection.send_query_params(statement, arrays)
        while connection.flush():
            # The server may have to be listened to before it goes on reading.
            if self._wait(selectors.EVENT_READ | selectors.EVENT_WRITE) & selectors.EVENT_READ:
                connection.consume_input()
        refusal = ""
        while (result := self._result(connection)) is not None:
            if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
                refusal = refusal or (result.error_field(pq.DiagnosticField.SQLSTATE) or b"?").decode()
        if connection.status == pq.ConnStatus.BAD:
            raise ConnectionError
        if refusal:
            raise Refused(refusal)

    def _result(self, connection: PGconn) -> PGresult | None:
        while connection.is_busy():
            self._wait(selectors.EVENT_READ)
            connection.consume_input()
        return connection.get_result()

    def _wait(self, events: int) -> int:
        assert self._connection is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection.socket, events)
            ready = selector.select(max(0.0, self._limit - time.monotonic()))
        if not ready:
            raise TimeoutError
        return ready[0][1]


_links: WeakSet[Link] = WeakSet()


def abandon_links() -> None:
    """In a forked child: let go of all connections of the parent."""
    for link in list(_links):
        link.abandon()


def _conninfo(dsn: str) -> bytes:
    from psycopg import conninfo  # noqa: PLC0415

    given = {key: str(value) for key, value in conninfo.conninfo_to_dict(dsn).items()}
    return conninfo.make_conninfo(**{**_DEFAULTS, **given}).encode()
