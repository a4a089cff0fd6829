"""Where the local stack keeps its things, and on which ports it listens."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sales_exporter.errors import StackError
from sales_exporter.files import shipped

PORTS = {"exporter": 18880, "sidecar": 18881, "application": 18882, "prometheus": 9090, "alertmanager": 9093,
         "grafana": 3000, "postgres": 15432}
CLUSTER, TENANT = "demo", "default"
# The same with every port offset, so that a series goes on when the ports change.
INSTANCES = {"sales-exporter": "localhost:18880", "sidecar": "localhost:18881", "prometheus": "localhost:9090",
             "alertmanager": "localhost:9093", "application": "localhost:18882"}
JOBS = {"sales-exporter": "exporter", "sidecar": "sidecar", "prometheus": "prometheus", "alertmanager": "alertmanager",
        "application": "application"}
"""Which server a scrape job is for."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Folders below ``storage`` and ports above ``offset``."""

    storage: Path
    offset: int = 0

    def port(self, name: str) -> int:
        """Port of one server."""
        return PORTS[name] + self.offset

    def url(self, name: str) -> str:
        """Address of one server."""
        return f"http://127.0.0.1:{self.port(name)}"

    @property
    def tsdb(self) -> Path:
        """Prometheus' data."""
        return self.storage / "prometheus-data"

    @property
    def configuration(self) -> Path:
        """Copies of the shipped configuration, laid out as in the repository."""
        return self.storage / "configuration"

    @property
    def logs(self) -> Path:
        """Logs of the servers."""
        return self.storage / "logs"

    @property
    def secrets(self) -> Path:
        """Files with passwords, 0600 in a 0700 folder."""
        folder = self.storage / "secrets"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def secret(self, name: str, text: str) -> Path:
        """Write a secret to its file."""
        path = self.secrets / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    def place_configuration(self, *, application: bool = False) -> Path:
        """Copy the shipped files, point them at our ports, and return the copy of prometheus.yml.

        Without an ``application`` its job has no target.
        """
        for name in ("prometheus", "alert_rules"):
            shutil.rmtree(self.configuration / name, ignore_errors=True)
            shutil.copytree(shipped(name), self.configuration / name)
        prometheus = self.configuration / "prometheus"
        # That is compose's volume; Prometheus would complain that it is not here.
        text = (prometheus / "prometheus.yml").read_text().replace(", /prometheus/application.yml", "")
        (prometheus / "prometheus.yml").write_text(text)
        targets = prometheus / "targets"
        shutil.rmtree(targets, ignore_errors=True)
        for job, server in JOBS.items():
            address = None if job == "application" and not application else f"127.0.0.1:{self.port(server)}"
            write_target(targets, job, address)
        return prometheus / "prometheus.yml"

    def state(self) -> dict[str, Any]:
        """What is in this storage: kind of data, and until when its past was made."""
        path = self.storage / "demo.json"
        if not path.exists():
            return {}
        try:
            found = json.loads(path.read_text())
        except ValueError:
            raise StackError(f"{path} is damaged; remove {self.storage} to start anew") from None
        return found if isinstance(found, dict) else {}

    def remember(self, **state: Any) -> None:
        """Note what is in this storage, in one step."""
        path = self.storage / "demo.json"
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps({**self.state(), **state}, indent=1) + "\n")
        draft.replace(path)


def write_target(folder: Path, job: str, address: str | None) -> None:
    """Write the file that tells Prometheus where a job of the demo is; None: nowhere."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = {"cluster": CLUSTER, "tenant": TENANT, "instance": INSTANCES[job]}
    # JSON is YAML.
    (folder / f"{job}.yml").write_text(json.dumps([{"targets": [address], "labels": labels}] if address else []) + "\n")
