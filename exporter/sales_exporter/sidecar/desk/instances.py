"""The Alertmanagers as the desk asks them: what each shows, and silences to make and to end there."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable

import aiohttp

from sales_exporter.errors import ContractViolation, SourceError, SourceUnavailable
from sales_exporter.runtime.clock import Clock, woken
from sales_exporter.sidecar.desk.seen import LOST, Poll, poll
from sales_exporter.sidecar.desk.silences import Expire, Order
from sales_exporter.sidecar.outbox.alertmanager import name_of
from sales_exporter.sidecar.outbox.posting import moment

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two looks at one Alertmanager."""
TIMEOUT = 5.0
"""Seconds that one request may take."""
FRESH = 15.0
"""Seconds for which an answer stands for the present."""
ANSWER_BYTES = 32 << 20
"""Largest answer that is read."""

Session = Callable[[], aiohttp.ClientSession]


class Unsure(SourceError):
    """It is not known whether an order was carried out."""

    reason = "unsure"


class Instance:
    """One Alertmanager: looked at every few seconds, in a task of its own, so that it holds up no other."""

    def __init__(self, url: str, session: Session, clock: Clock) -> None:
        """``session`` makes the client, with its TLS and login, at the first look."""
        self.name = name_of(url)
        self.failures: Counter[str] = Counter()
        self._url = f"{url.rstrip('/')}/api/v2"
        self._make, self._clock = session, clock
        self._session: aiohttp.ClientSession | None = None
        self._poll: Poll | None = None
        self._at = self._answered = clock.monotonic()
        self._up: bool | None = None
        self._wake = asyncio.Event()
        self._orders = 0

    @property
    def up(self) -> bool:
        """Whether it answered the last time."""
        return bool(self._up)

    @property
    def latest(self) -> Poll | None:
        """What it showed a moment ago; None if it does not answer."""
        fresh = self._clock.monotonic() - self._at <= FRESH
        return self._poll if fresh else None

    @property
    def awaited(self) -> bool:
        """Whether it does not answer, but did not long ago."""
        return self.latest is None and self._clock.monotonic() - self._answered < LOST

    def wake(self) -> None:
        """Look again at once: what it showed is out of date."""
        self._wake.set()

    async def run(self, told: Callable[[], None]) -> None:
        """Look for ever, and call ``told`` after each look; ends by cancellation only."""
        while True:
            self._wake.clear()
            try:
                await self.look()
            except Exception:
                # A defect of ours: it must not end the looking.
                log.exception("looking at an Alertmanager broke", extra={"alertmanager": self.name})
            told()
            await woken(self._wake, self._clock, EVERY)

    async def look(self) -> None:
        """Ask what it shows."""
        began, orders = self._clock.monotonic(), self._orders
        try:
            # Silences last: one that mutes an alert of the first answer is then among them.
            status = await self._get("status")
            # In a thread: ten thousand alerts take a while.
            found = await asyncio.to_thread(poll, self.name, await self._get("alerts"), await self._get("silences"),
                                            status)
        except SourceError as error:
            self._failed(error)
            return
        if not self._up:
            log.info("an Alertmanager answers the desk", extra={"alertmanager": self.name})
        self._answered, self._up = self._clock.monotonic(), True
        # What was ordered meanwhile may be missing from it.
        if orders == self._orders:
            self._poll, self._at = found, began

    async def carry_out(self, order: Order) -> str:
        """Make, change or end a silence. The id of the one that stands or stood.

        Raises:
            SourceError: it was not done; Unsure: or perhaps it was.
        """
        try:
            return await self._carried_out(order)
        finally:
            # What was shown, or is being shown, is out of date.
            self._poll, self._orders = None, self._orders + 1

    async def close(self) -> None:
        """Close the client."""
        if self._session is not None:
            await self._session.close()

    async def _carried_out(self, order: Order) -> str:
        if isinstance(order, Expire):
            status, _ = await self._ask("DELETE", f"silence/{order.id}")
            # What is not known there does not stand.
            return order.id if status in (200, 404) else self._refused(status)
        now = self._clock.now()
        body = {"matchers": [{"name": name, "value": text, "isRegex": False, "isEqual": True}
                             for name, text in sorted(order.labels.items())],
                "startsAt": order.began or moment(now), "endsAt": moment(order.ends_at),
                "createdBy": order.by, "comment": order.comment, **({"id": order.id} if order.id else {})}
        status, answer = await self._ask("POST", "silences", json.dumps(body).encode())
        if status != 200:
            self._refused(status)
        try:
            return str(json.loads(answer)["silenceID"])
        except (ValueError, KeyError, TypeError):
            raise Unsure(f"{self.name} does not answer as Alertmanager's API v2 does") from None

    async def _get(self, path: str) -> bytes:
        status, body = await self._ask("GET", path)
        if status != 200:
            self._refused(status)
        return body

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        if self._session is None:
            self._session = self._make()
        try:
            async with self._session.request(
                method, f"{self._url}/{path}", data=body, headers={"Content-Type": "application/json"} if body else {},
                allow_redirects=False, timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            ) as answer:
                return answer.status, await _read(answer)
        except TimeoutError:
            raise Unsure(f"{self.name} did not answer within {TIMEOUT:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise SourceUnavailable(f"{self.name} is not reached: {type(error).__name__}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unsure(f"{self.name} did not answer: {type(error).__name__}") from None

    def _refused(self, status: int) -> str:
        raise ContractViolation(f"{self.name} answered with HTTP {status}")

    def _failed(self, error: SourceError) -> None:
        self.failures[error.reason] += 1
        self._poll = None
        if self._up is not False:
            log.warning("an Alertmanager does not answer the desk",
                        extra={"alertmanager": self.name, "error": str(error)})
        self._up = False


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in answer.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > ANSWER_BYTES:
            answer.close()
            raise ContractViolation(f"an answer is larger than {ANSWER_BYTES >> 20} MiB")
    return b"".join(parts)
