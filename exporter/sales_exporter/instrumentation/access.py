"""Who may read /metrics: holders of a bearer token, or a user with a password of whom we know a hash.

The hash is scrypt of the standard library: an application installs nothing for it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import re
import secrets
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Final

from sales_exporter.errors import ConfigError
from sales_exporter.instrumentation.own_thread import OwnThread

log = logging.getLogger(__name__)

REMEMBERED: Final = 100
WAITING: Final = 8
"""Logins that may wait for the work of a hash; more are sent away, so that guessers fill no memory."""

_LOG_N, _R, _P = 14, 8, 1
_MOST_MEMORY: Final = 256 * 2**20
_HASH = re.compile(r"scrypt\$(\d{1,8})\$(\d{1,3})\$(\d{1,3})\$([A-Za-z0-9+/=]{8,128})\$([A-Za-z0-9+/=]{24,128})\Z")


def hash_password(password: str) -> str:
    """A hash for ``basic_hash``, as ``scrypt$n$r$p$salt$hash`` (salt and hash in base 64). Takes some 50 ms."""
    salt = secrets.token_bytes(16)
    found = hashlib.scrypt(password.encode(), salt=salt, n=2**_LOG_N, r=_R, p=_P, maxmem=_MOST_MEMORY, dklen=32)
    return f"scrypt${2**_LOG_N}${_R}${_P}${base64.b64encode(salt).decode()}${base64.b64encode(found).decode()}"


class Access:
    """Decides about ``Authorization`` headers. With no option set, everybody may enter.

    ``bearer`` is a token, ``bearer_file`` a file with one, which is read again when it changes (nobody enters while
    it cannot be read). ``basic_user`` and ``basic_hash`` (see ``hash_password``) are one login. Either kind suffices.

    Raises:
        ConfigError: an option is empty, malformed, or lacks its other half.
    """

    def __init__(self, bearer: str | None = None, bearer_file: Path | str | None = None,
                 basic_user: str | None = None, basic_hash: str | None = None) -> None:
        if bearer is not None and bearer_file is not None:
            raise ConfigError("give bearer or bearer_file, not both")
        if bearer is not None and not bearer.strip():
            raise ConfigError("bearer is empty: anybody would know it")
        if (basic_user is None) != (basic_hash is None):
            raise ConfigError("basic_user and basic_hash belong together")
        self._bearer = bearer.strip().encode() if bearer is not None else None
        self._file = _TokenFile(Path(bearer_file)) if bearer_file is not None else None
        self._login = _Login(basic_user, basic_hash) if basic_user is not None and basic_hash is not None else None
        self._thread = OwnThread("sales-metrics-login")
        self._salt = secrets.token_bytes(32)
        schemes = {"Bearer": self._bearer or self._file, "Basic": self._login}
        self.challenge = ", ".join(f'{name} realm="metrics"' for name, wanted in schemes.items() if wanted)
        """Value of ``WWW-Authenticate``; empty when everybody may enter."""

    def known(self, authorization: str) -> bool | None:
        """Whether the header opens; None when only work can tell, which ``work`` does."""
        if not self.challenge:
            return True
        scheme, _, rest = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return self._holds(rest.strip())
        return self._login.known(rest) if scheme.lower() == "basic" and self._login is not None else False

    async def admits(self, authorization: str) -> bool | None:
        """Whether the header opens; None when too many logins wait already. The work is done in a thread."""
        found = self.known(authorization)
        if found is not None or self._login is None or not self._login.enter():
            return found
        work = self._thread.submit(self._login.work, authorization.partition(" ")[2])
        return await asyncio.shield(asyncio.wrap_future(work))

    def admits_now(self, authorization: str) -> bool | None:
        """The same for a thread, which waits."""
        found = self.known(authorization)
        if found is not None or self._login is None or not self._login.enter():
            return found
        return self._thread.submit(self._login.work, authorization.partition(" ")[2]).result()

    def _holds(self, given: str) -> bool:
        wanted = self._file.token() if self._file is not None else self._bearer
        return wanted is not None and _same(self._salt, wanted, given.encode("utf-8", "replace"))


class _TokenFile:
    """A token in a file, read again when the file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._token: bytes | None = None
        self._told = False

    def token(self) -> bytes | None:
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen != self._seen:
                self._token, self._seen = self._path.read_bytes().strip() or None, seen
            self._told = False
        except OSError as error:
            self._token, self._seen = None, None
            if not self._told:
                self._told = True
                log.warning("the file with the bearer token cannot be read: %s", type(error).__name__)
        return self._token


class _Login:
    """One user. Answers are remembered under a keyed hash, the good ones apart from the bad ones."""

    def __init__(self, user: str, stored: str) -> None:
        parts = _HASH.match(stored)
        if not user or ":" in user:
            raise ConfigError("basic_user is empty or has a colon")
        if parts is None:
            raise ConfigError("basic_hash is none of hash_password()")
        try:
            self._n, self._r, self._p = (int(part) for part in parts.groups()[:3])
            self._hash_salt, self._hash = (base64.b64decode(part, validate=True) for part in parts.groups()[3:])
            self._matches(b"")
        except (ValueError, binascii.Error):
            raise ConfigError("basic_hash has parameters that scrypt does not take") from None
        self._user = user.encode()
        self._salt = secrets.token_bytes(32)
        self._busy = Lock()
        self._waiting = 0
        # Kept apart: guesses must not push out those who may enter.
        self._welcome: OrderedDict[bytes, None] = OrderedDict()
        self._refused: OrderedDict[bytes, None] = OrderedDict()

    def enter(self) -> bool:
        """Take a place among those who wait for the work, if there is one."""
        with self._busy:
            if self._waiting >= WAITING:
                return False
            self._waiting += 1
            return True

    def known(self, encoded: str) -> bool | None:
        login = _decoded(encoded)
        if login is None:
            return False
        key = self._key(*login)
        with self._busy:
            for answers, answer in ((self._welcome, True), (self._refused, False)):
                if key in answers:
                    answers.move_to_end(key)
                    return answer
        return None

    def work(self, encoded: str) -> bool:
        """Compute the hash, of unknown users too, and give the place back."""
        try:
            answer = self.known(encoded)
            login = _decoded(encoded)
            if answer is not None or login is None:
                return bool(answer)
            user, password = login
            matches = self._matches(password)
            answer = _same(self._salt, self._user, user) and matches
            with self._busy:
                answers = self._welcome if answer else self._refused
                answers[self._key(user, password)] = None
                if len(answers) > REMEMBERED:
                    answers.popitem(last=False)
            return answer
        finally:
            with self._busy:
                self._waiting -= 1

    def _matches(self, password: bytes) -> bool:
        found = hashlib.scrypt(password, salt=self._hash_salt, n=self._n, r=self._r, p=self._p,
                               maxmem=_MOST_MEMORY, dklen=len(self._hash))
        return hmac.compare_digest(found, self._hash)

    def _key(self, user: bytes, password: bytes) -> bytes:
        # The length before the name: no two logins share a key.
        return hmac.digest(self._salt, len(user).to_bytes(8, "big") + user + password, "sha256")


def _same(salt: bytes, wanted: bytes, given: bytes) -> bool:
    """Whether two are equal; how long it takes tells nothing, not even the length."""
    return hmac.compare_digest(hmac.digest(salt, wanted, "sha256"), hmac.digest(salt, given, "sha256"))


def _decoded(encoded: str) -> tuple[bytes, bytes] | None:
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None
