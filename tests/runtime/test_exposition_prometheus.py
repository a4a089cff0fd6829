"""Hostile labels and every kind of metric, scraped by a real Prometheus in both formats."""

from __future__ import annotations

import asyncio
import json
import shutil
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sales_exporter.demo.postgres import free_port
from sales_exporter.model import Distribution, Sample, counter, gauge, histogram
from sales_exporter.runtime.endpoints import CONTENT_TYPES
from sales_exporter.runtime.exposition import Format, Renderer, join
from tests.support.strategies import HOSTILE
from tests.support.web import Shown, site

pytestmark = pytest.mark.stack

TEXTS = gauge("sales_hostile_info", 'Quotes " and \\ and\nlines.', "text")
MOVES = counter("sales_moves_seconds_total", "Moves.", "stage")
CALLS = histogram("sales_call_seconds", "Calls.", "kind", bounds=(0.5, 30, 2_500_000))

SENT: list[Sample] = [
    *[TEXTS(number, text=text) for number, text in enumerate(HOSTILE)],
    MOVES(12.5, stage="won"),
    CALLS(Distribution((1, 2, 3, 4), 99.5), kind="ai"),
]


@asynccontextmanager
async def prometheus(folder: Path, targets: dict[str, str]) -> AsyncIterator[str]:
    """A Prometheus that scrapes the targets each second, by job name. Gives its address."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not on PATH")
    jobs = [{"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()]
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    address = f"127.0.0.1:{free_port()}"
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}", stdout=log, stderr=log)
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        await process.wait()


async def result(address: str, query: str, rows: int) -> list[dict[str, Any]]:
    """The rows of an instant query, once there are that many."""
    url = f"{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"

    def read() -> list[dict[str, Any]]:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return list(json.load(answer)["data"]["result"])

    async with asyncio.timeout(40):
        while True:
            try:
                found = await asyncio.to_thread(read)
            except OSError:
                found = []
            if len(found) >= rows:
                return found
            await asyncio.sleep(0.2)


@asynccontextmanager
async def only(kind: Format) -> AsyncIterator[str]:
    """A target that speaks one format whatever it is asked for. Gives host and port."""
    body = join([Renderer().render(SENT)], kind, packed=True)

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPES[kind], "Content-Encoding": "gzip"})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "{}:{}".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


async def test_r11_prometheus_stores_hostile_labels_and_all_kinds_as_sent(tmp_path: Path) -> None:
    shown = Shown(SENT)
    async with only("text") as text, only("openmetrics") as openmetrics, site(shown) as (host, port):
        targets = {"text": text, "openmetrics": openmetrics, "ours": f"{host}:{port}"}
        async with prometheus(tmp_path, targets) as address:
            for job in targets:
                found = await result(address, f'sales_hostile_info{{job="{job}"}}', len(HOSTILE))
                got = {row["metric"].get("text", ""): float(row["value"][1]) for row in found}
                # Later texts that are cut to the same label are duplicates; the first is kept.
                assert got == {sample.labels[0]: sample.value for sample in reversed(SENT[: len(HOSTILE)])}
                (moves,) = await result(address, f'sales_moves_seconds_total{{job="{job}"}}', 1)
                assert moves["value"][1] == "12.5"
                buckets = await result(address, f'sales_call_seconds_bucket{{job="{job}"}}', 4)
                assert {row["metric"]["le"]: row["value"][1] for row in buckets} == {
                    "0.5": "1", "30.0": "3", "2.5e+06": "6", "+Inf": "10"}
                (total,) = await result(address, f'sales_call_seconds_sum{{job="{job}"}}', 1)
                assert total["value"][1] == "99.5"
    assert {(kind, packed) for kind, packed, _ in shown.asked} == {("openmetrics", True)}
