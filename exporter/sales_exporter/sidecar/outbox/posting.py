"""One POST to a receiver, and what its answer means for a second one (reliability.md, R25)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.outbox.sink import Retry

TIMEOUT = 10.0
"""Seconds that one request may take."""
LONGEST_WAIT = 3600.0
"""Longest Retry-After that is honoured: a receiver cannot switch its alerts off for good."""
ABOUT_THE_BODY = frozenset({400, 413, 422})
"""Answers that refuse what was sent, not who sent it."""
_TRY_AGAIN = {408: "timeout", 425: "throttled", 429: "throttled"}
_LOGIN = frozenset({401, 403, 407})


class Poster:
    """A client of one address, made when it is first used. A redirect is not followed: what is sent goes where the
    configuration says.
    """

    def __init__(
        self, url: str, session: Callable[[], aiohttp.ClientSession], clock: Clock, timeout: float = TIMEOUT
    ) -> None:
        """``session`` makes the client, with its TLS and login."""
        self._url = url
        self._make = session
        self._session: aiohttp.ClientSession | None = None
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> int | Retry:
        """The status of an answer that is final, or that and when to try again. Its body is not read."""
        if self._session is None:
            self._session = self._make()
        try:
            async with self._session.post(
                self._url, data=body, headers={"Content-Type": "application/json", **headers}, allow_redirects=False,
                timeout=self._timeout,
            ) as answer:
                status, after = answer.status, answer.headers.get("Retry-After", "")
        except TimeoutError:
            return Retry("timeout")
        except (aiohttp.ClientError, OSError):
            return Retry("unreachable")
        if status >= 500 or status in _TRY_AGAIN:
            return Retry(_TRY_AGAIN.get(status, "server"), self._wait(after))
        return status

    async def close(self) -> None:
        """Close the client."""
        if self._session is not None:
            await self._session.close()

    def _wait(self, after: str) -> float | None:
        """Seconds from a Retry-After, which is a number or a date; None when it is neither."""
        try:
            if after.isdigit():
                seconds = float(after)
            else:
                when = parsedate_to_datetime(after)
                seconds = when.replace(tzinfo=when.tzinfo or UTC).timestamp() - self._clock.now()
        except (ValueError, OverflowError):
            return None
        return min(max(0.0, seconds), LONGEST_WAIT)


def refusal(status: int) -> str:
    """Why a status from 300 on that is final is a refusal: one of ``sink.REASONS``."""
    if status < 400:
        return "redirect"
    if status in ABOUT_THE_BODY:
        return "invalid"
    return "unauthorized" if status in _LOGIN else "client"


def moment(at: float) -> str:
    """Epoch seconds as RFC 3339 wants them, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
