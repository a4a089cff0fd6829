"""Real Alertmanagers over the shipped routes, as one cluster, and an inbox for their notices."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from sales_exporter.demo.postgres import free_port
from tests.rules.rulebook import ROOT
from tests.rules.stack import Page, eventually, routed
from tests.support.binaries import Program


@dataclass
class Cluster:
    """Alertmanagers by number; each can be killed and started again with the state that it left."""

    folder: Path
    program: Program
    session: aiohttp.ClientSession
    ports: list[int]
    gossip: list[int]
    """Ports that they talk to each other on; none when they cannot."""
    processes: dict[int, Process] = field(default_factory=dict)

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    async def start(self, number: int) -> None:
        """Start one and wait until it is ready."""
        flags = [f"--config.file={self.folder}/prometheus/alertmanager.yml", f"--storage.path={self.folder}/{number}",
                 f"--web.listen-address=127.0.0.1:{self.ports[number]}", "--data.maintenance-interval=1s"]
        if self.gossip:
            flags += [f"--cluster.listen-address=127.0.0.1:{self.gossip[number]}", "--cluster.settle-timeout=2s",
                      "--cluster.peer-timeout=2s", "--cluster.gossip-interval=50ms",
                      *(f"--cluster.peer=127.0.0.1:{port}" for port in self.gossip)]
        else:
            flags += ["--cluster.listen-address="]
        with (self.folder / f"{number}.log").open("ab") as log:
            self.processes[number] = await asyncio.create_subprocess_exec(
                self.program.path, *flags, cwd=self.program.data_folder or self.folder, stdout=log, stderr=log)

        async def ready() -> bool:
            assert self.processes[number].returncode is None, (self.folder / f"{number}.log").read_text()[-2_000:]
            async with self.session.get(f"{self.urls[number]}/-/ready") as answer:
                return answer.status == 200

        await eventually(ready, f"Alertmanager {number} is ready")

    async def kill(self, number: int) -> None:
        """SIGKILL, and wait for its end."""
        process = self.processes.pop(number)
        process.kill()
        await process.wait()

    async def shown(self, number: int = 0) -> list[dict[str, Any]]:
        """The alerts that one shows, firing ones only."""
        async with self.session.get(f"{self.urls[number]}/api/v2/alerts") as answer:
            return list(await answer.json())


@contextlib.asynccontextmanager
async def cluster(
    folder: Path, program: Program, inbox: Page, size: int = 1, *, apart: bool = False
) -> AsyncIterator[Cluster]:
    """Alertmanagers and their inbox, for the length of a block; ``apart`` is a network that parts them all."""
    async with aiohttp.ClientSession() as session:
        ports = [free_port() for _ in range(2 * size)]
        found = Cluster(folder, program, session, ports[:size], [] if apart or size == 1 else ports[size:])
        shutil.copytree(ROOT / "prometheus", folder / "prometheus")
        routes = folder / "prometheus/alertmanager.yml"
        routes.write_text(routed(routes.read_text(), inbox.port))
        try:
            await inbox.open()
            await asyncio.gather(*(found.start(number) for number in range(size)))
            yield found
        finally:
            for number in list(found.processes):
                await found.kill(number)
            await inbox.close()
