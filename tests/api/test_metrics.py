"""From the rows of a company to the API: a real exporter's /metrics, a real Prometheus and the API say the same."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from sales_exporter.config import Web
from sales_exporter.demo import generator
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.runtime.web import serve
from tests.api.desk import holding
from tests.api.serving import api
from tests.support.binaries import Program, prometheus
from tests.support.clocks import FakeClock
from tests.support.databases import Databases
from tests.support.exporting import ready, serving
from tests.support.shop import eventually, fetch, server
from tests.support.web import ask, where

__all__ = ["prometheus"]

pytestmark = [pytest.mark.stack, pytest.mark.slow]

Samples = list[tuple[str, dict[str, str], float]]
WINDOW, MONEY = {"window": "30d"}, {"currency": "EUR"}


@dataclass(frozen=True, slots=True)
class Said:
    """What one field is made from: a metric and labels; several series are added up."""

    metric: str
    labels: Mapping[str, str]
    bounds: bool = False


FIELDS = {
    "key_metrics.revenue_won": Said("sales_revenue_won", WINDOW | MONEY),
    "key_metrics.spend": Said("sales_spend", WINDOW | MONEY),
    "key_metrics.open_pipeline": Said("sales_pipeline_value", MONEY),
    "key_metrics.time_to_win": Said("sales_cycle_time_seconds", {"q": "0.5", "result": "won"}),
    "pipeline.weighted_value": Said("sales_pipeline_weighted_value", MONEY | {"weights": "learned"}, bounds=True),
    "funnel.open_leads": Said("sales_stage_open", {}),
    "calls.calls": Said("sales_call_attempts", WINDOW),
    "calls.connect_ratio_ai": Said("sales_call_answer_ratio", WINDOW | {"agent_kind": "ai", "direction": "outbound"},
                                   bounds=True),
    "models.labels_pending": Said("sales_model_labels", {"state": "pending"}),
    "system.collectors_failing.n": Said("sales_exporter_collector_success", {}),
}


@asynccontextmanager
async def scraping(program: Program, folder: Path, port: int) -> AsyncIterator[str]:
    """A Prometheus that scrapes a page each second, with the labels that the shipped configuration gives."""
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [{
        "job_name": "sales-exporter", "static_configs": [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"cluster": "demo", "tenant": "default"}}]}]}))
    opened = server("prometheus", program, folder, f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb")
    url = await asyncio.to_thread(opened.__enter__)
    try:
        yield url
    finally:
        await asyncio.to_thread(opened.__exit__, None, None, None)


def parsed(page: str) -> Samples:
    return [(sample.name, sample.labels, sample.value) for family in text_string_to_metric_families(page)
            for sample in family.samples]


def total(samples: Samples, metric: str, labels: Mapping[str, str]) -> float:
    found = [value for name, own, value in samples if name == metric and labels.items() <= own.items()]
    assert found, metric
    return sum(found)


async def test_metrics_prometheus_and_the_api_say_the_same(
    databases: Databases, prometheus: Program, tmp_path: Path
) -> None:
    database, now = databases.fresh(), time.time() // 60 * 60
    made = generator.demo(until=datetime.fromtimestamp(now, UTC), leads=1_500, days=120, seed=5, incidents=())
    generator.load(database.owner.dsn, generator.generate(made)[0], lambda done, total, what: None)
    clock = FakeClock(now)
    async with serving(database.reader.dsn, clock) as exporter:
        await ready(exporter, clock, 120)
        running = await serve(exporter, Web(listen_address=("127.0.0.1:0",)))
        _, port = where(running)
        try:
            page = parsed(await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/metrics"))
            async with scraping(prometheus, tmp_path, port) as url:
                await asyncio.to_thread(
                    eventually, lambda: "EUR" in fetch(f"{url}/api/v1/query?query=sales_revenue_won"), "it is scraped")
                async with api(url, holding(), SystemClock()) as address:
                    found = [json.loads((await ask(address, f"/api/dashboard/{path}")).body)
                             for path in ("performance/current", "business/comprehensive")]
        finally:
            await running.close()
    answers: dict[str, dict[str, Any]] = {key: value for answer in found for key, value in answer.items()
                                          if isinstance(value, dict)}
    for name, said in FIELDS.items():
        section, field, part = (*name.split("."), "value")[:3]
        answer = answers[section][field]
        assert answer["state"] == "ok", name
        if part == "n":
            assert answer["n"] == sum(one == said.metric for one, _, _ in page), name
        else:
            assert answer["value"] == pytest.approx(total(page, said.metric, said.labels), rel=1e-12), name
        if said.bounds:
            assert [answer["lower"], answer["upper"]] == [
                total(page, f"{said.metric}_{bound}", said.labels) for bound in ("lower", "upper")], name
