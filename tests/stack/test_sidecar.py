"""The sidecar as users run it: a real Prometheus with two weeks of past, a real Alertmanager, and what may go wrong."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

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
from tests.support import shop as shops
from tests.support.binaries import Program
from tests.support.clocks import FakeClock
from tests.support.proxy import Proxy
from tests.support.shop import GROUP_WAIT, INTERVAL, Floats, Shop, Sidecar, eventually, gone, started

pytestmark = [pytest.mark.stack, pytest.mark.slow]

IN_TIME = 2 * INTERVAL + GROUP_WAIT + 5
MINUTE = 60.0
STEP = 5 * MINUTE
BEGINS, ENDS = 75 * MINUTE, 50 * MINUTE
"""Before the end of the blocks: an incident that is over."""


@dataclass(frozen=True)
class World:
    """Everything around the sidecar, and a state that it wrote."""

    shop: Shop
    folder: Path
    prometheus: str
    alertmanager: str
    end: float

    def sidecar(self, name: str, *flags: str, learned: bool = True, prometheus: str | None = None) -> Sidecar:
        """One with files of its own, and what another has learned."""
        folder = self.folder / name
        folder.mkdir()
        if learned:
            shutil.copytree(self.folder / "learned/storage", folder / "storage")
        (folder / "sales-exporter.yml").write_text(self.settings(prometheus or self.prometheus))
        return Sidecar(folder, folder / "sales-exporter.yml", folder / "storage", flags)

    def settings(self, prometheus: str) -> str:
        """The text of a configuration."""
        return yaml.safe_dump({"sidecar": {
            "prometheus": {"url": prometheus}, "alertmanagers": [self.alertmanager], "interval": INTERVAL,
            "history": "2w", "watches": [str(self.folder / "watches.yml")], "default_watches": False}})


def watch(name: str, query: str) -> dict[str, object]:
    return {"name": name, "title": "open orders", "query": query, "kind": "gauge", "by": ["shop"], "direction": "up",
            "weight": 2, "min_effect_percent": 20, "team": "sales-ops", "category": "business", "service": "shop"}


def over(times: Floats) -> Floats:
    """The past of a series in which something went wrong for a while."""
    end = times[-1]
    wrong = (times > end - BEGINS) & (times <= end - ENDS)
    return shops.usual(0, times) * np.where(wrong, 3.0, 1.0)


@pytest.fixture(scope="module")
def world(prometheus: Program, promtool: Program, alertmanager: Program,
          tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder, shop, end = tmp_path_factory.mktemp("shop"), Shop(), time.time() // 60 * 60
    (folder / "watches.yml").write_text(yaml.safe_dump({"watches": [
        watch("orders", "max by (shop) (shop_orders)")]}))
    shops.write_blocks(promtool, folder, end, {'story{shop="north"}': over})
    with shop.open() as port, shops.prometheus(prometheus, folder, port) as server, \
            shops.alertmanager(alertmanager, folder, port) as receiver:
        yield World(shop, folder, server, receiver, end)


@pytest.fixture(scope="module")
def learned(world: World) -> World:
    """A world in which a first sidecar has read the past, and was stopped; nothing of it is left."""
    sidecar = world.sidecar("learned", learned=False)
    with started(sidecar):
        sidecar.judges(seconds=120)
        family = sidecar.family
        assert len(family) >= 2
        assert sidecar.stop() == 0, sidecar.said
        assert gone(family, 5)
    assert world.shop.notices == []
    return world


@pytest.fixture(autouse=True)
def usual_again(world: World) -> Iterator[None]:
    """What a test changes in the shop does not outlast it."""
    yield
    world.shop.factors.clear()


def active(world: World) -> list[dict[str, object]]:
    return list(json.loads(shops.fetch(f"{world.alertmanager}/api/v2/alerts")))


def test_a_start_reads_the_past_and_sigterm_leaves_no_process(learned: World) -> None:
    assert {"history.npz", "budget.npz"} <= {
        file.name for file in (learned.folder / "learned/storage/judge").iterdir()}


def test_an_incident_is_told_in_time_and_a_restart_keeps_it(learned: World) -> None:
    world, sidecar = learned, learned.sidecar("incident")
    with started(sidecar):
        sidecar.judges(2)
        began = time.monotonic()
        world.shop.factors["east"] = 3.0
        [(at, told), *_] = eventually(lambda: world.shop.told("firing", watch="orders"), "the incident is told")
        assert at - began <= IN_TIME
        assert told["labels"].items() >= {"alertname": "SalesAnomaly", "entity": "shop=east", "team": "sales-ops",
                                          "severity": "critical"}.items()
        said = told["annotations"]
        assert "high" in said["reason"]
        low, high = (float(part) for part in said["expected"].split(" to "))
        usual = float(shops.usual(1, np.array(time.time())))
        assert 0.7 * usual < low < usual < high < 1.3 * usual
        [before] = active(world)
        assert sidecar.stop() == 0

        sidecar.start()
        sidecar.judges(3)
        assert 'msg="state used"' in sidecar.said
        first = sidecar.metric("sales_sidecar_tick_duration_seconds")
        assert first is not None
        assert first < 2
        [after] = active(world)
        assert (after["startsAt"], after["fingerprint"]) == (before["startsAt"], before["fingerprint"])
        assert len(world.shop.told("firing", watch="orders")) == 1


def test_without_push_the_finding_is_published_and_nobody_is_told(learned: World) -> None:
    world, sidecar = learned, learned.sidecar("silent", "--no-push")
    with started(sidecar):
        sidecar.judges(2)
        world.shop.factors["west"] = 3.0
        # What another test changed in another shop may still stand; then this one joins its cause.
        eventually(lambda: sidecar.metric("sales_anomaly_active", watch="orders", series=r'shop=\"west\"'),
                   "the series alarms")
        eventually(lambda: sidecar.metric("sales_finding_active", watch="orders", kind="anomaly"),
                   "the finding is published")
        sidecar.judges(2)
        assert sidecar.metric("sales_sidecar_push") == 0
        assert world.shop.told("firing", entity="shop=west") == []


def test_a_judging_process_that_is_killed_is_survived(learned: World) -> None:
    sidecar = learned.sidecar("judge")
    with started(sidecar):
        sidecar.judges()
        killed = sidecar.judge
        killed.kill()
        sidecar.judges()
        assert sidecar.metric("sales_sidecar_worker_restarts_total") == 1
        assert sidecar.ticks("failed") <= 1
        assert sidecar.judge.pid != killed.pid


def test_a_configuration_that_is_wrong_leaves_the_old_one_in_force(learned: World) -> None:
    sidecar = learned.sidecar("reload")
    with started(sidecar):
        sidecar.judges()
        judge, text = sidecar.judge, sidecar.config.read_text()
        sidecar.config.write_text("sidecar: {interval: never}\n")
        sidecar.send(signal.SIGHUP)
        eventually(lambda: "configuration not reloaded" in sidecar.said, "the reload is refused")
        sidecar.judges()
        assert sidecar.judge == judge
        sidecar.config.write_text(text.replace("interval: 2.0", "interval: 3.0"))
        sidecar.send(signal.SIGHUP)
        eventually(lambda: sidecar.metric("sales_sidecar_tick_interval_seconds") == 3.0, "the reload is in force")


def test_the_judging_process_ends_with_the_serving_one(learned: World) -> None:
    sidecar = learned.sidecar("serving")
    with started(sidecar):
        sidecar.judges()
        family = sidecar.family
        sidecar.send(signal.SIGKILL)
        assert gone(family)


async def test_without_prometheus_it_serves_at_once_and_judges_when_it_comes(learned: World) -> None:
    port = int(learned.prometheus.rpartition(":")[2])
    async with Proxy(port) as proxy:
        proxy.set("refuse")
        sidecar = learned.sidecar("absent", prometheus=f"http://127.0.0.1:{proxy.port}")
        with started(sidecar):
            await asyncio.to_thread(
                eventually, lambda: sidecar.ticks("failed") >= 2, "ticks without Prometheus are counted")
            assert sidecar.ticks() == 0
            assert sidecar.metric("sales_sidecar_last_tick_timestamp_seconds") is None
            proxy.set("pass")
            await asyncio.to_thread(sidecar.judges, 2)


async def test_what_is_back_to_usual_is_told_as_over(world: World) -> None:
    """An alarm lasts for a quarter of an hour at least: here they are those of a past that is judged."""
    folder, clock = world.folder / "story", FakeClock(world.end - 120 * MINUTE)
    folder.mkdir()
    (folder / "watches.yml").write_text(yaml.safe_dump({"watches": [watch("story", "story")]}))
    settings = Settings.model_validate({"sidecar": {
        "prometheus": {"url": world.prometheus}, "history": "2w", "default_watches": False, "interval": STEP,
        "watches": [str(folder / "watches.yml")]}})
    receiver = Alertmanager(world.alertmanager, aiohttp.ClientSession, SystemClock())
    outbox = Outbox(None, [receiver], SystemClock())
    sending = asyncio.create_task(outbox.run())
    ended = 0.0
    try:
        async with Client(settings.sidecar.prometheus, SystemClock()) as client:
            judge = Judge(settings, client, clock, lambda _: None)
            while clock.now() < world.end - ENDS:
                await tell(outbox, judge, clock)
            [(_, told)] = await asyncio.to_thread(
                eventually, lambda: world.shop.told("firing", watch="story"), "it is told")
            while outbox.active() and clock.now() < world.end:
                ended = await tell(outbox, judge, clock)
        await asyncio.to_thread(eventually, lambda: world.shop.told("resolved", watch="story"), "its end is told")
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await outbox.close()
    began = datetime.fromisoformat(told["startsAt"]).timestamp()
    assert began == pytest.approx(world.end - BEGINS, abs=2 * STEP)
    assert ended == pytest.approx(world.end - ENDS + HOLD, abs=2 * STEP)


async def tell(outbox: Outbox, judge: Judge, clock: FakeClock) -> float:
    """One tick, and what follows from it: its moment. What is over is over as of now for Alertmanager."""
    await clock.advance(STEP)
    report = await judge.tick(clock.now() // STEP * STEP)
    assert report.judged
    await outbox.raise_(report.alerts)
    standing = {alert.fingerprint for alert in report.alerts}
    await outbox.resolve([one.fingerprint for one in outbox.active() if one.fingerprint not in standing], time.time())
    return report.at
