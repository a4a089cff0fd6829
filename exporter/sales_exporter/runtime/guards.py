"""Forged requests: what another site's page may make a browser send is told from what our own pages send.

Fetch metadata and the origin decide (W3C Fetch Metadata, RFC 6454). Programs send neither and pass: they carry their
login themselves, which no page can make them do.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from multidict import CIMultiDictProxy

SAFE = frozenset({"GET", "HEAD"})
"""Methods that change nothing."""

_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Outside:
    """How people reach the server, if that is configured: origin (lower case) and prefix of the paths."""

    origin: str = ""
    prefix: str = ""

    @classmethod
    def of(cls, url: str | None) -> Outside:
        """From ``external_url``."""
        if url is None:
            return cls()
        scheme, authority, path, _, _ = urlsplit(url)
        return cls(f"{scheme}://{_without_port(authority, scheme)}", unquote(path.rstrip("/")))

    @property
    def host(self) -> str:
        """Host and port of the origin."""
        return self.origin.partition("://")[2]


def forged(headers: CIMultiDictProxy[str], secure: bool, outside: Outside) -> str:
    """Why a request that changes something may come from another site; empty when it does not.

    ``secure`` says whether it came over TLS.
    """
    if any(site not in ("same-origin", "none") for site in headers.getall("Sec-Fetch-Site", ())):
        return "another site may not do this"
    asked = headers.getall("Host", ())
    for origin in headers.getall("Origin", ()):
        if not _same(origin, asked, secure, outside):
            return "another origin may not do this; behind a proxy, set sidecar.desk.external_url to its address"
    return ""


def rebound(headers: CIMultiDictProxy[str], outside: Outside) -> str:
    """Why a request without any login may come from a page whose name was bound to this machine; empty if it does not.

    Such a page is of the same origin for its browser (DNS rebinding). Only the name that was asked gives it away.
    """
    for asked in headers.getall("Host", ()):
        if not _machine(asked) and asked.lower() not in _hosts(outside):
            return "without users this is asked by IP address, as localhost or as sidecar.desk.external_url says"
    return ""


def _same(origin: str, asked: Collection[str], secure: bool, outside: Outside) -> bool:
    scheme, slashes, authority = origin.lower().partition("://")
    if not slashes or scheme not in _PORTS:
        return False
    host = _without_port(authority, scheme)
    if f"{scheme}://{host}" == outside.origin:
        return True
    # Over plain HTTP the browser may have spoken TLS with a proxy.
    return (scheme == "https" or not secure) and {host} == {_without_port(name, scheme) for name in asked}


def _without_port(authority: str, scheme: str) -> str:
    return authority.lower().removesuffix(_PORTS[scheme])


def _hosts(outside: Outside) -> frozenset[str]:
    scheme, _, host = outside.origin.partition("://")
    return frozenset({host, host + _PORTS[scheme]}) if host else frozenset()


def _machine(asked: str) -> bool:
    try:
        host = urlsplit(f"//{asked}").hostname or ""
        return host == "localhost" or bool(ipaddress.ip_address(host))
    except ValueError:
        return False
