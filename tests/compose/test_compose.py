"""The compose file fits the repository, the programs it starts and the rules of Compose."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sales_exporter import __version__
from sales_exporter.cli.stack import load_demo
from sales_exporter.demo import grafana
from sales_exporter.demo.traffic import loopback
from tests.compose.files import COMPOSE, ONCE, OWN, ROOT, SERVICES, dockerfile, mounts

pytestmark = pytest.mark.process

CORE = {name for name, service in SERVICES.items() if "profiles" not in service}
PROGRAMS = {"prometheus": ("prometheus",), "alertmanager": ("alertmanager", "prometheus-alertmanager")}
LOADER = Path(__file__).parent / "load"


def flags(service: str) -> list[str]:
    return [word.split("=")[0] for word in SERVICES[service]["command"] if word.startswith("--")]


@pytest.mark.parametrize("name", SERVICES)
def test_every_mounted_path_exists(name: str):
    for mount in mounts(SERVICES[name]):
        if mount.is_path:
            assert (ROOT / mount.source).exists(), mount.source
        else:
            assert mount.source in COMPOSE["volumes"]


def test_every_volume_and_network_is_used():
    used = {mount.source for service in SERVICES.values() for mount in mounts(service)}
    assert set(COMPOSE["volumes"]) <= used
    assert {name for service in SERVICES.values() for name in service.get("networks", [])} == set(COMPOSE["networks"])


def test_core_comes_up_without_the_demo():
    assert {"exporter", "prometheus", "alertmanager", "grafana"} <= CORE
    for name in CORE:
        for other, how in SERVICES[name].get("depends_on", {}).items():
            assert other in CORE or how["required"] is False


def test_nothing_needs_the_demo_database_to_start():
    assert "postgres" not in SERVICES["exporter"]["depends_on"]


def test_blocks_of_the_past_are_there_before_prometheus_starts():
    assert SERVICES["prometheus"]["depends_on"]["loader"]["condition"] == "service_completed_successfully"
    blocks = next(word for word in SERVICES["loader"]["command"] if word.startswith("--blocks=")).split("=")[1]
    assert f"--storage.tsdb.path={blocks}" in SERVICES["prometheus"]["command"]
    # Blocks are drafted beside the folder and renamed into it, so its parent has to be the volume itself.
    for name in ("loader", "prometheus"):
        volumes = {mount.target: mount.source for mount in mounts(SERVICES[name])}
        assert volumes[str(Path(blocks).parent)] == "prometheus"
    assert SERVICES["loader"]["user"] == SERVICES["prometheus"]["user"]


def test_servers_are_checked_and_restarted_and_one_shots_are_neither():
    for name, service in SERVICES.items():
        if name in ONCE:
            assert "healthcheck" not in service
        else:
            assert service["restart"] == "unless-stopped"
            assert "test" in service["healthcheck"] or name in ("generator", "traffic")


def test_waits_name_a_condition_that_can_come_true():
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert how["condition"] == wanted


def test_prometheus_finds_its_rules_and_alertmanager_its_templates():
    places = {mount.target: ROOT / mount.source for mount in mounts(SERVICES["prometheus"])}
    config = places["/etc/sales-exporter/prometheus"] / "prometheus.yml"
    for pattern in yaml.safe_load(config.read_text("utf-8"))["rule_files"]:
        folder = os.path.normpath(f"/etc/sales-exporter/prometheus/{Path(pattern).parent}")
        assert any(folder == target or folder.startswith(f"{target}/") for target in places)
    assert f"--config.file={'/etc/sales-exporter/prometheus/prometheus.yml'}" in SERVICES["prometheus"]["command"]


def test_scrape_targets_are_services_and_ports_of_this_file():
    for path in (ROOT / "prometheus" / "targets").glob("*.yml"):
        for group in yaml.safe_load(path.read_text("utf-8")):
            for target in group["targets"]:
                host, port = target.split(":")
                assert SERVICES[host]["ports"][0].endswith(f":{port}"), target
                assert "front" in SERVICES[host]["networks"]


def test_application_is_a_target_of_the_demo_alone():
    assert yaml.safe_load((ROOT / "prometheus/targets/application.yml").read_text("utf-8")) == []
    assert not {"application", "traffic"} & CORE
    folder = next(word for word in SERVICES["loader"]["command"] if word.startswith("--targets=")).split("=")[1]
    jobs = yaml.safe_load((ROOT / "prometheus/prometheus.yml").read_text("utf-8"))["scrape_configs"]
    [job] = [job for job in jobs if job["job_name"] == "application"]
    assert f"{folder}/application.yml" in job["file_sd_configs"][0]["files"]
    # What the loader writes lies in Prometheus' own volume.
    for name in ("loader", "prometheus"):
        assert folder in [mount.target for mount in mounts(SERVICES[name])]
    assert inspect.signature(load_demo).parameters["application"].default == "application:18882"
    assert SERVICES["application"]["ports"][0].endswith(":18882")
    assert "front" in SERVICES["application"]["networks"]


def test_traffic_reaches_the_application_alone():
    assert SERVICES["traffic"]["network_mode"] == "service:application"
    assert not {"networks", "ports"} & set(SERVICES["traffic"])
    [url] = [word.removeprefix("--url=") for word in SERVICES["traffic"]["command"] if word.startswith("--url=")]
    assert loopback(url) == "http://127.0.0.1:18882"


def test_state_survives_a_crash_as_promised():
    assert "--rules.alert.for-grace-period=1m" in SERVICES["prometheus"]["command"]
    assert any(word.startswith("--storage.tsdb.retention.size=") for word in SERVICES["prometheus"]["command"])
    assert "--data.maintenance-interval=15s" in SERVICES["alertmanager"]["command"]
    folders = {"prometheus": "/prometheus", "alertmanager": "/alertmanager", "grafana": "/var/lib/grafana"}
    for name, folder in folders.items():
        assert folder in [mount.target for mount in mounts(SERVICES[name]) if not mount.is_path]


def test_grafana_gets_what_its_provisioning_asks_for():
    text = "".join(path.read_text("utf-8") for path in (ROOT / "grafana" / "provisioning").rglob("*.yml"))
    assert set(re.findall(r"\$\{(\w+)\}", text)) <= set(SERVICES["grafana"]["environment"])
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{SERVICES['grafana']['environment']['DASHBOARDS_PATH']}/{grafana.HOME}"


def test_versions_agree_everywhere():
    assert SERVICES["grafana"]["image"] == grafana.IMAGE
    assert dockerfile()["prometheus"].base == SERVICES["prometheus"]["image"]
    assert all(SERVICES[name]["image"].endswith(f":{__version__}") for name in OWN)


@pytest.mark.parametrize("name", sorted(OWN))
def test_our_commands_know_their_flags(name: str):
    command = SERVICES[name]["command"][0]
    program = ["uvicorn"] if name == "application" else ["sales_exporter", command]
    shown = subprocess.run([sys.executable, "-m", *program, "--help"], capture_output=True, text=True,
                           check=True, env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}).stdout
    assert set(flags(name)) <= set(re.findall(r"--[\w.-]+", shown))


@pytest.mark.stack
@pytest.mark.parametrize("name", PROGRAMS)
def test_servers_know_their_flags(name: str):
    search = os.pathsep.join([os.environ.get("SALES_EXPORTER_BIN", ""), os.environ["PATH"]])
    program = next(filter(None, (shutil.which(known, path=search) for known in PROGRAMS[name])), None)
    if program is None:
        pytest.skip(f"{name} is neither on PATH nor in SALES_EXPORTER_BIN")
    shown = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
    known = {flag.replace("[no-]", "") for flag in re.findall(r"--[\w.\[\]-]+", shown.stdout + shown.stderr)}
    assert set(flags(name)) <= known


@pytest.mark.parametrize("profile", ["", "demo"])
def test_compose_itself_accepts_the_file(profile: str, tmp_path: Path):
    listed = _read_by_compose(profile, tmp_path)
    assert set(listed) == (set(SERVICES) if profile else CORE)


def _read_by_compose(profile: str, folder: Path) -> list[str]:
    """Services as a real implementation of the specification reads them: Docker's plugin, else its Go library."""
    file, docker, go = str(ROOT / "docker-compose.yml"), shutil.which("docker"), shutil.which("go")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:
        chosen = ["--profile", profile] if profile else []
        command = [docker, "compose", "-f", file, *chosen, "config", "--services"]
    elif go:
        program = folder / "load"
        # Only what is in the module cache already: a test downloads nothing.
        built = subprocess.run([go, "build", "-o", program, "."], cwd=LOADER, capture_output=True, text=True,
                               env={**os.environ, "GOPROXY": "off", "GOFLAGS": "-mod=readonly"}, check=False)
        if built.returncode:
            pytest.skip("compose-go is not in the module cache: cd tests/compose/load && go mod download")
        command = [str(program), file, *([profile] if profile else [])]
    else:
        pytest.skip("neither docker compose nor go is on PATH")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
