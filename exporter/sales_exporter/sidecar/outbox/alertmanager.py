"""Alertmanager's API v2: one POST for a batch, split when it is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp

from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.outbox.alert import Alert
from sales_exporter.sidecar.outbox.sink import Delivered, Outcome, Rejected, Retry

TIMEOUT = 10.0
"""Seconds that one request may take."""
LONGEST_WAIT = 3600.0
"""Longest Retry-After that is honoured: a receiver cannot switch its alerts off for good."""
_ABOUT_THE_BATCH = frozenset({400, 413, 422})
_TRY_AGAIN = {408: "timeout", 425: "throttled", 429: "throttled"}
_LOGIN = frozenset({401, 403, 407})


class Alertmanager:
    """One Alertmanager, reached directly. A redirect is not followed: alerts go where the configuration says."""

    def __init__(
        self, url: str, session: Callable[[], aiohttp.ClientSession], clock: Clock, timeout: float = TIMEOUT
    ) -> None:
        """``session`` makes the client, with its TLS and login, when the first alert is sent."""
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        path = parts.path.rstrip("/")
        self.name = f"{parts.hostname}:{port}{path}"
        self._url = f"{url.rstrip('/')}/api/v2/alerts"
        self._make = session
        self._session: aiohttp.ClientSession | None = None
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def send(self, alerts: Sequence[Alert]) -> Outcome:
        """Hand a batch over. Of a batch that is refused, Alertmanager may have kept a part: it is halved until the bad
        ones stand alone, and the others are taken once more, which changes nothing.
        """
        refused: set[int] = set()
        waiting = [range(len(alerts))]
        while waiting:
            part = waiting.pop()
            status = await self._post([alerts[index] for index in part])
            if isinstance(status, Retry):
                return status
            if status in _ABOUT_THE_BATCH and len(part) > 1:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
            elif status in _ABOUT_THE_BATCH:
                refused.add(part[0])
            elif status >= 300:
                # Not about these alerts: smaller batches would fare no better.
                return Rejected(frozenset(range(len(alerts))), _refusal(status))
        return Rejected(frozenset(refused), "invalid") if refused else Delivered()

    async def close(self) -> None:
        """Close the client."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, alerts: Sequence[Alert]) -> int | Retry:
        if self._session is None:
            self._session = self._make()
        body = json.dumps([payload(alert) for alert in alerts]).encode()
        try:
            async with self._session.post(
                self._url, data=body, headers={"Content-Type": "application/json"}, allow_redirects=False,
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


def payload(alert: Alert) -> dict[str, object]:
    """An alert as API v2 takes it."""
    found: dict[str, object] = {"labels": alert.labels, "annotations": dict(alert.annotations),
                                "startsAt": _moment(alert.starts_at)}
    if alert.ends_at is not None:
        found["endsAt"] = _moment(alert.ends_at)
    if alert.generator_url:
        found["generatorURL"] = alert.generator_url
    return found


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _refusal(status: int) -> str:
    if status < 400:
        return "redirect"
    return "unauthorized" if status in _LOGIN else "client"
