"""Grafana over a running stack: the environment for a local binary, and the one line for Docker.

Both mount the same provisioning and let anybody on loopback read the dashboards. No administrator is created, so
there is no password that could be the default one.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

IMAGE = "grafana/grafana:13.2.3"
HOME = "Executive/sales-home.json"
_PROVISIONING = "/etc/grafana/provisioning"
_DASHBOARDS = "/etc/sales-exporter/dashboards"


def environment(root: Path, data: Path, prometheus_url: str, alertmanager_url: str, port: int) -> dict[str, str]:
    """Environment of ``grafana server`` with the provisioning in ``root`` and its state in ``data``."""
    return {
        **_settings(prometheus_url, alertmanager_url, port, str(root / "dashboards")),
        "GF_PATHS_PROVISIONING": str(root / "provisioning"),
        "GF_PATHS_DATA": str(data), "GF_PATHS_LOGS": str(data / "log"), "GF_PATHS_PLUGINS": str(data / "plugins"),
    }


def grafana_command(root: Path, prometheus_url: str, alertmanager_url: str, port: int) -> str:
    """One ``docker run`` line, quoted for a shell, that mounts the provisioning in ``root`` on the host's network.

    The container is thrown away when it stops; its root is read-only and it has no capabilities.
    """
    folder = root.resolve()
    mounts = {
        folder / "provisioning" / "datasources": f"{_PROVISIONING}/datasources",
        folder / "provisioning" / "dashboards": f"{_PROVISIONING}/dashboards",
        folder / "dashboards": _DASHBOARDS,
    }
    command = [
        "docker", "run", "--rm", "--network", "host", "--read-only", "--tmpfs", "/var/lib/grafana",
        "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",  # noqa: S108  (the container's)
        *_options("--volume", [f"{source}:{target}:ro" for source, target in mounts.items()]),
        *_options("--env", _pairs(_settings(prometheus_url, alertmanager_url, port, _DASHBOARDS))),
        IMAGE,
    ]
    return shlex.join(command)


def _settings(prometheus_url: str, alertmanager_url: str, port: int, dashboards: str) -> dict[str, str]:
    return {
        "PROMETHEUS_URL": prometheus_url, "ALERTMANAGER_URL": alertmanager_url, "DASHBOARDS_PATH": dashboards,
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": f"{dashboards}/{HOME}",
        "GF_SERVER_HTTP_ADDR": "127.0.0.1", "GF_SERVER_HTTP_PORT": str(port),
        "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true", "GF_AUTH_DISABLE_LOGIN_FORM": "true",
        "GF_AUTH_ANONYMOUS_ENABLED": "true", "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_ANALYTICS_REPORTING_ENABLED": "false", "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false", "GF_SNAPSHOTS_EXTERNAL_ENABLED": "false",
        "GF_PUBLIC_DASHBOARDS_ENABLED": "false", "GF_PLUGINS_PREINSTALL_DISABLED": "true",
    }


def _pairs(settings: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in settings.items()]


def _options(flag: str, values: list[str]) -> list[str]:
    return [part for value in values for part in (flag, value)]
