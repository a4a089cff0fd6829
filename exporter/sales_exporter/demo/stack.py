"""The local stack behind ``up``: real PostgreSQL, exporter, Prometheus, Alertmanager and an application on loopback."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sales_exporter.demo import application, filling, grafana
from sales_exporter.demo.binaries import Binaries, obtain
from sales_exporter.demo.filling import Report
from sales_exporter.demo.layout import Layout
from sales_exporter.demo.postgres import Login, Postgres
from sales_exporter.demo.processes import Children
from sales_exporter.errors import StackError
from sales_exporter.files import shipped
from sales_exporter.importer import load_example

Data = Literal["generated", "olist", "crm", "bank", "none"]
EXAMPLES = ("olist", "crm", "bank")
SETTLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Summary:
    """What ``--smoke`` prints and the live table shows."""

    ready_seconds: float
    settled_seconds: float | None
    data: str
    as_of: str | None
    targets: dict[str, str]
    series: dict[str, int]
    sales_series: int
    alerts: list[dict[str, str]] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Every target is up, the exporter's report is in Prometheus, and the Watchdog reached the Alertmanager."""
        up = bool(self.targets) and all(state == "up" for state in self.targets.values())
        return up and bool(self.series) and any(a["alertname"] == "Watchdog" for a in self.alerts)

    def text(self) -> str:
        """As JSON."""
        return json.dumps({**asdict(self), "healthy": self.healthy}, indent=1)


