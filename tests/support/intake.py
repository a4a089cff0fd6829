"""What the tests of the intake share: a database for it, settings, signed requests, events."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import psycopg

from sales_exporter import contract
from sales_exporter.config import Settings, build
from sales_exporter.demo.postgres import Login, create_role
from sales_exporter.intake.desk import Desk
from sales_exporter.runtime.clock import Clock, SystemClock
from tests.support.databases import Database, Databases
from tests.support.web import Answer, Shown, send, site

SECRET = "a-secret-of-the-tests"
TOKEN = "a-token-of-the-tests"
URL = "https://sales.example/ingest/"


def with_intake(database: Database) -> Login:
    """Give a database the intake's tables and role."""
    with psycopg.connect(database.owner.dsn, autocommit=True) as connection:
        connection.execute(contract.intake_sql().encode())
    return create_role(database.owner, contract.intake_role_sql(), "sales_intake", "intake-password")


def prepared(databases: Databases) -> tuple[Database, Login]:
    """A fresh database with the intake's tables, and its login."""
    database = databases.fresh()
    return database, with_intake(database)


def settings(
    folder: Path, dsn: str, sources: Mapping[str, Mapping[str, Any]] | None = None, **limits: object
) -> Settings:
    """Settings with an intake whose files are in ``folder``; by default a signed and a bearing generic source."""
    for name, text in (("secret", SECRET), ("token", TOKEN), ("dsn", dsn)):
        (folder / name).write_text(f"{text}\n")
    both = {"signed": {"mapping": "generic", "hmac_secret_file": folder / "secret"},
            "bearing": {"mapping": "generic", "bearer_file": folder / "token"}}
    return build({
        "storage": {"path": folder / "state"},
        "intake": {"dsn_file": folder / "dsn", "sources": sources if sources is not None else both, **limits},
    }, "test")


@contextlib.asynccontextmanager
async def open_desk(found: Settings, clock: Clock | None = None, *, writes: bool = True) -> AsyncIterator[
    tuple[Desk, tuple[str, int]]
]:
    """A desk behind a real server: the desk, and the address."""
    desk = Desk(clock or SystemClock())
    desk.adopt(found)
    try:
        async with site(Shown(), intake=desk, clock=clock) as address:
            if writes:
                desk.start()
            yield desk, address
    finally:
        await desk.close()


def call(number: int | str = 1, **changed: object) -> dict[str, Any]:
    """A generic event of a call."""
    data = {"call_id": f"call-{number}", "agent_kind": "ai", "direction": "outbound", "outcome": "answered",
            "started_at": "2026-03-01T09:00:00Z", "ended_at": "2026-03-01T09:02:30Z", "talk_seconds": 150.0,
            "cost": "0.25", "currency": "EUR", **changed}
    return {"id": f"event-{number}", "type": "call", "occurred_at": "2026-03-01T09:02:30Z", "data": data}


def deal(event: str, at: str, **changed: object) -> dict[str, Any]:
    """A generic event of a deal."""
    data = {"deal_id": "deal-1", "stage": "proposal", "status": "open", "amount": "100.00", "currency": "EUR",
            **changed}
    return {"id": event, "type": "deal", "occurred_at": at, "data": data}


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """The header of the generic signature."""
    return {"X-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def bearing(token: str = TOKEN) -> dict[str, str]:
    """The header with a token."""
    return {"Authorization": f"Bearer {token}"}


async def post(
    address: tuple[str, int], source: str, body: bytes, headers: Mapping[str, str] | None = None,
    media: str = "application/json", method: str = "POST",
) -> Answer:
    """One request with a body over a connection of its own."""
    lines = [f"{method} /ingest/{source} HTTP/1.1", "Host: exporter", "Connection: close",
             f"Content-Length: {len(body)}", f"Content-Type: {media}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return await send(address, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)


async def give(address: tuple[str, int], *events: dict[str, Any]) -> Answer:
    """Send generic events, signed."""
    body = json.dumps(list(events)).encode()
    return await post(address, "signed", body, signed(body))


async def emptied(desk: Desk, seconds: float = 20.0) -> None:
    """Wait until nothing is left in the spool."""
    async with asyncio.timeout(seconds):
        while True:
            report = desk.report
            if report is not None and not report.bytes:
                return
            await asyncio.sleep(0.01)
