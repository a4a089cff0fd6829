"""Watches on the command line: those in force, and what a trial of their queries finds."""

from __future__ import annotations

from collections.abc import Sequence

from sales_exporter.config import Settings
from sales_exporter.contract.findings import Finding
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.history.history import Scope
from sales_exporter.sidecar.history.trial import SERVER, trial
from sales_exporter.sidecar.watches.files import load, shipped
from sales_exporter.sidecar.watches.watch import Watch


def watches_of(settings: Settings) -> tuple[Watch, ...]:
    """The watches that the configuration names, with the product's own.

    Raises:
        ConfigError: a file with watches is wrong.
    """
    return load(settings.sidecar.watches, settings.sidecar.default_watches)


async def tried(settings: Settings, watches: Sequence[Watch]) -> list[Finding]:
    """Findings on the watches, by asking their queries once."""
    clock, scope = SystemClock(), Scope()
    own = {watch.name for watch in watches if watch in shipped()}
    async with Client(settings.sidecar.prometheus, clock) as client:
        found = await trial(client, watches, own, scope.series, clock.now() - scope.delay)
    return [Finding(one.code, one.severity, one.watch if one.watch == SERVER else f"watch {one.watch}", one.message,
                    one.remedy) for one in found]
