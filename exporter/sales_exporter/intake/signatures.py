"""What proves that a request comes from its source. Every comparison takes the same time wherever it fails."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr

Way = Literal["hmac", "bearer"]
WINDOW = 300.0
"""Seconds by which a signed time may differ from ours; HubSpot and Retell ask for five minutes."""


@dataclass(frozen=True, slots=True)
class Secret:
    """What a source and we share. Prints masked."""

    way: Way
    value: SecretStr

    @property
    def key(self) -> bytes:
        """The bytes of it."""
        return self.value.get_secret_value().encode()


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was signed: the address that the vendor knows, header names in lower case, the raw body."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"


def bearer(headers: Mapping[str, str], secret: Secret, *names: str) -> bool:
    """Whether ``Authorization: Bearer`` or one of the named headers carries the secret."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    given = [token.strip()] if scheme.lower() == "bearer" else []
    given += [headers[name] for name in names if name in headers]
    # All are looked at, so that the time tells nothing.
    return any([same(one.encode("utf-8", "surrogateescape"), secret.key) for one in given])  # noqa: C419


def same(given: bytes, wanted: bytes) -> bool:
    """Equal, in a time that tells nothing of either, their lengths included."""
    mask = b"sales-exporter"
    return hmac.compare_digest(hmac.digest(mask, given, "sha256"), hmac.digest(mask, wanted, "sha256"))


def hexed(secret: Secret, message: bytes) -> bytes:
    """HMAC-SHA256 in hexadecimal digits."""
    return hmac.new(secret.key, message, hashlib.sha256).hexdigest().encode()


def based(secret: Secret, message: bytes, kind: Literal["sha1", "sha256"]) -> bytes:
    """HMAC in base 64."""
    return base64.b64encode(hmac.digest(secret.key, message, kind))


def recent(millis: str, now: float) -> bool:
    """Whether a signed time, in milliseconds since 1970, is within the window."""
    return millis.isascii() and millis.isdigit() and len(millis) <= 15 and abs(now - int(millis) / 1000) <= WINDOW


def header(request: Request, name: str) -> bytes:
    """A header's bytes, empty when it is absent."""
    return request.headers.get(name, "").strip().encode("utf-8", "surrogateescape")
