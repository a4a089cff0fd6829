"""exporter-toolkit's web configuration: TLS, users, headers and a rate limit, read again whenever a file changes.

A change that cannot be used, or that would take TLS or the users away from a running server, leaves the old
configuration in force and is logged once. docs/web-config.md says what differs from the original.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from sales_exporter.config import CONFIG_BYTES, Section, explain, read_yaml
from sales_exporter.errors import ConfigError
from sales_exporter.runtime.web_auth import BCRYPT, Gate, Users, shown
from sales_exporter.runtime.web_tls import Tls, context

log = logging.getLogger(__name__)

_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (), "Strict-Transport-Security": (), "X-XSS-Protection": (),
    "X-Content-Type-Options": ("nosniff",), "X-Frame-Options": ("deny", "sameorigin"),
}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _hash(secret: SecretStr) -> SecretStr:
    if not BCRYPT.match(secret.get_secret_value()):
        raise ValueError("not a bcrypt hash such as htpasswd -nBC 10 makes")
    return secret


def _seconds(value: object) -> float:
    """Seconds of a Go duration such as 500ms or 1m30s."""
    text = str(value)
    if text == "0":
        return 0.0
    found = _DURATION.findall(text)
    if not found or "".join(number + unit for number, unit in found) != text:
        raise ValueError("expected a duration such as 500ms, 1s or 1m30s")
    return float(sum(float(number) * _SECONDS[unit] for number, unit in found))


def _absent_is_empty(value: object) -> object:
    return {} if value is None else value


class Http(Section):
    """``http_server_config``."""

    http2: bool = Field(True, description="Accepted and without effect: HTTP/1.1 is spoken.")
    headers: dict[str, str | int] = Field(default_factory=dict, description="Headers of every answer.")

    @field_validator("headers")
    @classmethod
    def _allowed(cls, headers: dict[str, str | int]) -> dict[str, str | int]:
        for name, value in headers.items():
            if name not in _HEADERS:
                raise ValueError(f"expected headers out of {', '.join(_HEADERS)}")
            if _HEADERS[name] and value not in _HEADERS[name]:
                raise ValueError(f"{name} must be {' or '.join(_HEADERS[name])}")
            if not str(value).isprintable() or not str(value).isascii():
                raise ValueError(f"{name} must be printable ASCII on one line")
        return headers


class RateLimit(Section):
    """``rate_limit``: a bucket of ``burst`` requests that gains one each ``interval``; 0 means no limit."""

    interval: Annotated[float, BeforeValidator(_seconds)] = Field(0.0, description="Time between two requests.")
    burst: int = Field(0, ge=0, description="Requests that may come at once.")

    @model_validator(mode="after")
    def _some(self) -> RateLimit:
        if self.interval and not self.burst:
            raise ValueError("with a burst of 0 every request would be refused")
        return self


class WebFile(Section):
    """The file as a whole."""

    tls_server_config: Annotated[Tls, BeforeValidator(_absent_is_empty)] = Field(Tls(), description="TLS.")
    http_server_config: Annotated[Http, BeforeValidator(_absent_is_empty)] = Field(Http(), description="HTTP.")
    rate_limit: Annotated[RateLimit, BeforeValidator(_absent_is_empty)] = Field(
        RateLimit(), description="Requests that are answered.")
    basic_auth_users: Annotated[
        dict[str, Annotated[SecretStr, AfterValidator(_hash)]], BeforeValidator(_absent_is_empty)
    ] = Field(default_factory=dict, description="User names and bcrypt hashes of their passwords.")

    @field_validator("basic_auth_users")
    @classmethod
    def _names(cls, users: dict[str, SecretStr]) -> dict[str, SecretStr]:
        if any(":" in name for name in users):
            raise ValueError("a user name with a colon cannot log in")
        return users


@dataclass(frozen=True, slots=True)
class _Loaded:
    file: WebFile
    users: Users
    headers: Mapping[str, str]
    context: ssl.SSLContext | None
    stamp: tuple[object, ...]

    @property
    def authenticates(self) -> bool:
        return bool(self.users) or self.file.tls_server_config.authenticates


class WebConfig:
    """The web configuration that is in force.

    Raises:
        ConfigError: one line that names the file, the key and what was expected; never a secret.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loaded = _load(path)
        self._seen = self._loaded.stamp
        self._reading = asyncio.Lock()
        self._gate = Gate()
        self._tokens = float(self._loaded.file.rate_limit.burst)
        self._filled: float | None = None
        self.defect = ""
        """Why a change is not in force; empty when the file is."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that the user wants in every answer."""
        return self._loaded.headers

    @property
    def authenticates(self) -> bool:
        """Whether nobody gets in without a password or a verified certificate."""
        return self._loaded.authenticates

    async def context(self) -> ssl.SSLContext | None:
        """What the next handshake is made with; None means plain HTTP."""
        await self.refresh()
        return self._loaded.context

    def allows(self, certificate: Mapping[str, Any] | None) -> bool:
        """Whether a client with this verified certificate may go on."""
        return self._loaded.file.tls_server_config.allows(certificate)

    @property
    def has_users(self) -> bool:
        """Whether a login is asked for."""
        return bool(self._loaded.users)

    async def login(self, authorization: str | None) -> str | None:
        """Who shows this ``Authorization`` header; None when it names no user with their password."""
        login = shown(authorization)
        if login is None or not await self._gate.admits(self._loaded.users, authorization):
            return None
        return login[0].decode()

    def throttles(self, now: float) -> bool:
        """Whether a request at ``now`` (monotonic seconds) is one too many. Takes a token when it is not."""
        limit = self._loaded.file.rate_limit
        if not limit.interval:
            return False
        gained = (now - self._filled) / limit.interval if self._filled is not None else 0.0
        self._tokens = min(float(limit.burst), self._tokens + gained)
        self._filled = now
        if self._tokens < 1:
            return True
        self._tokens -= 1
        return False

    async def refresh(self) -> None:
        """Read the file again if it, or a file that it names, has changed."""
        if _stamp(self._path, self._loaded.file.tls_server_config) == self._seen:
            return
        async with self._reading:
            stamp = _stamp(self._path, self._loaded.file.tls_server_config)
            if stamp == self._seen:
                return
            self._seen = stamp
            try:
                self._replace(await asyncio.to_thread(_load, self._path))
            except ConfigError as error:
                self.defect = str(error)
                log.error("web configuration not reloaded", extra={"error": self.defect})

    def _replace(self, new: _Loaded) -> None:
        old = self._loaded
        # An editor may empty a file for a moment before it fills it: that must not open the door.
        for had, has, what in (
            (old.context, new.context, "TLS"), (old.users, new.users, "the users"),
            (old.authenticates, new.authenticates, "verified client certificates"),
        ):
            if had and not has:
                raise ConfigError(f"{self._path}: {what} cannot be taken away without a restart")
        if new.context and not old.context:
            raise ConfigError(f"{self._path}: TLS cannot be added without a restart")
        self._loaded, self._seen, self.defect = new, new.stamp, ""
        log.info("web configuration reloaded")


def _load(path: Path) -> _Loaded:
    where = str(path)
    # Taken before anything is read: what is written meanwhile is then read the next time.
    before = _state(path)
    try:
        with path.open("rb") as opened:
            text = opened.read(CONFIG_BYTES + 1).decode()
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: not UTF-8") from None
    try:
        file = WebFile.model_validate(read_yaml(text, where))
    except ValidationError as error:
        raise ConfigError(f"{where}: {explain(error)}") from None
    tls = file.tls_server_config
    stamp = (before, *_stamp(path, tls)[1:])
    users = {name.encode(): hashed.get_secret_value().encode() for name, hashed in file.basic_auth_users.items()}
    headers = {name: str(value) for name, value in file.http_server_config.headers.items()}
    return _Loaded(file, users, headers, context(tls, path.parent, where) if tls.enabled else None, stamp)


def _stamp(path: Path, tls: Tls) -> tuple[object, ...]:
    """What changes when the configuration or a file that it names is written."""
    return tuple(_state(file) for file in (path, *tls.files(path.parent)))


def _state(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
