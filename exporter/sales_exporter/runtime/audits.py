"""The full audit of a state that another process may be writing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from sales_exporter.config import Settings
from sales_exporter.errors import ConfigError
from sales_exporter.ledger.audit import Difference, full
from sales_exporter.ledger.ledger import Ledger
from sales_exporter.ledger.store import Store
from sales_exporter.runtime.database import Database
from sales_exporter.runtime.ledgers import LONG_PASS, LONG_STATEMENT, scheme_of

Progress = Callable[[str], Callable[[int, int], None]]


async def audited(settings: Settings, folder: Path, dsn: SecretStr, progress: Progress) -> list[Difference]:
    """What differs in each source that is filled.

    Raises:
        ConfigError: no state, or one of another database or definition.
        SourceError: the database does not answer.
    """
    store = Store.looked_at(folder)
    database = Database(dsn, settings.database)
    try:
        async with database.reader(LONG_PASS, LONG_STATEMENT) as db:
            relations = await db.relations()
            try:
                ledger = Ledger(scheme_of(settings.business), store, relations)
            except sqlite3.DatabaseError as error:
                reason = f"a state of another release ({error})"
                raise ConfigError(f"{folder}: {reason}; start serve with it first") from None
            strangers = await ledger.strangers(db)
        if strangers:
            raise ConfigError(f"{folder}: the state of {', '.join(strangers)} is of another database or definition; "
                              "start serve with it first")
        if not any(state.ready for state in ledger.states.values()):
            raise ConfigError(f"{folder}: the state is being filled; audit it when that is done")
        return [
            await full(ledger, name, lambda: database.reader(LONG_PASS, LONG_STATEMENT), progress(f"auditing {name}"))
            for name, state in ledger.states.items() if state.ready
        ]
    finally:
        await database.close()
        store.close()
