"""From a row in the database to a webhook: an incident of the demo's generator, found and told by real servers.

Real: PostgreSQL, the generator and its live mode, the collectors, the exporter, Prometheus with two weeks of blocks
made as ``up`` makes them (of calls alone), the shipped watch, the sidecar, the Alertmanager with the shipped routes,
and webhooks.

Compressed: the generator's clock runs two minutes a second, so that an hour's calls come in half a minute; the
company's afternoon is moved to now, whatever the time of day is; the sidecar ticks each two seconds, and groups wait
for one. An alarm lasts for a quarter of an hour at least and its windows for an hour, so the end of an incident is
judged in an earlier one that the same live mode wrote, with a clock that is moved on.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import yaml

from sales_exporter.config import Settings
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.sidecar.fleet.budget import HOLD
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.judging.judge import Judge
from sales_exporter.sidecar.outbox import Alertmanager, Outbox
from sales_exporter.sidecar.watches.files import shipped
from sales_exporter.stats.special import betainc
from tests.support import shop as shops
from tests.support.binaries import Program
from tests.support.clocks import FakeClock
from tests.support.company import HOUR, Moved, afternoon, exporter, load, make_past, outage, writing
from tests.support.databases import Database, Databases
from tests.support.shop import GROUP_WAIT, INTERVAL, Shop, Sidecar, eventually, started

pytestmark = [pytest.mark.stack, pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(600)]

MINUTE = 60.0
SPEED = 120.0
IN_TIME = 2 * INTERVAL + GROUP_WAIT + 5
USUAL = 0.03
"""Largest share of failed calls of any kind of call, by the generator."""
PROVEN = 1e-9
"""Chance of so many failed calls, from which on an incident counts as detectable."""
NEWS = 1e-4
"""The same, above which there is nothing to be told."""
STEP = 5 * MINUTE
KINDS = {"direction": {"inbound", "outbound"}, "agent_kind": {"ai", "human"}}


@dataclass(frozen=True)
class Site:
    """A company whose afternoon has come, and the servers around it."""

    database: Database
    folder: Path
    inbox: Shop
    prometheus: str
    alertmanager: str
    noon: float
    """Until when there is a past, by the generator's clock."""
    moved: float
    """What is added to its moments in Prometheus."""

    def settings(self, interval: float) -> dict[str, object]:
        """Of a sidecar."""
        return {"sidecar": {
            "prometheus": {"url": self.prometheus}, "alertmanagers": [self.alertmanager], "interval": interval,
            "history": "2w", "watches": [str(self.folder / "watches.yml")], "default_watches": False}}


@pytest.fixture(scope="module")
def site(databases: Databases, prometheus: Program, promtool: Program, alertmanager: Program,
         tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, database, inbox = tmp_path_factory.mktemp("company"), databases.fresh(), Shop()
    noon = afternoon(time.time())
    load(database, noon - 7 * HOUR)

    async def morning() -> None:
        async with writing(database, Moved(noon, 0.0), outage(noon - 6 * HOUR, 2)):
            pass

    asyncio.run(morning())
    [watch] = [one for one in shipped() if one.name == "call_failure_ratio"]
    text = yaml.safe_dump({"watches": [watch.model_dump(mode="json", exclude_unset=True)]})
    (folder / "watches.yml").write_text(text)
    moved = time.time() // MINUTE * MINUTE - noon
    make_past(promtool, database, folder / "tsdb", noon, moved)
    with exporter(folder, database) as page, inbox.open() as port, \
            shops.alertmanager(alertmanager, folder, port) as receiver:
        (folder / "prometheus.yml").write_text(yaml.safe_dump({
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "sales-exporter", "static_configs": [{
                "targets": [f"127.0.0.1:{page}"],
                "labels": {"instance": "exporter", "cluster": "demo", "tenant": "default"}}]}]}))
        with shops.server("prometheus", prometheus, folder, f"--config.file={folder}/prometheus.yml",
                          f"--storage.tsdb.path={folder}/tsdb", "--storage.tsdb.retention.time=10y") as server:
            yield Site(database, folder, inbox, server, receiver, noon, moved)


async def test_an_incident_in_the_data_is_told_in_time(site: Site) -> None:
    folder = site.folder / "sidecar"
    folder.mkdir()
    (folder / "sales-exporter.yml").write_text(yaml.safe_dump(site.settings(INTERVAL)))
    sidecar = Sidecar(folder, folder / "sales-exporter.yml", folder / "storage")
    with started(sidecar):
        await asyncio.to_thread(sidecar.judges, 1, 400)
        clock = Moved(site.noon, SPEED)
        async with writing(site.database, clock):
            await asyncio.to_thread(sidecar.judges, 8)
            assert site.inbox.told("firing") == []
        began = time.time()
        async with writing(site.database, clock, outage(clock.now(), 3)):
            told = await asyncio.to_thread(first, site.inbox, "firing")
    at = time.time() - (time.monotonic() - told[0])
    chances = chance(site.prometheus, began, at)
    assert min(chances.values()) < NEWS
    assert all(found > PROVEN for when, found in chances.items() if when < at - IN_TIME)
    check(told[1])
    said = told[1]["annotations"]
    value = percent(said["value"])
    low, high = (percent(part) for part in said["expected"].split(" to "))
    assert low <= 100 * USUAL <= high < value


