"""Where Alertmanager posts: what it told people becomes history, and goes to phones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from pydantic import ValidationError

from sales_exporter.runtime.bodies import read_json
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.parts import Asked, Route
from sales_exporter.runtime.receiving import Refused, problem
from sales_exporter.sidecar.desk.model import Event
from sales_exporter.sidecar.desk.notices import RELAYED_KNOWN, Notices
from sales_exporter.sidecar.desk.payload import Notification, Payload, notifications
from sales_exporter.sidecar.desk.remembered import Remembered

log = logging.getLogger(__name__)

BODY_BYTES = 2 << 20
"""Largest body: a group of a thousand alerts or so. Webhooks may have ``max_alerts``."""

Record = Callable[[Sequence[Event]], Awaitable[None]]


class Webhook:
    """Takes notifications from callers with the role notifier. The same one a second time changes nothing (R33)."""

    def __init__(self, record: Record, notices: Notices, seen: Remembered, clock: Clock) -> None:
        """``record`` puts events into the history: on disk when it returns."""
        self._record, self._notices, self._seen, self._clock = record, notices, seen, clock
        self._one_by_one = asyncio.Lock()

    @property
    def routes(self) -> Sequence[Route]:
        """For Alertmanager only."""
        return (
            Route(("POST",), "/notify/alertmanager", self._history, needs="notifier", body_limit=BODY_BYTES,
                  problems=True),
            Route(("POST",), "/notify/ntfy", self._phones, needs="notifier", body_limit=BODY_BYTES, problems=True),
        )

    async def noted(self, payload: Payload) -> None:
        """Put a notification into the history, unless that was done before."""
        async with self._one_by_one:
            for one in notifications(payload):
                await self._note(one)

    async def passed_on(self, payload: Payload) -> None:
        """Tell the phones of a notification: stored when this returns."""
        now = self._clock.now()
        await self._notices.relay([message for one in notifications(payload) for message in one.messages(now)])

    async def _note(self, one: Notification) -> None:
        name = f"notified/{one.key}"
        if not self._seen.knows(name):
            # In this order: what is lost between the two is told again by Alertmanager, which has no answer yet.
            await self._record(one.events(self._clock.now()))
            await self._seen.add(name, RELAYED_KNOWN)

    async def _history(self, asked: Asked) -> web.StreamResponse:
        await self.noted(await _payload(asked))
        return web.Response()

    async def _phones(self, asked: Asked) -> web.StreamResponse:
        payload = await _payload(asked)
        if not self._notices.phones:
            raise Refused(problem(404, "no phone to tell: sidecar.desk.receivers has none of kind ntfy"))
        await self.passed_on(payload)
        return web.Response()


async def _payload(asked: Asked) -> Payload:
    try:
        return Payload.model_validate(await read_json(asked))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        # Not what it held: the text is from outside.
        raise Refused(problem(400, f"no notification of Alertmanager, version 4: {where}: {first['msg']}")) from None
