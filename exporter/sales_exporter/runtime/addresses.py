"""Listening addresses: what the user wrote becomes sockets, or one line that says why not."""

from __future__ import annotations

import errno
import ipaddress
import re
import socket

from sales_exporter.errors import ConfigError

_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%a-z]+)\]|(?P<host>[^:\[\]\s]*)):(?P<port>[0-9]{1,5})\Z")
_TROUBLES = {
    errno.EADDRINUSE: "is in use",
    errno.EADDRNOTAVAIL: "is no address of this machine",
    errno.EACCES: "needs more rights than this user has (ports below 1024)",
}


def listen(address: str) -> list[socket.socket]:
    """Listening sockets for ``host:port``, ``[host]:port`` or ``:port`` (all addresses of the machine).

    Raises:
        ConfigError: it is no such address, there is no such host, or it cannot be listened on.
    """
    host, port = _parsed(address)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise ConfigError(f"web.listen_address: {address}: there is no such host") from None
    sockets: list[socket.socket] = []
    try:
        for family, where in dict.fromkeys((family, where) for family, _, _, _, where in found):
            sockets.append(_listening(family, where))
    except OSError as error:
        for opened in sockets:
            opened.close()
        trouble = _TROUBLES.get(error.errno or 0, f"cannot be listened on: {error.strerror}")
        raise ConfigError(f"web.listen_address: {address} {trouble}") from None
    return sockets


def shown(listening: socket.socket) -> str:
    """The address of a socket as a user writes it."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def local(address: str) -> bool:
    """Whether ``host:port`` is reached from this machine only.

    Raises:
        ConfigError: it is no such address.
    """
    host, _ = _parsed(address)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _parsed(address: str) -> tuple[str, int]:
    match = _ADDRESS.match(address)
    if match is None or int(match["port"]) > 65535:
        raise ConfigError(
            f"web.listen_address: {address[:80]!r} is not host:port, such as 127.0.0.1:18880 or [::]:18880"
        )
    everywhere = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104  (the user asked for it)
    return match["six"] or match["host"] or everywhere, int(match["port"])


def _listening(family: int, where: tuple[object, ...]) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # As other exporters do, the wildcard takes IPv4 clients too.
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, where[0] != "::")
        opened.bind(where)
        opened.listen(128)
    except OSError:
        opened.close()
        raise
    return opened
