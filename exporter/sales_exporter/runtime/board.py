"""The last good page of each collector, with its age: what a scrape is served from."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sales_exporter.collectors import Pass
from sales_exporter.config import Limits
from sales_exporter.errors import SalesExporterError, SourceError
from sales_exporter.model import Snapshot
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.exposition import Format, Page, Renderer, join
from sales_exporter.runtime.guard import Totals, bound

FILLING = "filling"
"""Reason of a collector whose cells are not whole yet."""


@dataclass(slots=True)
class _Slot:
    """Everything that belongs to one collector."""

    state: Pass
    max_age: float
    renderer: Renderer
    totals: Totals
    page: Page | None = None
    serial: int = 0
    taken: float = 0.0


class Board:
    """Keeps snapshots as rendered bytes. Written by passes, read by scrapes, never by both at once."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._slots: dict[str, _Slot] = {}
        self._joined: dict[tuple[object, ...], tuple[list[int], bytes]] = {}
        self.overflow: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter(duplicate=0, invalid=0)

    def add(self, name: str, interval: float, max_age: float) -> None:
        """Make room for a collector."""
        self._slots[name] = _Slot(Pass(interval), max_age, Renderer(), Totals())

    @property
    def names(self) -> frozenset[str]:
        """Names of the collectors."""
        return frozenset(self._slots)

    @property
    def passes(self) -> Mapping[str, Pass]:
        """How the last pass of each collector went."""
        return {name: slot.state for name, slot in self._slots.items()}

    @property
    def ready(self) -> bool:
        """Whether each collector has finished a pass, well or badly."""
        return all(slot.state.finished for slot in self._slots.values())

    @property
    def dips(self) -> int:
        """Falls of running totals that were held back."""
        return sum(slot.totals.dips for slot in self._slots.values())

    async def succeed(self, snapshot: Snapshot, duration: float) -> None:
        """Put a snapshot up in place of the last one. Rendering happens in a thread, off the event loop."""
        slot = self._slots[snapshot.collector]
        others = sum(s.state.series for n, s in self._slots.items() if n != snapshot.collector)
        room = max(self._limits.series_per_metric, self._limits.series - others)
        bounded = bound(slot.totals.steady(snapshot.samples), self._limits.series_per_metric, room)
        page = await asyncio.to_thread(slot.renderer.render, bounded.samples)
        self.overflow.update(bounded.overflow)
        self.post(snapshot.collector, page, snapshot.taken_at, duration)

    def post(self, name: str, page: Page, taken_at: float, duration: float) -> None:
        """Put up a page that was rendered elsewhere, in place of the last one."""
        slot = self._slots[name]
        self.dropped.update(duplicate=page.duplicates, invalid=page.invalid)
        slot.page, slot.serial, slot.taken = page, slot.serial + 1, self._clock.monotonic()
        slot.state = replace(slot.state, success=True, reason="", detail="", duration=duration,
                             last_success=taken_at, series=page.series, finished=True)

    def fail(self, name: str, error: Exception, duration: float) -> bool:
        """Keep the last good page and note the failure. True when this changes what was known."""
        slot = self._slots[name]
        reason = error.reason if isinstance(error, SourceError) else "internal"
        failures = {**slot.state.failures, reason: slot.state.failures.get(reason, 0) + 1}
        news = slot.state.success is not False or slot.state.reason != reason
        detail = str(error) if isinstance(error, SalesExporterError) else type(error).__name__
        slot.state = replace(slot.state, success=False, reason=reason, detail=detail, duration=duration,
                             failures=failures, finished=True)
        return news

    def switch_off(self, name: str, detail: str) -> None:
        """A relation that the collector needs is absent: no series, said on the landing page."""
        slot = self._slots[name]
        slot.page = None
        slot.state = replace(slot.state, success=None, reason="absent", detail=detail, series=0, finished=True)

    def wait(self, name: str, detail: str) -> None:
        """What the collector reads is still being counted: no series, said on the landing page, and not ready."""
        slot = self._slots[name]
        slot.page = None
        slot.state = replace(slot.state, success=None, reason=FILLING, detail=detail, series=0, finished=False)

    def skip(self, name: str, passes: int) -> None:
        """Count passes that did not start because the one before was still running."""
        slot = self._slots[name]
        slot.state = replace(slot.state, skipped=slot.state.skipped + passes)

    def exposition(self, kind: Format, packed: bool, only: frozenset[str] | None) -> bytes:
        """The bytes of a scrape, from pages that are not older than their ``max_age``."""
        now = self._clock.monotonic()
        fresh = {
            name: slot for name, slot in self._slots.items()
            if slot.page is not None and now - slot.taken <= slot.max_age and (only is None or name in only)
        }
        key, serials = (kind, packed, *fresh), [slot.serial for slot in fresh.values()]
        known = self._joined.get(key)
        if known is not None and known[0] == serials:
            return known[1]
        # Pages are replaced, never changed: the newest join of a few kinds of scrapers is kept, and no older one.
        if len(self._joined) >= 8:
            self._joined.clear()
        found = join([slot.page for slot in fresh.values() if slot.page is not None], kind, packed)
        self._joined[key] = serials, found
        return found
