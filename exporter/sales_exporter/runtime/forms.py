"""Tokens that a form carries, so that only a page of ours can have made it."""

from __future__ import annotations

import hashlib
import hmac
import re

from sales_exporter.runtime.clock import Clock

HOURS = 12
"""How long a token holds after the hour in which it was made."""

_TOKEN = re.compile(r"([0-9]{1,9})\.([0-9a-f]{64})")


class Forms:
    """Makes and checks tokens for a login and a purpose under one key. They need no storage and survive restarts."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def token(self, login: str, purpose: str) -> str:
        """The token of this hour."""
        hour = self._hour()
        return f"{hour}.{self._seal(hour, login, purpose)}"

    def holds(self, token: str, login: str, purpose: str) -> bool:
        """Whether it was made for them within the last twelve hours. The comparison takes constant time."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            return False
        hour = int(found[1])
        return hmac.compare_digest(found[2], self._seal(hour, login, purpose)) and self._hour() - hour <= HOURS

    def _hour(self) -> int:
        return int(self._clock.now() // 3600)

    def _seal(self, hour: int, login: str, purpose: str) -> str:
        parts = [text.encode(errors="surrogatepass") for text in ("form", str(hour), login, purpose)]
        # Each with its length before it: no two triples are one message.
        message = b"".join(len(part).to_bytes(8) + part for part in parts)
        return hmac.digest(self._key, message, hashlib.sha256).hex()