async def test_the_end_of_an_incident_is_told(site: Site, alertmanager: Program, tmp_path: Path) -> None:
    """An alarm lasts for a quarter of an hour at least: here a morning is judged that is over.

    By an Alertmanager of its own: to another one the same alert may be known already.
    """
    inbox = Shop()
    with inbox.open() as port, shops.alertmanager(alertmanager, tmp_path, port) as receiver:
        await told_of_the_morning(replace(site, inbox=inbox, alertmanager=receiver))


async def told_of_the_morning(site: Site) -> None:
    """Judge the morning's incident and hear of its begin and its end."""
    began, over = site.noon - 6 * HOUR + site.moved, site.noon - 4 * HOUR + site.moved
    settings, clock = Settings.model_validate(site.settings(STEP)), FakeClock(began - 2 * HOUR)
    receiver = Alertmanager(site.alertmanager, aiohttp.ClientSession, SystemClock())
    outbox = Outbox(None, [receiver], SystemClock())
    sending = asyncio.create_task(outbox.run())
    onset = ended = 0.0
    try:
        async with Client(settings.sidecar.prometheus, SystemClock()) as client:
            judge = Judge(settings, client, clock, lambda _: None)
            while not onset and clock.now() < over:
                onset = await tell(outbox, judge, clock)
                onset = onset if outbox.active() else 0.0
            told = await asyncio.to_thread(first, site.inbox, "firing")
            while outbox.active() and clock.now() < over + 3 * HOUR:
                ended = await tell(outbox, judge, clock)
        await asyncio.to_thread(first, site.inbox, "resolved")
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await outbox.close()
    check(told[1])
    assert began < onset <= began + HOUR
    assert over < ended <= over + HOUR + HOLD + 2 * STEP


def first(inbox: Shop, status: str) -> tuple[float, dict[str, Any]]:
    """The first notice of the watch with that status."""
    found = eventually(
        lambda: [one for one in inbox.notices if one[1]["status"] == status
                 and one[1]["labels"]["watch"] == "call_failure_ratio"], f"{status} is told", 120)
    return found[0]


def check(alert: dict[str, Any]) -> None:
    """The right watch, entity and reason."""
    assert alert["labels"].items() >= {
        "alertname": "SalesAnomaly", "watch": "call_failure_ratio", "team": "platform", "category": "availability",
        "service": "calls", "cluster": "demo", "tenant": "default"}.items()
    # What the first of several series that began together share; all kinds of calls share nothing.
    entity = dict(part.split("=") for part in alert["labels"].get("entity", "").split(", ") if part)
    assert all(value in KINDS[name] for name, value in entity.items())
    assert "high" in alert["annotations"]["reason"]


def percent(text: str) -> float:
    """The number of a share in words."""
    number, sign = text.split()
    assert sign == "%"
    return float(number)


def chance(url: str, began: float, until: float) -> dict[float, float]:
    """By moment, the smallest binomial chance of what Prometheus held of any series.

    From the rows that were scraped and the generator's odds alone: nothing of what the sidecar learned is in it.
    """
    [watch] = [one for one in shipped() if one.name == "call_failure_ratio"]
    assert watch.denominator is not None
    shares, cases = ranges(url, watch.query, began, until), ranges(url, watch.denominator, began, until)
    found: dict[float, float] = {}
    for labels, series in shares.items():
        for at, share in series.items():
            count = cases.get(labels, {}).get(at, 0.0)
            failed = share * count
            if failed:
                found[at] = min(found.get(at, 1.0), float(betainc(failed, count - failed + 1, USUAL)))
    return found


def ranges(url: str, query: str, start: float, end: float) -> dict[str, dict[float, float]]:
    """Samples of each second by series."""
    words = {"query": query, "start": np.ceil(start), "end": end, "step": 1}
    answer = json.loads(shops.fetch(f"{url}/api/v1/query_range?{urllib.parse.urlencode(words)}"))
    return {json.dumps(one["metric"], sort_keys=True): {float(at): float(value) for at, value in one["values"]}
            for one in answer["data"]["result"]}


async def tell(outbox: Outbox, judge: Judge, clock: FakeClock) -> float:
    """One tick, and what follows from it: its moment. What is over is over as of now for Alertmanager."""
    await clock.advance(STEP)
    report = await judge.tick(clock.now() // STEP * STEP)
    assert report.judged
    await outbox.raise_(report.alerts)
    standing = {alert.fingerprint for alert in report.alerts}
    await outbox.resolve([one.fingerprint for one in outbox.active() if one.fingerprint not in standing], time.time())
    return report.at
