"""A history over an invented server: its series, its clock, its misbehaviour."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.history.history import History, Scope
from sales_exporter.sidecar.watches.watch import Watch
from tests.sidecar.history.api import Misbehaviour
from tests.sidecar.history.recorder import Recorder
from tests.support.clocks import FakeClock

NOW = 1_700_000_100.0
"""20 s past a full minute; the minute that is due ended 20 s ago."""
DUE = 1_700_000_040.0
DAY = 86_400.0
SHORT = Scope(past=DAY)
LONG = Scope(past=10 * DAY)
"""Reaches back to where quarter hours are read."""

LOAD = Watch(name="load", query="load")
COST = Watch(name="cost", query="cost")


def steady(value: float) -> Callable[[float], float | None]:
    return lambda at: value


def within(start: float, end: float, value: float = 1.0) -> Callable[[float], float | None]:
    """Has a sample from one moment to another."""
    return lambda at: value if start <= at <= end else None


def hanging(gone: asyncio.Event) -> Misbehaviour:
    """Does not answer before it is told to."""
    async def fault(request: web.Request) -> web.StreamResponse:
        await gone.wait()
        return web.Response()
    return fault


def history(client: Client, clock: FakeClock, *watches: Watch, scope: Scope = SHORT) -> tuple[History, Recorder]:
    made = History(client, watches or (LOAD,), Recorder, clock, scope)
    return made, recorder(made)


def recorder(made: History) -> Recorder:
    assert isinstance(made.detector, Recorder)
    return made.detector
