"""The history on real servers: Prometheus and VictoriaMetrics over the same samples."""

from __future__ import annotations

import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sales_exporter.config import QueryApi
from sales_exporter.sidecar.detectors.novelty import Novelty
from sales_exporter.sidecar.history.client import Client, QueryRejected
from sales_exporter.sidecar.history.history import History, Scope
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.watches.watch import Watch
from tests.grafana import server as prometheus
from tests.sidecar.history.recorder import Recorder
from tests.support import victoria
from tests.support.clocks import FakeClock

pytestmark = pytest.mark.stack

DAY = 86_400.0
OFFSET = 7
"""Seconds after the full minute at which everything is scraped."""
SCOPE = Scope(past=8 * DAY, absence=DAY)

LEVEL = Watch(name="level", query="max by (host) (level)")
GAPPY = Watch(name="gappy", query="gappy")
WORK = Watch(name="work", query="sum by (host) (rate(work_total[5m]))")
WATCHES = (LEVEL, GAPPY, WORK)


@dataclass(frozen=True, slots=True)
class World:
    """A server, and the full minute that was due when its samples were made."""

    url: str
    end: float


Sample = Callable[[float], float | None]


def series(end: float) -> dict[str, Sample]:
    """What was scraped at a moment. The gap is three hours long and ended an hour ago; the reset is a day ago."""
    return {
        'level{host="a"}': lambda at: at - end,
        'level{host="b"}': lambda at: 5.0,
        'gappy{host="a"}': lambda at: None if end - 4 * 3600 <= at < end - 3600 else 1.0,
        'gappy{host="gone"}': lambda at: 1.0 if at < end - 1.5 * DAY else None,
        'work_total{host="a"}': lambda at: 2.0 * (at - end + (10 if at < end - DAY else 1) * DAY),
    }


def samples(end: float) -> Iterator[tuple[str, float, float]]:
    """Name, moment and value; until a while after the end, since the tests take their time."""
    for name, value in series(end).items():
        for at in np.arange(end - 9 * DAY, end + 900, 60) + OFFSET:
            found = value(at)
            if found is not None:
                yield name, float(at), float(found)


@pytest.fixture(scope="module", params=["prometheus", "victoriametrics"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder, end = tmp_path_factory.mktemp(str(request.param)), (time.time() - SCOPE.delay) // 60 * 60
    if request.param == "victoriametrics":
        text = "\n".join(f"{name} {value!r} {at * 1000:.0f}" for name, at, value in samples(end))
        with victoria.serving(folder) as url:
            victoria.fill(url, "import/prometheus", [text.encode()])
            yield World(url, end)
        return
    (folder / "past.om").write_text("".join(f"{name} {value!r} {at:.0f}\n" for name, at, value in samples(end))
                                    + "# EOF\n")
    subprocess.run([prometheus.program("promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet",
                    folder / "past.om", folder / "tsdb"], check=True, capture_output=True)
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 60s}\n")
    with prometheus.serving(folder / "tsdb", folder / "prometheus.yml") as server:
        yield World(server.url, end)


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    async with Client(QueryApi(url=world.url), FakeClock(time.time())) as found:
        yield found


@pytest.fixture
async def filled(world: World, client: Client) -> History:
    made = History(client, WATCHES, Recorder, FakeClock(time.time()), SCOPE)
    assert await made.fill() == {}
    return made


def of(made: History, watch: str, host: str) -> tuple[np.ndarray, np.ndarray]:
    """Times and samples that the detector was given of one series."""
    assert isinstance(made.detector, Recorder)
    return made.detector.times, made.detector.past[made.ids.index(SeriesId(watch, (("host", host),)))]


async def test_the_past_of_a_steady_series_is_whole(filled: History) -> None:
    times, past = of(filled, "level", "b")
    assert set(past.tolist()) == {5.0}
    assert times[0] <= times[-1] - 8 * DAY + 2 * 900
    assert times[-1] == filled.last


async def test_samples_stand_at_their_moments(filled: History, world: World) -> None:
    times, past = of(filled, "level", "a")
    age = times - world.end - past
    # Of a minute its last scrape; of a quarter hour the mean of those before its end and 5 and 10 minutes earlier.
    assert set(age[-300:]) == {60.0 - OFFSET}
    assert set(age[:90]) == {300.0 - 450.0 + 60.0 - OFFSET}


async def test_a_gap_stays_a_gap(filled: History, world: World) -> None:
    times, past = of(filled, "gappy", "a")
    # A server repeats a sample for at most five minutes.
    inside = (times > world.end - 4 * 3600 + 360) & (times <= world.end - 3600)
    assert np.isnan(past[inside]).all()
    outside = (times < world.end - 4 * 3600) | (times > world.end - 3600 + 60)
    assert not np.isnan(past[outside]).any()


async def test_a_counter_that_starts_anew_has_no_dip(filled: History) -> None:
    _, past = of(filled, "work", "a")
    assert np.nanmin(past) > 1.0
    assert np.allclose(past[-300:], 2.0)


async def test_a_series_of_the_past_alone_holds_no_slot(filled: History) -> None:
    assert SeriesId("gappy", (("host", "gone"),)) not in filled.ids


async def test_a_tick_goes_on_where_the_fill_ended(filled: History) -> None:
    assert filled.last is not None
    tick = await filled.tick(filled.last + 60)
    assert tick.errors == {}
    assert tick.known.all()
    assert not np.isnan(tick.values).any()
    times, past = of(filled, "level", "a")
    assert (np.diff(times)[-3:].tolist(), np.diff(past)[-3:].tolist()) == ([60.0] * 3, [60.0] * 3)


async def test_a_real_detector_learns_the_past_and_judges(world: World, client: Client) -> None:
    # A week: on the first day of its kind, a weekend's say, nothing is expected.
    made = History(client, WATCHES, Novelty, FakeClock(time.time()), SCOPE)
    await made.fill()
    assert made.last is not None
    tick = await made.tick(made.last + 60)
    assert tick.verdicts is not None
    steady = tick.ids.index(SeriesId("level", (("host", "b"),)))
    assert tick.verdicts.expected[steady] == pytest.approx(5.0)
    assert tick.verdicts.score.max() < 0.5


async def test_a_query_that_does_not_parse_is_rejected(client: Client, world: World) -> None:
    with pytest.raises(QueryRejected, match="HTTP 4"):
        await client.instant("sum by (", world.end)


async def test_a_metric_that_nobody_has_is_an_empty_answer(client: Client, world: World) -> None:
    assert (await client.instant("nobody_has_this", world.end)).labels == ()


async def test_the_names_of_the_metrics_are_known(client: Client) -> None:
    assert {"level", "gappy", "work_total"} <= await client.names()
    assert isinstance(await client.types(), dict)


async def test_a_restart_is_warm(filled: History, client: Client, tmp_path: Path) -> None:
    filled.save(tmp_path / "history.npz")
    again = History(client, WATCHES, Recorder, FakeClock(time.time()), SCOPE)
    again.load(tmp_path / "history.npz")
    assert (again.ids, again.last) == (filled.ids, filled.last)
    assert again.last is not None
    assert (await again.tick(again.last + 240)).verdicts is not None
    assert not np.isnan(of(again, "level", "a")[1]).any()
