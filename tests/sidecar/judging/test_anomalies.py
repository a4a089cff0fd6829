"""From a query API to bands and alerts: what is published, what an alert says, and what a restart knows."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from sales_exporter.config import Limits, QueryApi, build
from sales_exporter.errors import SourceUnavailable
from sales_exporter.model import Sample
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.history.history import Scope
from sales_exporter.sidecar.judging.anomalies import Anomalies, published
from sales_exporter.sidecar.outbox.alert import Alert
from tests.sidecar.history.api import Api, refusing, serving
from tests.sidecar.judging.judgements import DAY, NOON, watch
from tests.support.clocks import FakeClock

pytestmark = [pytest.mark.slow]

STEP, DAYS = 900.0, 5
LEADS = watch("leads", title="Leads per hour", by=("channel",), team="sales", category="leads", service="web",
              dashboard="sales-leads", money=20.0, runbook="docs/leads.md")
QUIET, LOUD = {"channel": "phone", "tenant": "acme"}, {"channel": "email", "tenant": "acme"}


def daily(level: float, name: str, fallen: float = math.inf) -> Callable[[float], float]:
    """A day's rhythm with noise; a tenth of it from a moment on."""
    def value(at: float) -> float:
        noise = Random(f"{name} {at}").gauss(0, 0.03)
        return level * (1 + 0.3 * math.sin(2 * math.pi * at / DAY) + noise) * (0.1 if at >= fallen else 1.0)
    return value


@dataclass(frozen=True)
class Seen:
    """What there was after each tick, and the ranges that were asked for before the first."""

    alerts: list[list[Alert]]
    samples: list[list[Sample]]
    settled: list[bool]
    series: list[dict[str, int]]
    ranges: int


async def watched(folder: Path | None, ticks: int, begin: float = NOON, save: bool = False) -> Seen:
    """So many ticks from a moment on; leads by email fall at NOON + STEP."""
    clock = FakeClock(begin + 30)
    api = Api(clock, {"leads": [(LOUD, daily(100, "email", NOON + STEP)), (QUIET, daily(50, "phone"))]})
    settings = build({"sidecar": {"interval": STEP, "cluster": "shop"}}, "test")
    seen = Seen([], [], [], [], 0)
    async with serving(api), Client(QueryApi(url=api.url), clock) as client:
        made = Anomalies(client, [LEADS], settings, clock, folder, Scope(interval=STEP, past=DAYS * DAY),
                         lambda done, total: None)
        for number in range(ticks):
            await made.tick(begin + STEP * number)
            seen.alerts.append([one.alert for one in made.standing()])
            seen.samples.append(list(made.samples()))
            seen.settled.append(made.settled)
            seen.series.append(dict(made.series()))
            await clock.advance(STEP)
        if save:
            assert made.save() is not None
    return Seen(seen.alerts, seen.samples, seen.settled, seen.series, api.longest)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def seen(folder: Path) -> Seen:
    return asyncio.run(watched(folder, 3, save=True))


def values(samples: list[Sample], name: str) -> dict[tuple[str, ...], float]:
    return {sample.labels: float(sample.value) for sample in samples  # type: ignore[arg-type]
            if sample.metric.name == name}


EMAIL = ("leads", 'channel="email",tenant="acme"')
PHONE = ("leads", 'channel="phone",tenant="acme"')


def test_every_series_has_a_band_around_what_was_expected(seen: Seen) -> None:
    lower, level, upper = (values(seen.samples[0], f"sales_anomaly_{name}") for name in ("lower", "level", "upper"))
    assert lower.keys() == level.keys() == upper.keys() == {EMAIL, PHONE}
    assert all(lower[one] < level[one] < upper[one] for one in level)


def test_what_falls_alarms_and_what_does_not_does_not(seen: Seen) -> None:
    assert [values(one, "sales_anomaly_active") for one in seen.samples[:2]] == [
        {EMAIL: 0, PHONE: 0}, {EMAIL: 1, PHONE: 0}]
    assert values(seen.samples[1], "sales_anomaly_score")[EMAIL] >= 0.5


def test_an_alert_has_the_labels_of_its_watch_and_its_series(seen: Seen) -> None:
    assert seen.alerts[0] == []
    alert, = seen.alerts[1]
    assert alert.labels | {"severity": ""} == {
        "alertname": "SalesAnomaly", "severity": "", "team": "sales", "category": "leads", "cluster": "shop",
        "tenant": "acme", "service": "web", "entity": "channel=email", "watch": "leads"}
    assert alert.starts_at == NOON + STEP


def test_an_alert_says_value_range_reason_confidence_and_where_to_look(seen: Seen) -> None:
    said = seen.alerts[1][0].annotations
    assert said["summary"].startswith("Leads per hour (channel=email): 9.")
    low, high = (float(text) for text in said["expected"].split(" to "))
    assert low < 100 * (1 + 0.3 * math.sin(2 * math.pi * (NOON + STEP) / DAY)) < high
    assert float(said["value"]) < 12
    assert "lower than expected since 2026-01-05 12:15 UTC" in said["description"]
    assert "low" in said["reason"]
    assert " % (1 - adjusted p" in said["confidence"]
    assert said["stake"].endswith("EUR an hour")
    assert said["recommendation"] == "See docs/leads.md."
    assert (said["runbook_url"], said["dashboard_url"]) == ("alert_rules/runbooks/SalesAnomaly.md", "/d/sales-leads")


def test_an_alert_keeps_its_start_while_it_lasts(seen: Seen) -> None:
    assert [alert.starts_at for alert in seen.alerts[2]] == [NOON + STEP]


def test_it_is_settled_a_quarter_of_an_hour_after_the_start(seen: Seen) -> None:
    assert seen.settled == [False, True, True]


def test_series_are_counted_by_what_is_done_with_them(seen: Seen) -> None:
    assert seen.series[0] == {"judged": 2, "learning": 0, "refused": 0}


def test_a_restart_goes_on_from_the_state_and_finds_the_alarm_again(seen: Seen, folder: Path) -> None:
    again = asyncio.run(watched(folder, 1, begin=NOON + 3 * STEP))
    assert again.ranges == 0
    assert [alert.entity for alert in again.alerts[0]] == ["channel=email"]


def test_a_damaged_state_is_not_used_and_the_past_is_read(seen: Seen, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "history.npz").write_bytes((folder / "history.npz").read_bytes()[:-400])
    again = asyncio.run(watched(tmp_path, 1))
    assert again.ranges > 0
    assert again.series == [{"judged": 2, "learning": 0, "refused": 0}]


@pytest.mark.parametrize(("series", "each", "bands"), [
    (20_000, 1_000, 1_000), (20_000, 400, 400), (100_000, 5_000, 1_000), (2_000, 1_000, 142), (100, 1_000, 6)])
def test_bands_are_of_as_many_series_as_the_limits_have_room_for(series: int, each: int, bands: int) -> None:
    assert published(Limits(series=series, series_per_metric=each)) == bands


async def test_a_server_that_answers_nothing_is_said_and_nothing_is_published() -> None:
    clock = FakeClock(NOON + 30)
    api = Api(clock, down=refusing(503, "", "down"))
    async with serving(api), Client(QueryApi(url=api.url), clock) as client:
        made = Anomalies(client, [LEADS], build({}, "test"), clock, None, Scope(), lambda done, total: None)
        with pytest.raises(SourceUnavailable):
            await made.tick(NOON)
    assert list(made.samples()) == []
    assert not made.settled
