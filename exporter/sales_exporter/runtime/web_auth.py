"""Basic authentication against bcrypt hashes that neither leaks who exists nor stalls the server.

One hash is computed at a time, in a thread. A user who does not exist costs as much as one who does. Answers are
remembered under a keyed hash of user, stored hash and password, each with its length before it, so that no two
triples share a key (CVE-2022-46146 was a cache whose key joined them bare).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Mapping

import bcrypt

BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}\Z")
"""A bcrypt hash as htpasswd, PHP and Python write it."""

LONGEST_PASSWORD = 72
"""Bytes that bcrypt looks at. Anything longer would match by its beginning, so it is refused."""

REMEMBERED = 100

Users = Mapping[bytes, bytes]
"""User name to bcrypt hash, both in bytes."""


class Gate:
    """Decides about ``Authorization`` headers. One per server: what it remembers outlives a change of the users."""

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(32)
        self._one_at_a_time = asyncio.Lock()
        # Kept apart: guesses must not push out those who may enter.
        self._welcome = _Memory()
        self._refused = _Memory()

    async def admits(self, users: Users, authorization: str | None) -> bool:
        """Whether the header names one of the users and their password."""
        login = shown(authorization)
        if login is None or not users:
            return False
        user, password = login
        stored = users.get(user) or self._decoy(users, user)
        key = self._key(user, stored, password)
        known = self._recall(key)
        if known is not None:
            return known
        async with self._one_at_a_time:
            # The same question may have been answered while this one waited.
            known = self._recall(key)
            if known is None:
                matches = await asyncio.to_thread(_matches, password, stored)
                known = matches and user in users
                (self._welcome if known else self._refused).add(key)
        return known

    def _recall(self, key: bytes) -> bool | None:
        if key in self._welcome:
            return True
        return False if key in self._refused else None

    def _decoy(self, users: Users, user: bytes) -> bytes:
        """The hash that an unknown user is compared with: one of those in use, always the same for one name."""
        hashes = sorted(users.values())
        return hashes[int.from_bytes(self._key(user)[:8]) % len(hashes)]

    def _key(self, *parts: bytes) -> bytes:
        joined = b"".join(len(part).to_bytes(8) + part for part in parts)
        return hmac.digest(self._salt, joined, hashlib.sha256)


class _Memory:
    """The last keys that were added or asked for."""

    def __init__(self) -> None:
        self._keys: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, key: bytes) -> bool:
        if key not in self._keys:
            return False
        self._keys.move_to_end(key)
        return True

    def add(self, key: bytes) -> None:
        self._keys[key] = None
        if len(self._keys) > REMEMBERED:
            self._keys.popitem(last=False)


def shown(authorization: str | None) -> tuple[bytes, bytes] | None:
    """User and password of an ``Authorization`` header; None when it is not one of basic authentication."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


def _matches(password: bytes, stored: bytes) -> bool:
    """Whether the password gives the hash; one that bcrypt cannot take costs the same and never does."""
    possible = len(password) <= LONGEST_PASSWORD and b"\0" not in password
    return bcrypt.checkpw(password if possible else b"-", stored) and possible
