"""Signed links in our own messages: who has one may acknowledge one alert, once, within a day.

A link names the alert, the action, the receiver that it was sent to, when it ends, and a number of its own, and is
signed over all of that (HMAC-SHA256). To look at it changes nothing: scanners of mail and previews of chats do so.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sales_exporter.errors import ConfigError
from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.desk.remembered import Remembered

log = logging.getLogger(__name__)

Action = Literal["acknowledge"]
LIFE = 86_400.0
"""Seconds for which a link is good."""
KEY_FILE = "links.key"
LEAST_KEY = 32
"""Bytes that a key has at least."""
_PURPOSE = b"sales-exporter link 1\n"
_FINGERPRINT = re.compile(r"[0-9a-f]{16}\Z")
_TOKEN = re.compile(r"([0-9a-f]{16})\.(acknowledge)\.([a-z][a-z0-9_-]{0,31})\.([0-9]{1,12})\.([0-9a-f]{32})"
                    r"\.([0-9a-f]{64})\Z")


class LinkRefused(ValueError):
    """The link is not good, or no longer; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link is good for, and until when (epoch seconds)."""

    fingerprint: str
    action: Action
    receiver: str
    """Whom it was sent to: whoever uses it acts in that name."""
    ends_at: float
    nonce: str


class Links:
    """Makes links and takes them back. Each is good once."""

    def __init__(self, external_url: str | None, key: bytes, used: Remembered, clock: Clock) -> None:
        """Without an address that people open there are no links."""
        self._home = (external_url or "").rstrip("/")
        self._key, self._used, self._clock = key, used, clock

    def page(self, fingerprint: str = "") -> str:
        """Address of the page of an alert, or of all; empty when there is none."""
        return page(self._home, fingerprint)

    def acknowledge(self, fingerprint: str, receiver: str) -> str:
        """Address that acknowledges an alert in the name of a receiver; empty when there is none. Each is another."""
        if not self._home or not _FINGERPRINT.match(fingerprint):
            return ""
        ends = int(self._clock.now() + LIFE)
        facts = f"{fingerprint}.acknowledge.{receiver}.{ends}.{secrets.token_hex(16)}"
        return f"{self._home}/act/{facts}.{self._signature(facts)}"

    def look(self, token: str) -> Link:
        """What a link would do. Nothing changes.

        Raises:
            LinkRefused: it is none of ours, too old, or was used.
        """
        found = _TOKEN.match(token)
        if found is None or not hmac.compare_digest(self._signature(token.rpartition(".")[0]), found[6]):
            raise LinkRefused("this link is not complete, or it was not made here")
        link = Link(found[1], "acknowledge", found[3], float(found[4]), found[5])
        # A clock that was set back does not make it live longer than a day from now.
        if not 0 < link.ends_at - self._clock.now() <= LIFE:
            raise LinkRefused("this link was good for a day, which is over")
        if self._used.knows(_name(link)):
            raise LinkRefused("this link was used already; each is good once")
        return link

    async def use(self, token: str) -> Link:
        """Use a link up: that it was used is on disk when this returns.

        Raises:
            LinkRefused: as ``look`` does.
        """
        link = self.look(token)
        if not await self._used.add(_name(link), LIFE):
            raise LinkRefused("this link was used already; each is good once")
        return link

    def _signature(self, facts: str) -> str:
        return hmac.new(self._key, _PURPOSE + facts.encode(), hashlib.sha256).hexdigest()


def page(external_url: str, fingerprint: str = "") -> str:
    """Address of the page of an alert, or of all, as people open it; empty without an address."""
    home = external_url.rstrip("/")
    return f"{home}/alerts{f'/{fingerprint}' if fingerprint else ''}" if home else ""


def signing_key(key_file: Path | None, folder: Path | None) -> bytes:
    """The key that signs links: of the file that is configured, or made once below ``folder``, or of this process.

    Raises:
        ConfigError: the configured file cannot be read, or its key is too short.
    """
    if key_file is not None:
        return _configured(key_file)
    if folder is not None:
        try:
            return _made(folder / KEY_FILE)
        except OSError as error:
            log.error("the key of links cannot be kept: a restart ends all links", extra={"error": str(error)})
    return secrets.token_bytes(LEAST_KEY)


def _configured(file: Path) -> bytes:
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"sidecar.desk.key_file: {file}: cannot be read ({error.strerror})") from None
    if len(key) < LEAST_KEY:
        raise ConfigError(f"sidecar.desk.key_file: {file}: a key has at least {LEAST_KEY} characters; "
                          f"make one: openssl rand -hex 32 > {file}")
    return key


def _made(file: Path) -> bytes:
    """The key in a file of ours; a file that holds none gets one."""
    try:
        key = file.read_bytes()
    except FileNotFoundError:
        key = b""
    if len(key) < LEAST_KEY:
        key = secrets.token_hex(LEAST_KEY).encode()
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = file.with_suffix(".new")
        new.unlink(missing_ok=True)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, key)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(new, file)
    file.chmod(0o600)
    return key


def _name(link: Link) -> str:
    return f"link/{link.nonce}"
