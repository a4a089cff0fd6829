"""Readings that are shared: each is made once, for whoever asks while it is new, and only when somebody asks."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sales_exporter.api.asked import Chosen
from sales_exporter.api.reading import Reading, asking, read, renewed
from sales_exporter.api.table import BUSINESS, PERFORMANCE, Sections
from sales_exporter.config import QueryApi, Sidecar
from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.history.client import Client

log = logging.getLogger(__name__)

SECTIONS: dict[str, Sections] = {"performance": PERFORMANCE, "business": BUSINESS}
KEPT = 64
"""Choices of variables whose last reading is kept."""
AT_ONCE = 2
"""Readings under way at the same time."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A reading and its moment."""

    at: float
    reading: Reading


@dataclass(slots=True)
class _Place:
    picture: Picture | None = None
    made: float = 0.0
    task: asyncio.Task[Picture] | None = None


class Readings:
    """Reads the server that the settings name, which may be another one after a reload. A context manager."""

    def __init__(self, settings: Callable[[], Sidecar], clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._client: tuple[QueryApi, Client] | None = None
        self._places: OrderedDict[tuple[str, Chosen], _Place] = OrderedDict()
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._failing = set[str]()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        tasks = [place.task for place in self._places.values() if place.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client[1].__aexit__(None, None, None)

    @property
    def refresh(self) -> float:
        """Seconds for which a reading is new."""
        return self._settings().api.refresh

    @property
    def patience(self) -> float:
        """Seconds that one answer may take."""
        return self._settings().prometheus.timeout

    async def client(self) -> Client:
        """What asks the server.

        Raises:
            ConfigError: its certificates cannot be read.
        """
        wanted = self._settings().prometheus
        if self._client is None or self._client[0] != wanted:
            old, self._client = self._client, (wanted, await Client(wanted, self._clock).__aenter__())
            if old is not None:
                await old[1].__aexit__(None, None, None)
        return self._client[1]

    async def current(self, name: str, chosen: Chosen) -> Picture:
        """The reading of ``performance`` or ``business``, at most as old as the settings allow."""
        place = self._place(name, chosen)
        if place.picture is not None and self._clock.monotonic() - place.made < self.refresh:
            return place.picture
        if place.task is None:
            place.task = asyncio.create_task(self._read(name, chosen, place))
            place.task.add_done_callback(_noticed)
        return await asyncio.shield(place.task)

    def _place(self, name: str, chosen: Chosen) -> _Place:
        key = (name, chosen)
        place = self._places.setdefault(key, _Place())
        self._places.move_to_end(key)
        idle = [other for other, one in self._places.items() if one.task is None and other != key]
        for other in idle[:max(0, len(self._places) - KEPT)]:
            del self._places[other]
        return place

    async def _read(self, name: str, chosen: Chosen, place: _Place) -> Picture:
        try:
            async with self._gate:
                client, at = await self.client(), self._clock.now()
                asks = asking(client, at, self.patience)
                found = await read(SECTIONS[name], chosen, asks)
            self._report(name, asks.failures)
            if place.picture is not None:
                found = renewed(found, place.picture.reading)
            place.picture, place.made = Picture(at, found), self._clock.monotonic()
            return place.picture
        finally:
            place.task = None

    def _report(self, name: str, failures: Counter[str]) -> None:
        """Log when queries begin to fail, and when none does any more."""
        if failures and name not in self._failing:
            self._failing.add(name)
            log.warning("queries of the API fail", extra={"reading": name, **failures})
        elif not failures and name in self._failing:
            self._failing.discard(name)
            log.info("queries of the API are answered again", extra={"reading": name})


def _noticed(task: asyncio.Task[Picture]) -> None:
    """Whoever waited may have left: what went wrong is nobody's then."""
    if not task.cancelled():
        task.exception()
