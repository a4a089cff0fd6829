"""A connection that survives restarts of the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import psycopg

from sales_exporter.demo.generator.live.statements import Connection
from sales_exporter.runtime.clock import Clock

BACK_OFF = (0.5, 30.0)
"""First and longest pause in seconds after the database went away."""

Report = Callable[[str], None]
T = TypeVar("T")


class Line:
    """A connection that comes back: work is tried again, with a growing pause, until the database takes it."""

    def __init__(self, dsn: str, clock: Clock, report: Report, name: str) -> None:
        self._dsn, self._clock, self._report, self._name = dsn, clock, report, name
        self._connection: Connection | None = None
        self._failures = 0

    async def use(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """The result of ``work``, which may run more than once."""
        while True:
            try:
                if self._connection is None:
                    self._connection = await psycopg.AsyncConnection.connect(
                        self._dsn, autocommit=True, connect_timeout=5)
                result = await work(self._connection)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                await self.close()
                await self._wait(error)
                continue
            if self._failures:
                self._report(f"{self._name}: the database is back")
            self._failures = 0
            return result

    async def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                await connection.close()

    async def _wait(self, error: psycopg.Error) -> None:
        if not self._failures:
            # Its type alone: the driver's text may hold the connection string.
            self._report(f"{self._name}: waiting for the database ({type(error).__name__})")
        first, longest = BACK_OFF
        await self._clock.sleep(min(longest, first * 2**self._failures))
        self._failures = min(self._failures + 1, 16)
