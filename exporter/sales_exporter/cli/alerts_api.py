"""Client of the sidecar's alert API, as the command line uses it."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, fields
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from sales_exporter import __version__
from sales_exporter.errors import UsageError
from sales_exporter.sidecar.desk.model import Case, Event

T = TypeVar("T", Case, Event)

PATIENCE = 10.0
"""Seconds that an answer may take."""
ANSWER_BYTES = 64 << 20
"""Largest answer that is read."""
LEAST_PREFIX = 4
"""Signs of a fingerprint that have to be given."""
FINGERPRINT = 16
"""Signs of a whole one."""


class Refusal(Exception):
    """The desk refuses; the text is its own."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: a login goes to the address that was given, and to no other."""

    def redirect_request(self, *_arguments: Any, **_named: Any) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Server:
    """Where the sidecar is, and who asks."""

    url: str
    user: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None

    def ask(self, path: str, query: Mapping[str, str | int | float | None] | None = None) -> dict[str, Any]:
        """The answer to a question; what is None is not asked for.

        Raises:
            Refusal: the desk refuses, and says why.
            UsageError: the address, the login or the certificate is wrong, or nobody answers.
        """
        given = urlencode({name: value for name, value in (query or {}).items() if value not in (None, "")})
        return self._sent(f"{path}{'?' * bool(given)}{given}", None)

    def act(self, fingerprint: str, action: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Do something with an alert; the alert as it is then. Raises as ``ask`` does."""
        return self._sent(f"alerts/{quote(fingerprint)}/{action}", json.dumps(body).encode())

    def whole(self, prefix: str) -> str:
        """The fingerprint that begins with these signs.

        Raises:
            UsageError: they are no fingerprint, or those of none or several open alerts.
        """
        wanted = prefix.strip().lower()
        if len(wanted) > FINGERPRINT or not all(sign in "0123456789abcdef" for sign in wanted):
            raise UsageError(f"{prefix}: no fingerprint; `sales-exporter alerts list` shows them")
        if len(wanted) < LEAST_PREFIX:
            raise UsageError(f"{prefix}: give at least {LEAST_PREFIX} signs of the fingerprint")
        if len(wanted) == FINGERPRINT:
            return wanted
        found = [str(one["fingerprint"]) for one in self.ask("alerts/active")["alerts"]
                 if str(one["fingerprint"]).startswith(wanted)]
        if len(found) != 1:
            raise UsageError(f"{prefix}: {'the beginning of ' + ', '.join(found) if found else 'no open alert'}; "
                             + ("give more signs" if found else "of one that is over, give all 16 signs"))
        return found[0]

    def _sent(self, path: str, body: bytes | None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310  (checked by _opener)
            f"{self.url.rstrip('/')}/api/dashboard/{path}", body, self._headers(body is not None))
        try:
            with self._opener().open(request, timeout=PATIENCE) as answer:
                return _tree(answer.read(ANSWER_BYTES), self.url)
        except urllib.error.HTTPError as error:
            raise self._refusal(error) from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            raise UsageError(f"--sidecar.url {self.url}: no answer: {reason}") from None

    def _opener(self) -> urllib.request.OpenerDirector:
        if not self.url.startswith(("http://", "https://")):
            raise UsageError(f"--sidecar.url {self.url}: expected an http:// or https:// address")
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError:
            raise UsageError(f"--ca-file {self.ca_file}: no certificates that can be read") from None
        return urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=context))

    def _headers(self, acts: bool) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": f"sales-exporter/{__version__}"}
        if acts:
            headers["Content-Type"] = "application/json"
        if (self.user is None) != (self.password_file is None):
            raise UsageError("give --user and --password-file together")
        if self.user is not None and self.password_file is not None:
            try:
                password = self.password_file.read_text("utf-8").strip("\r\n")
            except (OSError, UnicodeDecodeError):
                raise UsageError(f"--password-file {self.password_file}: cannot be read") from None
            headers["Authorization"] = "Basic " + base64.b64encode(f"{self.user}:{password}".encode()).decode()
        return headers

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        said = _detail(error)
        if error.code == 401:
            return UsageError(f"--sidecar.url {self.url}: the login is missing or wrong; give --user and "
                              "--password-file")
        if error.code in (403, 404, 409, 429, 503) and said:
            return Refusal(said)
        return UsageError(f"--sidecar.url {self.url}: HTTP {error.code}{f': {said}' if said else ''}")


def made(kind: type[T], tree: Mapping[str, Any]) -> T:
    """A value from the API's JSON; what this version does not know of is left out."""
    known = {one.name for one in fields(kind)}
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in tree.items()
                              if name in known}
    return kind(**values)


def _tree(body: bytes, url: str) -> dict[str, Any]:
    tree = json.loads(body)
    if not isinstance(tree, dict):
        raise UsageError(f"--sidecar.url {url}: not the address of a sidecar")
    return tree


def _detail(error: urllib.error.HTTPError) -> str:
    """What a refusal says, if it is problem details (RFC 9457)."""
    try:
        tree = json.loads(error.read(65_536))
    except (ValueError, OSError, HTTPException):
        return ""
    return str(tree.get("detail") or tree.get("title") or "") if isinstance(tree, dict) else ""
