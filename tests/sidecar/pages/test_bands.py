"""The expected range around an alert: which series, over which time, and what is said when there is none."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import numpy as np
import pytest

from sales_exporter.config import Settings
from sales_exporter.sidecar.desk.model import Case
from sales_exporter.sidecar.pages.bands import Bands, pieces, query, window
from sales_exporter.sidecar.pages.chart import Band
from tests.grafana import server as prometheus
from tests.support.cases import ANOMALY, DOWN, NOW, case
from tests.support.clocks import FakeClock

EMAIL, BRAND = 'campaign="brand",channel="email"', 'campaign="a \\"b\\", c",channel="email"'
SEARCH = 'campaign="brand",channel="search"'
SCORES = {EMAIL: 0.7, BRAND: 0.9, SEARCH: 1.0}


@pytest.mark.parametrize(("one", "hours", "end"), [
    (case(minutes=12), 6.0, NOW), (case(minutes=120), 10.0, NOW), (case(minutes=43_200), 168.0, NOW),
    (case(minutes=600, ends_at=NOW - 18_000), 27.5, NOW - 16_200)])
def test_a_chart_shows_the_alert_and_enough_before_it(one: Case, hours: float, end: float) -> None:
    start, step, count = window(one, NOW)
    assert step * (count - 1) == pytest.approx(3_600 * hours, rel=0.02)
    assert 0 <= end - (start + step * (count - 1)) < step
    assert count <= 289


def test_entities_and_series_name_labels_alike() -> None:
    assert pieces("channel=email, stage=won") <= pieces('campaign="x",channel="email",stage="won"')
    assert not pieces("channel=email") <= pieces('channel="e-mail"')
    assert pieces("") == frozenset()


def test_text_of_labels_cannot_leave_its_place_in_a_query() -> None:
    assert 'series="a\\"} or vector(1) #\\\\\\n"' in query("leads", 'a"} or vector(1) #\\\n')


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that knows the bands of three series of the last eight hours."""
    folder, end = tmp_path_factory.mktemp("bands"), time.time() // 60 * 60
    moments = np.arange(end - 8 * 3_600, end + 600, 60)
    written = []
    for series, score in SCORES.items():
        text = series.replace("\\", "\\\\").replace('"', '\\"')
        for name, value in (("level", 3.0), ("expected", 24.0), ("lower", 18.0), ("upper", 31.0), ("score", score)):
            written += [f'sales_anomaly_{name}{{watch="leads",series="{text}"}} {value} {at:.0f}\n' for at in moments]
    (folder / "past.om").write_text("".join(written) + "# EOF\n")
    subprocess.run([prometheus.program("promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet",
                    folder / "past.om", folder / "tsdb"], check=True, capture_output=True)
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 60s}\n")
    with prometheus.serving(folder / "tsdb", folder / "prometheus.yml") as server:
        yield server.url


@contextlib.asynccontextmanager
async def reading(url: str, clock: FakeClock) -> AsyncIterator[Bands]:
    settings = Settings.model_validate({"sidecar": {"prometheus": {"url": url}}})
    bands = Bands(lambda: settings, clock)
    try:
        yield bands
    finally:
        await bands.close()


async def band(url: str, one: Case) -> Band | str | None:
    clock = FakeClock(time.time())
    async with reading(url, clock) as bands:
        return await bands.of(replace(one, starts_at=clock.now() - 2_400))


@pytest.mark.stack
async def test_the_oddest_series_of_the_entity_is_shown_in_its_range(url: str) -> None:
    found = await band(url, ANOMALY)
    assert isinstance(found, Band)
    assert dict(found.course.series.labels)["campaign"] == "a b, c"
    assert found.words == "new leads per hour"
    assert np.isfinite(found.course.low).sum() == 181
    assert {*found.course.low[5:-5].tolist()} == {3.0}
    assert {*found.course.lower[5:-5].tolist()} == {18.0}
    assert {*found.course.upper[5:-5].tolist()} == {31.0}


@pytest.mark.stack
async def test_an_entity_that_no_series_has_is_said(url: str) -> None:
    other = case(labels={"watch": "leads", "entity": "channel=fax"})
    assert await band(url, other) == "There is no expected range to show: Prometheus knows none of this alert's series."


async def test_alerts_of_rules_have_no_range() -> None:
    assert await band("http://127.0.0.1:1", DOWN) is None


async def test_a_prometheus_that_does_not_answer_costs_no_page() -> None:
    assert await band("http://127.0.0.1:1", ANOMALY) == "There is no chart: Prometheus did not answer in time."


@pytest.mark.stack
async def test_who_looks_again_at_once_sees_the_same_answer(url: str) -> None:
    clock = FakeClock(time.time())
    async with reading(url, clock) as bands:
        first = await bands.of(ANOMALY)
        assert await bands.of(ANOMALY) is first
        await clock.advance(16)
        assert await bands.of(ANOMALY) is not first


@pytest.mark.stack
async def test_other_settings_hold_at_the_next_look(url: str) -> None:
    clock = FakeClock(time.time())
    settings = [Settings.model_validate({"sidecar": {"prometheus": {"url": one}}})
                for one in (url, "http://127.0.0.1:1")]
    bands = Bands(lambda: settings[-1], clock)
    assert isinstance(await bands.of(ANOMALY), str)
    settings.pop()
    assert isinstance(await bands.of(replace(ANOMALY, starts_at=clock.now() - 2_400)), Band)
    await bands.close()
