"""Promises S9 and S10 of docs/reliability.md: no defaults to guess, and containers that can do little."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml

from sales_exporter.cli.secrets import FILES
from sales_exporter.config import Settings
from tests.compose.files import COMPOSE, ONCE, OWN, ROOT, SERVICES, dockerfile, hand_overs, mounts

SECRET = re.compile(r"PASSWORD|SECRET|DSN|TOKEN", re.IGNORECASE)
EXACT = re.compile(r".+:v?\d+\.\d+(\.\d+)?(-[a-z]+\d*(\.\d+)*)*")
ADDED = {"secrets": ["CHOWN", "DAC_READ_SEARCH"]}
"""The only service with capabilities: it reads files of the host's user and gives them away."""


def environment(service: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in service.get("environment", {}).items()}


@pytest.mark.parametrize("name", SERVICES)
def test_s9_passwords_come_from_files_and_have_no_default(name: str):
    for variable, value in environment(SERVICES[name]).items():
        if SECRET.search(variable) and value not in ("true", "false"):
            assert variable.endswith("_FILE"), variable
            assert value.startswith("/run/secrets/"), variable
    assert not re.search(r"password=", " ".join(map(str, SERVICES[name].get("command", []))))


def test_s9_every_secret_is_one_that_make_secrets_writes():
    assert COMPOSE["secrets"] == {name: {"file": f"./secrets/{name}"} for name in FILES}
    assert sorted(SERVICES["secrets"]["secrets"]) == sorted(FILES)


def test_s9_each_service_gets_only_its_own_secrets_and_can_read_them():
    for receiver, (uid, _) in hand_overs().items():
        service = SERVICES[receiver]
        assert service["user"].split(":")[0] == str(uid)
        given = [mount for mount in mounts(service) if mount.source.startswith("secrets-")]
        assert [(mount.source, mount.target, mount.mode) for mount in given] == [
            (f"secrets-{receiver}", "/run/secrets", "ro")]
    readers = {name for name, service in SERVICES.items()
               if name != "secrets" and any(mount.source.startswith("secrets") for mount in mounts(service))}
    assert readers == set(hand_overs())


@pytest.mark.parametrize("name", SERVICES)
def test_s9_a_service_finds_the_secret_files_that_it_names(name: str):
    words = [*environment(SERVICES[name]).values(), *map(str, SERVICES[name].get("command", []))]
    wanted = {found for word in words for found in re.findall(r"/run/secrets/(\w+)", word)}
    assert name == "secrets" or wanted == set(hand_overs().get(name, (0, []))[1])


def test_s9_secrets_stay_out_of_the_repository_and_of_images():
    assert "secrets/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignored
    assert not any(line.startswith("!secrets") for line in ignored)


@pytest.mark.parametrize("name", SERVICES)
def test_s9_ports_are_published_on_loopback_alone(name: str):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))
    assert SERVICES[name].get("network_mode", "none") == ("service:application" if name == "traffic" else "none")


def test_s9_the_database_is_reachable_from_inside_alone():
    assert SERVICES["postgres"]["networks"] == ["back"]
    assert "ports" not in SERVICES["postgres"]
    assert COMPOSE["networks"]["back"] == {"internal": True}


def test_s9_admin_and_lifecycle_apis_are_off():
    flags = " ".join(" ".join(SERVICES[name]["command"]) for name in ("prometheus", "alertmanager", "exporter"))
    for flag in ("enable-lifecycle", "enable-admin-api", "enable-remote-write-receiver"):
        assert flag not in flags
    assert not Settings().web.enable_lifecycle


def test_s9_grafana_is_closed():
    given = environment(SERVICES["grafana"])
    off = ("GF_USERS_ALLOW_SIGN_UP", "GF_AUTH_ANONYMOUS_ENABLED", "GF_SECURITY_ALLOW_EMBEDDING",
           "GF_SNAPSHOTS_EXTERNAL_ENABLED", "GF_PUBLIC_DASHBOARDS_ENABLED", "GF_ANALYTICS_REPORTING_ENABLED",
           "GF_ANALYTICS_CHECK_FOR_UPDATES", "GF_SECURITY_DISABLE_BRUTE_FORCE_LOGIN_PROTECTION")
    assert {name: given[name] for name in off} == dict.fromkeys(off, "false")
    assert given["GF_SECURITY_CONTENT_SECURITY_POLICY"] == "true"
    assert given["GF_DASHBOARDS_MIN_REFRESH_INTERVAL"] == "10s"
    assert given["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"


@pytest.mark.parametrize("name", SERVICES)
def test_s10_containers_have_no_capabilities_and_a_read_only_root(name: str):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == ADDED.get(name, [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "pid", "ipc", "devices", "userns_mode"} & set(service)
    assert all(mount.mode == "ro" for mount in mounts(service) if mount.is_path)
    assert not any("docker.sock" in mount.source for mount in mounts(service))


@pytest.mark.parametrize("name", SERVICES)
def test_s10_containers_have_limits(name: str):
    service = SERVICES[name]
    assert {"mem_limit", "cpus", "pids_limit"} <= set(service)
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"secrets"}))
def test_s10_nobody_is_root_and_our_own_uids_are_at_least_10000(name: str):
    uid, gid = map(int, SERVICES[name]["user"].split(":"))
    assert uid > 0
    assert gid > 0
    if name in OWN:
        assert uid >= 10_000


def test_s10_the_only_root_runs_once_without_a_network():
    assert SERVICES["secrets"]["network_mode"] == "none"
    assert "secrets" in ONCE


@pytest.mark.parametrize("stage", ["application", "exporter", "loader"])
def test_s10_images_run_as_uid_of_at_least_10000_by_themselves(stage: str):
    assert all(int(part) >= 10_000 for part in (dockerfile()[stage].last("USER") or "0").split(":"))


def test_s10_tags_are_exact():
    images = [service["image"] for service in SERVICES.values()]
    images += [stage.base for stage in dockerfile().values() if stage.base not in dockerfile()]
    assert all(EXACT.fullmatch(image) for image in images), images


@pytest.mark.parametrize("stage", ["build", "build-application"])
def test_s10_what_the_image_holds_is_locked_with_hashes(stage: str):
    installs = [rest for _, rest in dockerfile()[stage].steps if "pip install" in rest]
    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert "--no-deps --no-build-isolation" in installs[1]


def test_s9_no_secret_file_is_tracked():
    listed = subprocess.run(["git", "ls-files", "secrets"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert listed.stdout == ""


def test_s9_shipped_prometheus_files_hold_no_credentials():
    for path in (ROOT / "prometheus").rglob("*.yml"):
        text = yaml.safe_dump(yaml.safe_load(path.read_text("utf-8")))
        assert not re.search(r"(password|bearer_token|credentials|api_key|secret): \S", text), path
