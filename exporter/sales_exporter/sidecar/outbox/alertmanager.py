"""Alertmanager's API v2: one POST for a batch, split when it is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import aiohttp

from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.outbox.alert import Alert
from sales_exporter.sidecar.outbox.posting import ABOUT_THE_BODY, TIMEOUT, Poster, moment, refusal
from sales_exporter.sidecar.outbox.sink import Delivered, Outcome, Rejected, Retry


class Alertmanager:
    """One Alertmanager, reached directly. A redirect is not followed: alerts go where the configuration says."""

    def __init__(
        self, url: str, session: Callable[[], aiohttp.ClientSession], clock: Clock, timeout: float = TIMEOUT
    ) -> None:
        """``session`` makes the client, with its TLS and login, when the first alert is sent."""
        self.name = name_of(url)
        self._poster = Poster(f"{url.rstrip('/')}/api/v2/alerts", session, clock, timeout)

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
            if status in ABOUT_THE_BODY and len(part) > 1:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
            elif status in ABOUT_THE_BODY:
                refused.add(part[0])
            elif status >= 300:
                # Not about these alerts: smaller batches would fare no better.
                return Rejected(frozenset(range(len(alerts))), refusal(status))
        return Rejected(frozenset(refused), "invalid") if refused else Delivered()

    async def close(self) -> None:
        """Close the client."""
        await self._poster.close()

    async def _post(self, alerts: Sequence[Alert]) -> int | Retry:
        return await self._poster.post(json.dumps([payload(alert) for alert in alerts]).encode(), {})


def name_of(url: str) -> str:
    """Host, port and path of an address: safe as a label value, without a password."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.hostname}:{port}{parts.path.rstrip('/')}"


def payload(alert: Alert) -> dict[str, object]:
    """An alert as API v2 takes it."""
    found: dict[str, object] = {"labels": alert.labels, "annotations": dict(alert.annotations),
                                "startsAt": moment(alert.starts_at)}
    if alert.ends_at is not None:
        found["endsAt"] = moment(alert.ends_at)
    if alert.generator_url:
        found["generatorURL"] = alert.generator_url
    return found
