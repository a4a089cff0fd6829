"""What Grafana is given at its start: data sources with fixed names, folders of dashboards, no way to edit them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from sales_exporter.demo import grafana
from tests.grafana.boards import FOLDER, ROOT, all_boards

PROVISIONING = ROOT / "grafana" / "provisioning"
URLS = ("http://127.0.0.1:9090", "http://127.0.0.1:9093")


def provisioned(name: str) -> dict[str, Any]:
    return yaml.safe_load((PROVISIONING / name).read_text("utf-8"))


def test_data_sources_have_the_uids_that_dashboards_use():
    sources = {source["uid"]: source for source in provisioned("datasources/datasources.yml")["datasources"]}
    assert set(sources) == {"prometheus", "alertmanager"}
    assert sources["prometheus"]["isDefault"]
    assert sources["prometheus"]["jsonData"]["timeInterval"] == "10s"
    assert sources["prometheus"]["jsonData"]["alertmanagerUid"] == "alertmanager"
    assert sources["alertmanager"]["jsonData"] == {"implementation": "prometheus", "handleGrafanaManagedAlerts": False}
    assert not any(source["editable"] for source in sources.values())


def test_default_data_source_of_the_dashboards_is_provisioned():
    for board in all_boards().values():
        assert board["templating"]["list"][0]["current"]["value"] == "prometheus"


def test_smallest_step_is_the_scrape_interval():
    scrape = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text("utf-8"))["global"]["scrape_interval"]
    assert provisioned("datasources/datasources.yml")["datasources"][0]["jsonData"]["timeInterval"] == scrape


def test_dashboards_cannot_be_changed_or_deleted_in_the_browser():
    (provider,) = provisioned("dashboards/dashboards.yml")["providers"]
    assert not provider["allowUiUpdates"]
    assert provider["disableDeletion"]
    assert provider["options"]["foldersFromFilesStructure"]


def test_every_variable_of_the_files_is_set_for_both_ways_to_run_grafana(tmp_path: Path):
    text = "".join(path.read_text("utf-8") for path in PROVISIONING.rglob("*.yml"))
    wanted = set(re.findall(r"\$\{(\w+)\}", text))
    assert wanted == {"PROMETHEUS_URL", "ALERTMANAGER_URL", "DASHBOARDS_PATH"}
    assert wanted <= set(grafana.environment(ROOT / "grafana", tmp_path, *URLS, 3000))
    assert wanted <= set(settings_of(grafana.grafana_command(ROOT / "grafana", *URLS, 3000)))


def test_home_dashboard_exists():
    assert (FOLDER / grafana.HOME).is_file()


def test_docker_line_survives_a_shell_and_mounts_what_exists(tmp_path: Path):
    root = tmp_path / "a folder's name" / "grafana"
    for name in ("provisioning/datasources", "provisioning/dashboards", "dashboards"):
        (root / name).mkdir(parents=True)
    words = shlex.split(grafana.grafana_command(root, *URLS, 3005))
    assert words[:2] == ["docker", "run"]
    assert re.fullmatch(r"grafana/grafana:\d+\.\d+\.\d+", words[-1])
    mounted = [words[place + 1].split(":") for place, word in enumerate(words) if word == "--volume"]
    assert len(mounted) == 3
    assert all(Path(source).is_dir() and mode == "ro" for source, _, mode in mounted)


def test_demo_grafana_answers_on_loopback_alone_and_has_no_password_to_guess(tmp_path: Path):
    local = grafana.environment(ROOT / "grafana", tmp_path, *URLS, 3005)
    for given in (local, settings_of(grafana.grafana_command(ROOT / "grafana", *URLS, 3005))):
        assert given["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
        assert given["GF_SERVER_HTTP_PORT"] == "3005"
        assert given["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
        assert given["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


def settings_of(command: str) -> dict[str, str]:
    words = shlex.split(command)
    return dict(words[place + 1].split("=", 1) for place, word in enumerate(words) if word == "--env")
