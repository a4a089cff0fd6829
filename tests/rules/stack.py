"""The real servers over the shipped files, of which only timing, ports and receivers are changed."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import yaml
from aiohttp import web

from sales_exporter.demo.postgres import free_port
from tests.rules.rulebook import ROOT
from tests.support.binaries import Program

PATIENCE = 60.0
"""Seconds after which a condition that has not come true fails the test."""
RECEIVERS = ("platform", "sales-ops", "ml", "exec", "heartbeat")

Answer = TypeVar("Answer")


async def eventually(ask: Callable[[], Awaitable[Answer]], what: str) -> Answer:
    """The first answer that is true; asks five times a second."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        with contextlib.suppress(aiohttp.ClientError):
            answer = await ask()
            if answer:
                return answer
        await asyncio.sleep(0.2)
    raise AssertionError(f"not within {PATIENCE:.0f} s: {what}")


@dataclass
class Page:
    """A page of metrics that a test can change and take away, and the inbox of the webhooks."""

    text: str
    port: int = field(default_factory=free_port)
    notices: list[dict[str, Any]] = field(default_factory=list)
    _runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Start to answer."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_post("/notify/{receiver}", self._notify)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def close(self) -> None:
        """Stop to answer."""
        if self._runner is not None:
            await self._runner.cleanup()

    def told(self, receiver: str, alertname: str, status: str = "firing") -> list[dict[str, Any]]:
        """Alerts that a receiver was told about."""
        return [alert for notice in self.notices if notice["to"] == receiver for alert in notice["alerts"]
                if alert["labels"]["alertname"] == alertname and alert["status"] == status]

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(text=self.text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _notify(self, request: web.Request) -> web.Response:
        self.notices.append({**await request.json(), "to": request.match_info["receiver"]})
        return web.Response()


@dataclass
class Stack:
    """Prometheus and Alertmanager, with their files below ``folder``."""

    folder: Path
    prometheus: Program
    alertmanager: Program
    session: aiohttp.ClientSession
    ports: dict[str, int] = field(default_factory=lambda: {"prometheus": free_port(), "alertmanager": free_port()})
    processes: dict[str, Process] = field(default_factory=dict)

    def lay_out(self, page: int, inbox: int, hold: str, window: str) -> None:
        """Copy the shipped files, shorten their times and name the ports."""
        for name in ("prometheus", "alert_rules"):
            shutil.copytree(ROOT / name, self.folder / name)
        for path in (self.folder / "alert_rules").rglob("*.yml"):
            path.write_text(faster(path.read_text(), hold, window))
        config = self.folder / "prometheus/prometheus.yml"
        often = r"(scrape_interval|scrape_timeout|evaluation_interval): \S+"
        config.write_text(re.sub(often, r"\1: 1s", config.read_text()))
        # The page plays both: every rule groups, so that what is there twice counts once.
        ports = {"sales-exporter": page, "sidecar": page, **self.ports}
        for job, port in ports.items():
            # No cluster and no tenant: prometheus.yml has to supply both.
            (self.folder / f"prometheus/targets/{job}.yml").write_text(f"- targets: ['127.0.0.1:{port}']\n")
        routes = self.folder / "prometheus/alertmanager.yml"
        routes.write_text(routed(routes.read_text(), inbox))

    async def start_prometheus(self, *flags: str) -> None:
        """Start it and wait until it is ready."""
        await self._start("prometheus", self.prometheus, f"--config.file={self.folder}/prometheus/prometheus.yml",
                          f"--storage.tsdb.path={self.folder}/tsdb", *flags)

    async def start_alertmanager(self) -> None:
        """Start it and wait until it is ready."""
        await self._start("alertmanager", self.alertmanager, f"--config.file={self.folder}/prometheus/alertmanager.yml",
                          f"--storage.path={self.folder}/alertmanager", "--data.maintenance-interval=15s",
                          "--cluster.listen-address=")

    async def kill(self, name: str) -> None:
        """SIGKILL, and wait for its end."""
        process = self.processes.pop(name)
        process.kill()
        await process.wait()

    async def get(self, name: str, path: str) -> Any:
        """JSON of a server."""
        async with self.session.get(f"http://127.0.0.1:{self.ports[name]}{path}") as answer:
            return await answer.json()

    async def alert(self, alertname: str, state: str) -> dict[str, Any] | None:
        """The alert of that name at the Alertmanager, if it is in that state (active or suppressed)."""
        found = await self.get("alertmanager", "/api/v2/alerts")
        return next((a for a in found if a["labels"]["alertname"] == alertname and a["status"]["state"] == state), None)

    async def _start(self, name: str, program: Program, *flags: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = await asyncio.create_subprocess_exec(
                program.path, *flags, f"--web.listen-address=127.0.0.1:{self.ports[name]}",
                cwd=program.data_folder or self.folder, stdout=log, stderr=log)

        async def ready() -> bool:
            assert self.processes[name].returncode is None, (self.folder / f"{name}.log").read_text()[-2_000:]
            async with self.session.get(f"http://127.0.0.1:{self.ports[name]}/-/ready") as answer:
                return answer.status == 200

        await eventually(ready, f"{name} is ready")


def routed(routes: str, inbox: int) -> str:
    """The shipped routes with groups that wait for a second, to webhooks at the inbox's port."""
    tree = yaml.safe_load(re.sub(r"(group_wait|group_interval): \S+", r"\1: 1s", routes))
    notify = f"http://127.0.0.1:{inbox}/notify"
    tree["receivers"] = [{"name": name, "webhook_configs": [{"url": f"{notify}/{name}"}]} for name in RECEIVERS]
    return str(yaml.safe_dump(tree))


def faster(rules: str, hold: str, window: str) -> str:
    """Rules that wait for ``hold`` where they waited for minutes, and look back for ``window`` instead of 30 s."""
    rules = re.sub(r"^    interval: \d+[smhd]$", "    interval: 1s", rules, flags=re.M)
    rules = re.sub(r"( keep_firing_for): \S+", r"\1: 1s", rules)
    return re.sub(r"( for): \d+[mhd]$", rf"\1: {hold}", rules, flags=re.M).replace("[30s]", f"[{window}]")


@contextlib.asynccontextmanager
async def running(folder: Path, prometheus: Program, alertmanager: Program, page: Page, inbox: Page, *flags: str,
                  hold: str = "1s", window: str = "3s") -> AsyncIterator[Stack]:
    """Both servers, a page and an inbox, for the length of a block."""
    async with aiohttp.ClientSession() as session:
        stack = Stack(folder, prometheus, alertmanager, session)
        try:
            await page.open()
            await inbox.open()
            stack.lay_out(page.port, inbox.port, hold, window)
            await stack.start_alertmanager()
            await stack.start_prometheus(*flags)
            yield stack
        finally:
            for name in list(stack.processes):
                await stack.kill(name)
            await page.close()
            await inbox.close()
