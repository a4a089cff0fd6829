"""ntfy: a message on phones, published as JSON (https://docs.ntfy.sh/publish/#publish-as-json)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping

import aiohttp

from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.desk.links import Links
from sales_exporter.sidecar.desk.message import Message
from sales_exporter.sidecar.desk.posting import delivered
from sales_exporter.sidecar.desk.tokens import Token
from sales_exporter.sidecar.outbox.posting import Poster
from sales_exporter.sidecar.outbox.sink import Outcome

BYTES = 4_096
"""Largest JSON that every server takes."""
PRIORITY: Mapping[str, int] = {"critical": 5, "warning": 4, "info": 2}
_OTHER_PRIORITY, _OVER_PRIORITY = 3, 2
TAGS: Mapping[str, str] = {"critical": "rotating_light", "warning": "warning", "info": "information_source"}
"""Tags with these names are shown as pictures."""
_OVER_TAG = "white_check_mark"


class Ntfy:
    """One topic of one server."""

    def __init__(self, name: str, url: str, token: Token, links: Links, session: Callable[[], aiohttp.ClientSession],
                 clock: Clock) -> None:
        """``url`` is that of the topic, its last piece."""
        base, _, self._topic = url.rstrip("/").rpartition("/")
        self._poster = Poster(f"{base}/", session, clock)
        self._name, self._token, self._links = name, token, links

    async def send(self, message: Message) -> Outcome:
        """Publish a message. Whoever may acknowledge gets a link that is good once."""
        return await delivered(self._poster, self._token, message.key, self.document(message))

    async def close(self) -> None:
        """Close the client."""
        await self._poster.close()

    def document(self, message: Message) -> bytes:
        """The JSON of a message; its text is cut to what every server takes."""
        found: dict[str, object] = {
            "topic": self._topic, "title": message.title, "message": "\n".join(message.lines),
            "priority": _OVER_PRIORITY if message.over else PRIORITY.get(message.severity, _OTHER_PRIORITY),
            "tags": _tags(message),
            # A phone that gets this message twice shows it once, from ntfy 2.16 on.
            "sequence_id": hashlib.sha256(f"{message.key} {message.at}".encode()).hexdigest()[:32]}
        click = self._links.page(message.fingerprint)
        if click:
            found["click"] = click
        acknowledge = "" if message.over else self._links.acknowledge(message.fingerprint, self._name)
        if acknowledge:
            found["actions"] = [{"action": "view", "label": "Acknowledge", "url": acknowledge, "clear": True}]
        return _fitting(found)


def _tags(message: Message) -> list[str]:
    shown = _OVER_TAG if message.over else TAGS.get(message.severity, "")
    # The server joins tags with commas and takes them apart again.
    words = (shown, message.severity, message.team)
    return [word.replace(",", " ") for word in words if word]


def _fitting(found: dict[str, object]) -> bytes:
    body = json.dumps(found, ensure_ascii=False).encode()
    surplus = len(body) - BYTES
    if surplus <= 0:
        return body
    text = str(found["message"]).encode()
    kept = text[:max(0, len(text) - surplus - len("…".encode()))].decode(errors="ignore")
    return json.dumps({**found, "message": f"{kept}…"}, ensure_ascii=False).encode()
