"""Client of a Prometheus-compatible query API: Prometheus, VictoriaMetrics, and the query paths of Mimir and Thanos."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from sales_exporter.config import QueryApi
from sales_exporter.errors import (
    ConfigError,
    ContractViolation,
    DeadlineExceeded,
    RowBudgetExceeded,
    SourceError,
    SourceUnavailable,
)
from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.history import answers

AT_ONCE = 4
"""Queries under way at the same time: a fifth of what Prometheus allows to everybody."""
ANSWER_BYTES = 24 << 20
"""Largest answer that is read."""


class QueryRejected(SourceError):
    """The server does not take the query, or could not evaluate it: the query has to change."""

    reason = "query"


class LoginRejected(SourceError):
    """The server does not take the login, or the tenant."""

    reason = "login"


class Client:
    """Asks one server. Use it as a context manager, on one event loop."""

    def __init__(self, api: QueryApi, clock: Clock) -> None:
        """Read the certificates that the configuration names.

        Raises:
            ConfigError: they cannot be read.
        """
        self._api = api
        self._clock = clock
        self._url = api.url.rstrip("/") + "/api/v1/"
        self._ssl = _certificates(api.ca_file)
        self._session: aiohttp.ClientSession | None = None
        self._gate = asyncio.Semaphore(AT_ONCE)
        self.skew = 0.0
        """Seconds that the server's clock is ahead of ours, by the last answer; known to a second or so."""
        self.asked = 0
        """Queries sent so far."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=AT_ONCE, ssl=self._ssl),
            timeout=aiohttp.ClientTimeout(total=self._api.timeout),
            # Compression costs more time than it saves on the way to a server nearby.
            headers={"Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()

    async def instant(self, query: str, at: float) -> answers.Vector:
        """The value of each series at a moment.

        Raises:
            SourceError: QueryRejected, LoginRejected, SourceUnavailable, DeadlineExceeded, RowBudgetExceeded or
                ContractViolation; each says what was wrong, without the query.
        """
        return answers.vector(await self._ask("POST", "query", query=query, time=_text(at)))

    async def range(self, query: str, start: float, step: float, count: int) -> answers.Matrix:
        """The value of each series at ``count`` moments from ``start``; raises as ``instant`` does."""
        body = await self._ask("POST", "query_range", query=query, start=_text(start), step=_text(step),
                               end=_text(start + step * (count - 1)))
        return answers.matrix(body, start, step, count)

    async def names(self) -> frozenset[str]:
        """Names of all metrics that the server knows; raises as ``instant`` does."""
        return answers.names(await self._ask("GET", "label/__name__/values"))

    async def types(self) -> Mapping[str, str]:
        """Types of the metrics that are scraped now; empty where the server keeps none. Raises as ``instant`` does."""
        return answers.types(await self._ask("GET", "metadata"))

    async def _ask(self, method: str, path: str, **form: str) -> bytes:
        if self._session is None:
            raise RuntimeError("the client is used outside of its context")
        async with self._gate:
            self.asked += 1
            try:
                async with self._session.request(method, self._url + path, data=form or None, headers=self._headers(),
                                                 allow_redirects=False) as answer:
                    body = await _read(answer)
            except TimeoutError:
                raise DeadlineExceeded(f"no answer within {self._api.timeout:g} s") from None
            except aiohttp.ClientError as error:
                raise SourceUnavailable(f"no answer: {type(error).__name__}") from None
        if answer.status != 200:
            raise _refusal(answer.status, body)
        # Not by the date of an error: that may be some proxy's.
        self._compare_clocks(answer.headers.get("Date"))
        return body

    def _headers(self) -> dict[str, str]:
        # Read each time: tokens are replaced on disk while we run.
        headers = {}
        if self._api.tenant is not None:
            headers["X-Scope-OrgID"] = self._api.tenant
        if self._api.bearer_file is not None:
            headers["Authorization"] = f"Bearer {_secret(self._api.bearer_file, 'bearer_file')}"
        if self._api.user is not None and self._api.password_file is not None:
            password = _secret(self._api.password_file, "password_file")
            login = base64.b64encode(f"{self._api.user}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {login}"
        return headers

    def _compare_clocks(self, date: str | None) -> None:
        if date is None:
            return
        try:
            ahead = parsedate_to_datetime(date).timestamp() - self._clock.now()
        except ValueError:
            return
        # The header has whole seconds, and the answer took a while: less than that is no skew.
        self.skew = ahead if abs(ahead) > 2.0 else 0.0


def _text(number: float) -> str:
    return f"{number:.3f}"


def _certificates(path: Path | None) -> ssl.SSLContext | bool:
    if path is None:
        return True
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError):
        raise ConfigError(f"{path}: no certificates that can be read (given as sidecar.prometheus.ca_file)") from None


def _secret(path: Path, key: str) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise LoginRejected(f"{path}: cannot be read (given as sidecar.prometheus.{key})") from None
    if not text.isprintable():
        raise LoginRejected(f"{path}: more than one line (given as sidecar.prometheus.{key})")
    return text


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in answer.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > ANSWER_BYTES:
            answer.close()
            raise RowBudgetExceeded(f"the answer is larger than {ANSWER_BYTES >> 20} MiB")
    return b"".join(parts)


def _refusal(status: int, body: bytes) -> SourceError:
    kind, text = answers.complaint(body)
    said = f"HTTP {status}: {text}" if text else f"HTTP {status}"
    if status in (401, 403):
        return LoginRejected(said)
    if kind in ("timeout", "canceled") or status in (408, 504):
        return DeadlineExceeded(said)
    if status == 429 or status >= 500:
        return SourceUnavailable(said)
    if status >= 400 and kind:
        return QueryRejected(said)
    return ContractViolation(f"{said}; sidecar.prometheus.url is not the address of a Prometheus-compatible API")