class Stack:
    """Starts everything in order and stops it in reverse."""

    def __init__(self, layout: Layout, data: Data, folder: Path | None, report: Report) -> None:
        self.layout = layout
        self.data = data
        self._folder = folder
        self._report = report
        self._children = Children(layout.logs)
        self._postgres: Postgres | None = None
        self._began = time.monotonic()
        self.ready_seconds = 0.0
        self.as_of: str | None = None

    def start(self) -> None:
        """Start all; what is already there is used again.

        Raises:
            StackError: a server is missing or did not become ready, or the storage holds other data.
        """
        self._check_data()
        if self.data == "generated":
            application.check()
        self._check_ports()
        with self._report.step("looking for the servers"):
            binaries = obtain(self.layout.storage, lambda text: None)
        login = self._database()
        self._fill(login, binaries)
        self._exporter()
        if self.data == "generated":
            application.start(self._children, self.layout)
        self._prometheus(binaries)
        self._alertmanager(binaries)
        self._sidecar()
        self._grafana()
        with self._report.step("waiting until all are ready"):
            for child in self._children.running:
                self._children.wait_ready(child)
        self.ready_seconds = time.monotonic() - self._began

    def stop(self) -> None:
        """Stop everything that was started."""
        self._children.stop()
        if self._postgres is not None:
            self._postgres.stop()

    @property
    def broken(self) -> list[str]:
        """Servers that ended by themselves."""
        return [f"{child.name} (see {child.log})" for child in self._children.running if not child.running]

    def grafana_line(self) -> str | None:
        """How to start Grafana over this stack; None when it runs already."""
        if shutil.which("grafana") is not None:
            return None
        layout = self.layout
        return grafana.grafana_command(
            shipped("grafana"), layout.url("prometheus"), layout.url("alertmanager"), layout.port("grafana"))

    def settle(self) -> float | None:
        """Wait until every target is up, the Watchdog has arrived and the first figures of the ledger are scraped;
        seconds since the start, or None."""
        limit = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < limit:
            if self.broken:
                return None
            seen = self.summary(None)
            if seen.healthy and seen.series.get("funnel"):
                return time.monotonic() - self._began
            time.sleep(0.25)
        return None

    def summary(self, settled: float | None) -> Summary:
        """The state of the stack, from Prometheus and Alertmanager."""
        targets = {
            f"{t['labels']['job']}": str(t["health"]) for t in self._ask("prometheus", "/api/v1/targets")
            .get("data", {}).get("activeTargets", [])
        }
        series = {r["metric"]["group"]: int(float(r["value"][1])) for r in self.query("sales_series")}
        total = self.query('count({__name__=~"sales_.*"})')
        found = self._ask("alertmanager", "/api/v2/alerts?active=true") or []
        alerts = [{k: a["labels"][k] for k in ("alertname", "severity", "team") if k in a["labels"]} for a in found]
        return Summary(round(self.ready_seconds, 2), None if settled is None else round(settled, 2), self.data,
                       self.as_of, targets, series, int(float(total[0]["value"][1])) if total else 0,
                       sorted(alerts, key=lambda alert: alert["alertname"]))

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Result of an instant query; empty when Prometheus does not answer."""
        path = "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        result = self._ask("prometheus", path)
        return list(result.get("data", {}).get("result", [])) if isinstance(result, dict) else []

    def _ask(self, server: str, path: str) -> Any:
        try:
            with urllib.request.urlopen(self.layout.url(server) + path, timeout=5) as answer:  # noqa: S310
                return json.load(answer)
        except (urllib.error.URLError, OSError, ValueError):
            return {}

    def _check_data(self) -> None:
        state = self.layout.state()
        if self.data in EXAMPLES and self._folder is None and "loaded" not in state:
            raise StackError(f"--data {self.data} needs --data.path FOLDER, the folder of the data set's files; "
                             f"see examples/{self.data}/README.md for where they are from")
        present = state.get("data")
        if present not in (None, self.data):
            raise StackError(f"--storage.path {self.layout.storage} holds the data {present!r}, not {self.data!r}; "
                             "use another --storage.path, or remove that folder")

    def _check_ports(self) -> None:
        """Another server's answer on one of our ports would pass for ours."""
        for server in ("postgres", "exporter", "sidecar", "application", "prometheus", "alertmanager"):
            if server == "application" and self.data != "generated":
                continue
            port = self.layout.port(server)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    raise StackError(f"port {port} ({server}) is in use; is another stack running? "
                                     "--port-offset moves all ports") from None

    def _database(self) -> Login:
        with self._report.step("starting PostgreSQL"):
            self._postgres = Postgres(self.layout.storage / "postgres", self.layout.port("postgres"))
            self._postgres.start()
        return self._postgres.login()

    def _fill(self, superuser: Login, binaries: Binaries) -> None:
        """Schema and role always (both may have been improved since), data and past once."""
        state = self.layout.state()
        reader, recorder = filling.prepare(superuser, self._password("reader"), self._password("recorder"))
        self.layout.secret("reader.dsn", reader.dsn)
        self.layout.secret("recorder.dsn", recorder.dsn)
        self.layout.secret("owner.dsn", superuser.dsn)
        now = time.time()
        if "loaded" not in state:
            as_of = self._load(superuser, now)
            self.layout.remember(data=self.data, loaded=now, as_of=as_of)
        if self.data == "generated" and "past" not in state:
            past = filling.make_past(reader, binaries.promtool, self.layout.tsdb, now, self._report)
            self.layout.remember(past=asdict(past))
        self.as_of = self.layout.state().get("as_of")

    def _password(self, role: str) -> str:
        """The password of a role, made when there is none yet."""
        file = self.layout.secrets / f"{role}.password"
        if not file.exists():
            self.layout.secret(file.name, secrets.token_urlsafe(24))
        return file.read_text()

    def _load(self, superuser: Login, now: float) -> str | None:
        if self.data == "generated":
            filling.generate(superuser, now, self._report)
            return None
        if self.data == "none" or self._folder is None:
            return None
        with self._report.step(f"importing {self.data}") as progress:
            as_of = load_example(self.data, self._folder, superuser.dsn,
                                 lambda done, total, what: progress(done, total))
        return as_of.isoformat()

    def _exporter(self) -> None:
        command: list[str | Path] = [
            sys.executable, "-m", "sales_exporter", "serve",
            f"--web.listen-address=127.0.0.1:{self.layout.port('exporter')}",
            f"--database.dsn-file={self.layout.secrets / 'reader.dsn'}",
        ]
        if self.data in EXAMPLES:
            command.append(f"--config.file={shipped('examples') / self.data / 'sales-exporter.yml'}")
        # A moment of the past is computed in memory: there is nothing to go on with.
        command.append(f"--storage.path={(self.layout.storage / 'ledger').resolve()}" if self.as_of is None
                       else f"--as-of={self.as_of}")
        # In a folder of ours: a sales-exporter.yml in the caller's is not meant for the demo.
        self._children.start("exporter", command, folder=self.layout.storage,
                             ready_url=f"{self.layout.url('exporter')}/-/ready")
        if self.data == "generated":
            self._children.start("generator", [sys.executable, "-m", "sales_exporter", "generate", "--live",
                                               f"--dsn-file={self.layout.secrets / 'owner.dsn'}"])

    def _prometheus(self, binaries: Binaries) -> None:
        configuration = self.layout.place_configuration(application=self.data == "generated")
        command: list[str | Path] = [
            binaries.prometheus, f"--config.file={configuration}", f"--storage.tsdb.path={self.layout.tsdb}",
            "--storage.tsdb.retention.time=60d", "--storage.tsdb.retention.size=8GB",
            f"--web.listen-address=127.0.0.1:{self.layout.port('prometheus')}",
            "--rules.alert.for-grace-period=1m", *binaries.prometheus_flags(),
        ]
        self._children.start("prometheus", command, ready_url=f"{self.layout.url('prometheus')}/-/ready")

    def _alertmanager(self, binaries: Binaries) -> None:
        configuration = self.layout.configuration.resolve() / "prometheus" / "alertmanager.yml"
        command: list[str | Path] = [
            binaries.alertmanager, f"--config.file={configuration}",
            f"--storage.path={(self.layout.storage / 'alertmanager').resolve()}", "--data.maintenance-interval=15s",
            f"--web.listen-address=127.0.0.1:{self.layout.port('alertmanager')}", "--cluster.listen-address=",
        ]
        self._children.start("alertmanager", command, folder=binaries.alertmanager_folder,
                             ready_url=f"{self.layout.url('alertmanager')}/-/ready")

    def _sidecar(self) -> None:
        command: list[str | Path] = [
            sys.executable, "-m", "sales_exporter", "sidecar",
            f"--web.listen-address=127.0.0.1:{self.layout.port('sidecar')}",
            f"--prometheus.url={self.layout.url('prometheus')}",
            f"--alertmanager.url={self.layout.url('alertmanager')}",
            f"--storage.path={(self.layout.storage / 'sidecar').resolve()}",
            f"--watches={shipped('examples') / 'demo' / 'watches.yml'}",
        ]
        # On loopback and without users, whoever looks may act.
        desk = {"SALES_EXPORTER_SIDECAR_DESK_WITHOUT_LOGIN": "responder",
                "SALES_EXPORTER_SIDECAR_DESK_EXTERNAL_URL": self.layout.url("sidecar"),
                "SALES_EXPORTER_SIDECAR_DESK_GRAFANA_URL": self.layout.url("grafana")}
        # Ready once it has read weeks of the past, which nobody has to wait for.
        self._children.start("sidecar", command, folder=self.layout.storage, environment=desk,
                             ready_url=f"{self.layout.url('sidecar')}/-/healthy")

    def _grafana(self) -> None:
        program = shutil.which("grafana")
        if program is not None:
            environment = grafana.environment(
                shipped("grafana"), self.layout.storage / "grafana", self.layout.url("prometheus"),
                self.layout.url("alertmanager"), self.layout.port("grafana"))
            home = os.environ.get("GF_PATHS_HOME", "/usr/share/grafana")
            self._children.start("grafana", [program, "server", "--homepath", home], environment=environment,
                                 ready_url=f"{self.layout.url('grafana')}/api/health")


