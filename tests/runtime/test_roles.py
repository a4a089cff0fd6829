"""Who may do what."""

from __future__ import annotations

from pathlib import Path

import pytest

from sales_exporter.config import Desk, build
from sales_exporter.errors import ConfigError
from sales_exporter.runtime.parts import Caller, Role
from sales_exporter.runtime.roles import refuse_strangers, roles

DESK = Desk(responders=("alice",), notifiers=("alertmanager", "both"))
HASH = "$2b$04$VkIMNZ2gaVfK8d9aLTpmB.wQlwmuBd5hCVEgXzQbEvlh9lKgWpnJq"


@pytest.mark.parametrize(
    ("login", "has"),
    [("alice", {"viewer", "responder"}), ("alertmanager", {"viewer", "notifier"}), ("bob", {"viewer"}),
     ("Alice", {"viewer"}), ("", {"viewer"}), (None, {"viewer"})],
)
def test_each_login_looks_and_those_that_are_named_act(login: str | None, has: set[Role]) -> None:
    assert roles(DESK, login) == has


def test_without_users_everybody_acts_where_that_is_configured() -> None:
    assert roles(Desk(without_login="responder"), None) == {"viewer", "responder", "notifier"}


def test_what_everybody_may_without_users_says_nothing_of_logins() -> None:
    assert roles(Desk(without_login="responder"), "bob") == {"viewer"}


def test_caller_may_what_a_role_says() -> None:
    caller = Caller("bob", frozenset({"viewer"}))
    assert (caller.may("viewer"), caller.may("responder")) == (True, False)


@pytest.mark.parametrize("addresses", [["127.0.0.1:18881"], ["[::1]:18881", "localhost:1"], ["127.9.9.9:0"]])
def test_strangers_may_act_on_loopback(addresses: list[str]) -> None:
    refuse_strangers(build({"sidecar": {"desk": {"without_login": "responder"}, "listen_address": addresses}}, "test"))


@pytest.mark.parametrize("addresses", [[":18881"], ["0.0.0.0:18881"], ["127.0.0.1:1", "[::]:18881"], ["sidecar:1"],
                                       ["10.0.0.5:1"]])
def test_r18_strangers_from_elsewhere_may_not_and_the_key_is_named(addresses: list[str]) -> None:
    own = {"desk": {"without_login": "responder"}, "listen_address": addresses}
    with pytest.raises(ConfigError, match=r"^sidecar\.desk\.without_login: responder is for loopback only; give "):
        refuse_strangers(build({"sidecar": own}, "test"))


def test_who_proves_who_they_are_is_no_stranger(tmp_path: Path) -> None:
    config = tmp_path / "web.yml"
    config.write_text(f"basic_auth_users: {{alice: {HASH}}}")
    own = {"desk": {"without_login": "responder"}, "listen_address": [":18881"]}
    refuse_strangers(build({"sidecar": own, "web": {"config_file": str(config)}}, "test"))
    config.write_text("http_server_config: {http2: false}")
    with pytest.raises(ConfigError):
        refuse_strangers(build({"sidecar": own, "web": {"config_file": str(config)}}, "test"))


def test_strangers_look_anywhere() -> None:
    refuse_strangers(build({"sidecar": {"listen_address": [":18881"]}}, "test"))
