"""Range queries to a Prometheus-compatible API, in as many pieces as its limits ask for."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sales_exporter.config import QueryApi
from sales_exporter.errors import ConfigError, SourceError, SourceUnavailable
from sales_exporter.rules.firing import Floats, Grid, Labels

POINTS = 11_000
"""Moments that Prometheus answers at most in one range query."""
_TOO_MUCH = ("too many samples", "exceeds", "timed out", "limit", "too many points")
"""What servers say of a query that may succeed in smaller pieces."""


class Refused(SourceError):
    """The server does not take the query, or could not evaluate it."""

    reason = "query"


class Api:
    """Asks one server. May be used by several threads."""

    def __init__(self, api: QueryApi) -> None:
        """Read the certificates that the configuration names.

        Raises:
            ConfigError: they cannot be read.
        """
        self._api = api
        self._url = api.url.rstrip("/") + "/api/v1/query_range"
        try:
            self._tls = ssl.create_default_context(cafile=api.ca_file) if api.ca_file else None
        except (OSError, ssl.SSLError):
            raise ConfigError(f"{api.ca_file}: no certificates that can be read") from None

    def range(self, query: str, grid: Grid) -> dict[Labels, Floats]:
        """Values of each series at the moments of the grid, NaN where there is none. A value that is NaN becomes
        infinite: what matters is that there is one.

        Raises:
            Refused: the query is wrong, or too much even in small pieces.
            SourceUnavailable: no answer, or none of this API.
        """
        found: dict[Labels, Floats] = {}
        pieces = [(first, min(POINTS, grid.count - first)) for first in range(0, grid.count, POINTS)]
        while pieces:
            first, count = pieces.pop(0)
            try:
                rows = self._ask(query, grid.at(first), grid.step, count)
            except Refused as error:
                if count < 2 or not any(word in str(error) for word in _TOO_MUCH):
                    raise
                pieces = [(first, count // 2), (first + count // 2, count - count // 2), *pieces]
                continue
            for row in rows:
                labels = tuple(sorted((str(name), str(value)) for name, value in row["metric"].items()))
                values = found.setdefault(labels, np.full(grid.count, np.nan))
                for moment, text in row["values"]:
                    value = float(text)
                    values[round((moment - grid.start) / grid.step)] = np.inf if np.isnan(value) else value
        return found

    def _ask(self, query: str, start: float, step: float, count: int) -> list[Mapping[str, Any]]:
        form = {"query": query, "start": f"{start:.3f}", "end": f"{start + step * (count - 1):.3f}",
                "step": f"{step:.3f}", "timeout": f"{self._api.timeout:.0f}s"}
        request = urllib.request.Request(  # noqa: S310  (the address is the user's own)
            self._url, urllib.parse.urlencode(form).encode(), self._headers())
        try:
            with urllib.request.urlopen(request, timeout=self._api.timeout + 5, context=self._tls) as answer:  # noqa: S310
                said = json.load(answer)
        except urllib.error.HTTPError as error:
            raise _refusal(error) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise SourceUnavailable(f"no answer: {reason}") from None
        data = said.get("data") if isinstance(said, dict) else None
        if not isinstance(data, dict) or data.get("resultType") != "matrix":
            raise SourceUnavailable("not an answer of a Prometheus-compatible API")
        return list(data["result"])

    def _headers(self) -> dict[str, str]:
        headers = {}
        if self._api.tenant is not None:
            headers["X-Scope-OrgID"] = self._api.tenant
        if self._api.bearer_file is not None:
            headers["Authorization"] = f"Bearer {_secret(self._api.bearer_file)}"
        if self._api.user is not None and self._api.password_file is not None:
            login = f"{self._api.user}:{_secret(self._api.password_file)}"
            headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        return headers


def _secret(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{path}: cannot be read") from None


def _refusal(error: urllib.error.HTTPError) -> SourceError:
    body = error.read(4_000)
    try:
        text = " ".join(str(json.loads(body)["error"]).split())[:300]
    except (ValueError, KeyError, TypeError):
        return SourceUnavailable(f"HTTP {error.code}: not an answer of a Prometheus-compatible API")
    return SourceUnavailable(f"HTTP {error.code}: {text}") if error.code in (401, 403, 429) else Refused(text)
