"""What streams of the API tell: fields that changed since the reading before, and alerts as the desk changes them."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from sales_exporter.api.asked import Chosen
from sales_exporter.api.desk import alert
from sales_exporter.api.reading import Found
from sales_exporter.api.readings import Picture, Readings
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.parts import Asked
from sales_exporter.runtime.streams import Slots, Stream
from sales_exporter.sidecar.desk.model import Case
from sales_exporter.sidecar.desk.seam import AlertDesk

log = logging.getLogger(__name__)

CHANGE, READING = "change", "reading"
AGAIN_SECONDS = 1.0
"""Until the desk is followed again, after that broke."""


class Live:
    """Two streams. Prometheus is read only while somebody follows."""

    def __init__(self, readings: Readings, desk: AlertDesk, slots: Slots, clock: Clock) -> None:
        self._readings = readings
        self._desk = desk
        self._clock = clock
        self._performance = Stream(slots, clock)
        self._alerts = Stream(slots, clock)
        self._known: dict[str, Found] = {}
        self._open = set[str]()

    async def run(self) -> None:
        """Tell what changes until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            tasks.create_task(self._follow())

    async def performance(self, asked: Asked) -> web.StreamResponse:
        """Stream the numbers, beginning with those of now."""
        self._tell(await self._readings.current("performance", Chosen()))
        return await self._performance.answer(asked)

    async def alerts(self, asked: Asked) -> web.StreamResponse:
        """Stream the open alerts."""
        return await self._alerts.answer(asked)

    async def _read(self) -> None:
        while True:
            await self._clock.sleep(self._readings.refresh)
            if self._performance.clients:
                try:
                    self._tell(await self._readings.current("performance", Chosen()))
                except Exception:
                    # Whatever it is: the next reading must come all the same.
                    log.exception("a reading for the streams broke")

    async def _follow(self) -> None:
        while True:
            try:
                async with self._desk.changes() as changes:
                    self._show_all()
                    async for case in changes:
                        self._show(case)
            except Exception:
                # As above: alerts must be told all the same.
                log.exception("following the alert desk broke")
            await self._clock.sleep(AGAIN_SECONDS)

    def _show_all(self) -> None:
        cases = self._desk.cases()
        for gone in self._open - {case.fingerprint for case in cases}:
            self._alerts.publish(CHANGE, gone, None)
        self._open.clear()
        for case in cases:
            self._show(case)

    def _show(self, case: Case) -> None:
        if case.state == "resolved":
            self._open.discard(case.fingerprint)
            self._alerts.publish(CHANGE, case.fingerprint, None)
        else:
            self._open.add(case.fingerprint)
            self._alerts.publish(CHANGE, case.fingerprint, alert(case).model_dump(mode="json"))

    def _tell(self, picture: Picture) -> None:
        for section, fields in picture.reading.items():
            for name, found in fields.items():
                key = f"{section}.{name}"
                if not _same(self._known.get(key), found):
                    self._known[key] = found
                    self._performance.publish(CHANGE, key, found.model_dump(mode="json"))
        self._performance.publish(READING, "", {"as_of": picture.at, "refresh": self._readings.refresh})


def _same(before: Found | None, now: Found) -> bool:
    """Whether nothing but the moment is new, which the event of the reading tells for all."""
    return before is not None and before.model_copy(update={"as_of": now.as_of}) == now
