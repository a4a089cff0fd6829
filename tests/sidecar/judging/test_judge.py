"""All parts of a tick: each fails by itself, and none exceeds its limits."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from itertools import count
from pathlib import Path

import psutil
import pytest
from aiohttp import web

from sales_exporter.config import QueryApi, build
from sales_exporter.model import Sample, gauge
from sales_exporter.sidecar.drift.watch import SETTLED
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.judging.judge import Judge, seconds, share
from sales_exporter.sidecar.judging.standing import Standing
from sales_exporter.sidecar.outbox.alert import Alert
from sales_exporter.sidecar.process import Progress
from sales_exporter.sidecar.report import PARTS, SHARES, Report, Save, Tick
from tests.sidecar.history.api import Api, Misbehaviour, refusing, serving
from tests.sidecar.judging.judgements import DAY, NOON
from tests.support.clocks import FakeClock

STEP = 900.0
WATCHES = "watches: [{name: leads, query: leads}]"
SAID = gauge("sales_said", "For a test.")


@dataclass
class Sayer:
    """A part that says one thing, or breaks."""

    breaks: bool = False
    settled: bool = True
    ticks: list[float] = field(default_factory=list)

    async def tick(self, at: float) -> None:
        self.ticks.append(at)
        if self.breaks:
            raise ZeroDivisionError("secret")

    def samples(self) -> Iterator[Sample]:
        yield SAID(len(self.ticks))

    def standing(self) -> Iterator[Standing]:
        yield Standing("drift", Alert("SalesModelDrift", "warning", self.ticks[0], watch="model_drift"))


@contextlib.asynccontextmanager
async def judging(api: Api, folder: Path, heard: list[Progress] | None = None,
                  shard: str = "1/1", external_url: str | None = None, **limits: int) -> AsyncIterator[Judge]:
    """A judge of one watch over a day of quarter hours."""
    (folder / "watches.yml").write_text(WATCHES)
    settings = build({"limits": limits, "storage": {"path": str(folder)}, "sidecar": {
        "shard": shard, "interval": STEP, "history": "1d", "watches": [str(folder / "watches.yml")],
        "default_watches": False, "desk": {"external_url": external_url}}}, "test")
    async with serving(api), Client(QueryApi(url=api.url), api.clock) as client:
        yield Judge(settings, client, api.clock, (heard if heard is not None else []).append)


async def tick(judge: Judge, at: float) -> Report:
    answer = await judge.answer(Tick(at))
    assert isinstance(answer, Report)
    return answer


def wavy(at: float) -> float:
    return 100 + 10 * math.sin(2 * math.pi * at / DAY)


@pytest.fixture
def api() -> Api:
    return Api(FakeClock(NOON + 30), {"leads": [({"channel": "email"}, wavy)]})


async def test_a_tick_makes_a_page_of_each_part_and_counts_series(api: Api, tmp_path: Path) -> None:
    heard: list[Progress] = []
    async with judging(api, tmp_path, heard) as judge:
        report = await tick(judge, NOON)
    assert tuple(report.parts) == PARTS
    assert [name for name, part in report.parts.items() if part.page is None] == []
    assert sum(report.series.values()) == 1
    assert (report.at, report.alerts, report.failures) == (NOON, (), {})
    assert heard[0].done == 0
    assert heard[-1].done == heard[-1].total > 0


async def test_what_is_not_settled_is_named_by_its_alerts(api: Api, tmp_path: Path) -> None:
    async with judging(api, tmp_path) as judge:
        first, later = await tick(judge, NOON), await tick(judge, NOON + 2 * STEP)
    assert (first.unsettled, later.unsettled) == ({"SalesAnomaly"}, frozenset())


@pytest.mark.parametrize(("external_url", "links"), [
    (None, {}), ("https://desk.example/sales/", {"desk_url": "https://desk.example/sales/alerts/{}"})])
async def test_an_alert_links_to_its_page_where_there_is_one(
    api: Api, tmp_path: Path, external_url: str | None, links: dict[str, str]
) -> None:
    async with judging(api, tmp_path, external_url=external_url) as judge:
        judge._parts["drift"] = Sayer()
        (found,) = (await tick(judge, NOON)).alerts
    assert found.annotations == {name: link.format(found.fingerprint) for name, link in links.items()}


async def test_models_are_judged_by_the_first_shard_alone(api: Api, tmp_path: Path) -> None:
    asked = []
    for shard in ("1/2", "2/2"):
        async with judging(api, tmp_path, shard=shard) as judge:
            report = await tick(judge, NOON)
        assert tuple(sorted(report.parts)) == tuple(sorted(PARTS))
        asked.append(api.asked.pop(SETTLED, 0) > 0)
    assert asked == [True, False]


async def test_r13_a_part_that_breaks_leaves_the_others_and_its_own_last_findings(api: Api, tmp_path: Path) -> None:
    async with judging(api, tmp_path) as judge:
        sayer = judge._parts["drift"] = Sayer()
        before = await tick(judge, NOON)
        sayer.breaks = True
        after = await tick(judge, NOON + STEP)
    assert [one.alertname for one in before.alerts] == ["SalesModelDrift"]
    assert after.alerts == before.alerts
    assert {name: part.defect for name, part in after.parts.items() if part.page is None} == {
        "drift": "ZeroDivisionError"}


async def test_r13_a_part_whose_query_fails_says_why_and_leaves_the_others(api: Api, tmp_path: Path) -> None:
    async with judging(api, tmp_path) as judge:
        await tick(judge, NOON)
        api.faults["leads"] = refusing(422, "execution", "too many samples")
        report = await tick(judge, NOON + STEP)
    assert {name for name, part in report.parts.items() if part.page is None} == {"anomalies"}
    assert "too many samples" in report.parts["anomalies"].defect
    assert report.failures == {("leads", "query"): 1}


async def test_r13_samples_that_no_limit_has_room_for_break_no_part(api: Api, tmp_path: Path) -> None:
    async with judging(api, tmp_path, series=100, series_per_metric=10) as judge:
        api.series["leads"] = [({"channel": f"c{number}"}, wavy) for number in range(80)]
        report = await tick(judge, NOON)
    pages = {name: part.page for name, part in report.parts.items()}
    assert None not in pages.values()
    assert all(page is not None and page.series <= 100 * SHARES[name] for name, page in pages.items())


async def test_a_state_is_written_when_asked_for(api: Api, tmp_path: Path) -> None:
    async with judging(api, tmp_path) as judge:
        await tick(judge, NOON)
        assert await judge.answer(Save()) == api.clock.now()
        assert (await tick(judge, NOON + STEP)).saved == api.clock.now()
    assert (tmp_path / "judge" / "history.npz").exists()


def flood(each: int) -> tuple[Iterator[int], Misbehaviour]:
    """Answers of so many series with labels that were never there before, and the labels to come."""
    numbers = count()

    async def answer(request: web.Request) -> web.StreamResponse:
        form = await request.post()
        rows: list[str] = []
        if request.path.endswith("query"):
            rows = [f'{{"metric":{{"session":"s{next(numbers)}"}},"value":[{form["time"]},"1.5"]}}'
                    for _ in range(each)]
        kind = "vector" if rows else "matrix"
        body = f'{{"status":"success","data":{{"resultType":"{kind}","result":[{",".join(rows)}]}}}}'
        date = formatdate(float(str(form.get("time", NOON))), usegmt=True)
        return web.Response(text=body, content_type="application/json", headers={"Date": date})

    return numbers, answer


@pytest.mark.slow
async def test_r12_the_sidecar_holds_no_more_of_a_million_labels_than_its_limits(api: Api, tmp_path: Path) -> None:
    numbers, api.faults["leads"] = flood(20_000)
    process, memory, pages = psutil.Process(), [], []
    async with judging(api, tmp_path, series=2_000, series_per_metric=500) as judge:
        for number in range(50):
            report = await tick(judge, NOON + STEP * number)
            await advance(api)
            memory.append(process.memory_info().rss)
            pages.append(sum(part.page.series for part in report.parts.values() if part.page is not None))
            assert report.series["judged"] + report.series["learning"] <= 2_000
    assert next(numbers) >= 1_000_000
    assert report.series["refused"] == 20_000
    assert max(pages) <= 2_000
    assert memory[-1] - memory[5] < 32 << 20


async def advance(api: Api) -> None:
    assert isinstance(api.clock, FakeClock)
    await api.clock.advance(STEP)


def test_a_share_and_a_length_are_read_from_texts() -> None:
    assert share("2/3") == (2, 3)
    assert (seconds("10d"), seconds("4w")) == (864_000, 2_419_200)
