"""Who may do what: logins become roles."""

from __future__ import annotations

from collections.abc import Callable

from sales_exporter.config import Desk, Settings
from sales_exporter.errors import ConfigError
from sales_exporter.runtime.addresses import local
from sales_exporter.runtime.parts import Role
from sales_exporter.runtime.web_config import WebConfig

Roles = Callable[[str | None], frozenset[Role]]
"""Roles of a login; None asks for everybody's where there are no users."""


def viewers(_login: str | None) -> frozenset[Role]:
    """Everybody looks and nobody acts."""
    return frozenset({"viewer"})


def roles(desk: Desk, login: str | None) -> frozenset[Role]:
    """Each login looks; responders and notifiers are named. Without users, who may act may hand in notifications."""
    if login is None:
        return frozenset({"viewer"} if desk.without_login == "viewer" else {"viewer", "responder", "notifier"})
    named: tuple[tuple[Role, tuple[str, ...]], ...] = (("responder", desk.responders), ("notifier", desk.notifiers))
    return viewers(login) | {role for role, logins in named if login in logins}


def refuse_strangers(settings: Settings) -> None:
    """Let nobody act on the sidecar from another machine without having proved who they are.

    Raises:
        ConfigError: they could; the line names the key.
    """
    if settings.sidecar.desk.without_login == "viewer" or all(map(local, settings.sidecar.listen_address)):
        return
    if settings.web.config_file is None or not WebConfig(settings.web.config_file).authenticates:
        raise ConfigError(
            "sidecar.desk.without_login: responder is for loopback only; give web.config_file basic_auth_users or "
            "verified client certificates, or let sidecar.listen_address be 127.0.0.1"
        )
