"""Drift of models, from a query API to alerts and metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sales_exporter.config import DriftSettings, QueryApi
from sales_exporter.errors import SourceError
from sales_exporter.sidecar.drift.watch import ESTIMATES, SETTLED
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.judging.drifts import FILE, Drifts
from sales_exporter.sidecar.judging.standing import Place
from tests.sidecar.history.api import Api, refusing, serving
from tests.support.clocks import FakeClock

HOUR, DAY = 3_600.0, 86_400.0
NOW = 1_700_000_000.0 // DAY * DAY
DROP = NOW - 3 * DAY
MODEL = {"model": "lead-score", "version": "2"}


def _settled(right: bool) -> Callable[[float], float]:
    """500 decisions a day for forty days, settled at midnight: 90 % right, 75 % from the drop on."""
    def total(at: float) -> float:
        days, bad = at // DAY - (NOW // DAY - 40), max(0.0, (at - DROP) // DAY)
        good = 0.9 * 500 * (days - bad) + 0.75 * 500 * bad
        return good if right else 500 * days - good
    return total


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    settled = [({**MODEL, "predicted": "negative", "actual": actual}, _settled(actual == "negative"))
               for actual in ("negative", "positive")]
    async with serving(Api(FakeClock(NOW), {SETTLED: settled})) as found:
        yield found


def _drifts(client: Client, folder: Path | None = None) -> Drifts:
    return Drifts(client, DriftSettings(), Place("demo", "default"), 28 * DAY, folder)


async def test_drift_in_the_past_that_is_read_stands_since_it_was_found(api: Api) -> None:
    async with Client(QueryApi(url=api.url), api.clock) as client:
        drifts = _drifts(client)
        await drifts.tick(NOW)
    drift, advice = drifts.standing()
    assert (drift.kind, advice.kind) == ("drift", "retraining")
    assert (drift.alert.entity, drift.alert.severity) == ("lead-score 2", "critical")
    assert drift.alert.starts_at == advice.alert.starts_at == DROP + DAY
    assert "the accuracy that it had is 90.0%" in drift.alert.annotations["summary"]


async def test_before_the_first_look_nothing_is_settled(api: Api) -> None:
    async with Client(QueryApi(url=api.url), api.clock) as client:
        drifts = _drifts(client)
        assert (drifts.settled, list(drifts.samples()), list(drifts.standing())) == (False, [], [])
        await drifts.tick(NOW)
        assert drifts.settled


async def test_a_look_is_taken_every_five_minutes(api: Api) -> None:
    async with Client(QueryApi(url=api.url), api.clock) as client:
        drifts = _drifts(client)
        for seconds in (0, 60, 299, 300):
            await drifts.tick(NOW + seconds)
    # The past, and two moments.
    assert api.asked[SETTLED] == 3


async def test_expected_drift_is_a_metric_and_no_alert(api: Api) -> None:
    api.series = {query: [(MODEL, lambda at: 0.7)] for query in ESTIMATES}
    steady = {"predicted": "negative", **MODEL}
    api.series[SETTLED] = [({**steady, "actual": "negative"}, lambda at: 900.0),
                           ({**steady, "actual": "positive"}, lambda at: 100.0)]
    async with Client(QueryApi(url=api.url), api.clock) as client:
        drifts = _drifts(client)
        await drifts.tick(NOW)
    found = {sample.labels: sample.value for sample in drifts.samples() if sample.metric.name == "sales_drift_active"}
    assert found == {("lead-score", "2", "baseline"): 0, ("lead-score", "2", "estimate"): 1}
    assert list(drifts.standing()) == []


async def test_what_was_found_stands_while_the_api_is_away(api: Api) -> None:
    async with Client(QueryApi(url=api.url), api.clock) as client:
        drifts = _drifts(client)
        await drifts.tick(NOW)
        api.down = refusing(400, "bad_data", "no")
        with pytest.raises(SourceError):
            await drifts.tick(NOW + HOUR)
    assert len(list(drifts.standing())) == 2


async def test_drift_from_before_the_past_that_is_read_is_known_from_the_state_on_disk(
    api: Api, tmp_path: Path
) -> None:
    async with Client(QueryApi(url=api.url), api.clock) as client:
        drifts = _drifts(client, tmp_path)
        await drifts.tick(NOW)
        drifts.save()
        later = Drifts(client, DriftSettings(), Place("demo", "default"), DAY, tmp_path)
        await later.tick(NOW + 2 * HOUR)
    assert [one.alert.starts_at for one in later.standing()] == [DROP + DAY] * 2


@pytest.mark.parametrize("damage", [b"", b"no archive"])
async def test_a_damaged_state_is_read_anew_from_the_past(api: Api, tmp_path: Path, damage: bytes) -> None:
    (tmp_path / FILE).write_bytes(damage)
    async with Client(QueryApi(url=api.url), api.clock) as client:
        drifts = _drifts(client, tmp_path)
        await drifts.tick(NOW)
    assert len(list(drifts.standing())) == 2


async def test_a_state_of_other_settings_is_read_anew_from_the_past(api: Api, tmp_path: Path) -> None:
    async with Client(QueryApi(url=api.url), api.clock) as client:
        drifts = _drifts(client, tmp_path)
        await drifts.tick(NOW)
        drifts.save()
        other = Drifts(client, DriftSettings(alpha=0.05), Place("demo", "default"), 28 * DAY, tmp_path)
        await other.tick(NOW + 60)
    assert len(list(other.standing())) == 2
    assert api.asked[SETTLED] == 4
