"""A realistic B2B pipeline: every figure again, from the files themselves with pandas."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sales_exporter import config
from sales_exporter.collectors.key import Key
from sales_exporter.collectors.reps import Reps
from sales_exporter.model import Sample
from tests.support.datasets import Loaded
from tests.support.later import Later
from tests.support.reading import collect, number, values

pytestmark = pytest.mark.postgres
pd = Later("pandas")

AS_OF = datetime(2018, 1, 1, tzinfo=UTC)
PAST = datetime(2017, 8, 1, tzinfo=UTC)
WINDOWS = {"7d": 7, "30d": 30, "90d": 90, "all": 10_000}
Z = 1.959963984540054
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Truth:
    """The pipeline as pandas sees it at one moment."""

    deals: pd.DataFrame
    as_of: pd.Timestamp

    def closed(self, window: str) -> pd.DataFrame:
        start = self.as_of - pd.Timedelta(days=WINDOWS[window])
        when = self.deals.close_date
        return self.deals[(when >= start) & (when < self.as_of)]

    @property
    def open(self) -> pd.DataFrame:
        there = self.deals.engage_date.isna() | (self.deals.engage_date < self.as_of)
        return self.deals[there & ~(self.deals.close_date < self.as_of)]


def _truth(folder: Path, as_of: datetime) -> Truth:
    deals = pd.read_csv(folder / "sales_pipeline.csv", parse_dates=["engage_date", "close_date"])
    prices = pd.read_csv(folder / "products.csv").set_index("product").sales_price
    deals["price"] = deals["product"].replace("GTXPro", "GTX Pro").map(prices)
    return Truth(deals, pd.Timestamp(as_of.replace(tzinfo=None)))


def _business() -> config.Business:
    where = ROOT / "examples" / "crm" / "sales-exporter.yml"
    return config.parse(where.read_text(), where.name).business


@pytest.fixture(scope="module")
def files(data_sets: Path) -> Path:
    return data_sets / "crm-opportunities"


async def _key(crm: Loaded, as_of: datetime) -> list[Sample]:
    return await collect(Key(), crm.database, as_of, _business())


async def _reps(crm: Loaded, as_of: datetime) -> list[Sample]:
    return await collect(Reps(), crm.database, as_of, _business())


def test_the_data_end_on_the_last_day_of_2017(crm: Loaded) -> None:
    assert crm.as_of == AS_OF


@pytest.mark.parametrize("as_of", [AS_OF, PAST], ids=["end", "past"])
@pytest.mark.parametrize("window", WINDOWS)
async def test_counts_revenue_and_values(crm: Loaded, files: Path, as_of: datetime, window: str) -> None:
    samples, closed = await _key(crm, as_of), _truth(files, as_of).closed(window)
    won = closed[closed.deal_stage == "Won"]
    assert number(samples, "sales_deals", result="won", window=window) == len(won) > 0
    assert number(samples, "sales_deals", result="lost", window=window) == (closed.deal_stage == "Lost").sum()
    assert number(samples, "sales_revenue_won", currency="USD", window=window) == won.close_value.sum()
    for stat, expected in (("mean", won.close_value.mean()), ("median", won.close_value.median())):
        found = number(samples, "sales_deal_value", currency="USD", stat=stat, window=window)
        assert found == pytest.approx(expected)


async def test_literals_of_the_last_30_days(crm: Loaded) -> None:
    samples = await _key(crm, AS_OF)
    assert number(samples, "sales_deals", result="won", window="all") == 4238
    assert number(samples, "sales_deals", result="lost", window="all") == 2473
    assert number(samples, "sales_deals", result="open", window="all") == 2089
    assert number(samples, "sales_revenue_won", currency="USD", window="all") == 10_005_534


async def test_open_value_by_stage_is_the_list_price(crm: Loaded, files: Path) -> None:
    samples, still = await _key(crm, AS_OF), _truth(files, AS_OF).open
    for stage in ("Prospecting", "Engaging"):
        rows = still[still.deal_stage == stage]
        assert number(samples, "sales_pipeline_deals", stage=stage) == len(rows)
        assert number(samples, "sales_pipeline_value", stage=stage, currency="USD") == rows.price.sum() > 0


async def test_open_deals_of_the_past_stand_in_the_stage_of_that_time(crm: Loaded, files: Path) -> None:
    samples, still = await _key(crm, PAST), _truth(files, PAST).open
    engaged = still[still.engage_date.notna()]
    assert number(samples, "sales_pipeline_deals", stage="Engaging") == len(engaged) > 1000
    assert number(samples, "sales_pipeline_deals", stage="Prospecting") == 500
    assert number(samples, "sales_pipeline_deals", stage="(other)") is None


@pytest.mark.parametrize("as_of", [AS_OF, PAST], ids=["end", "past"])
async def test_velocity(crm: Loaded, files: Path, as_of: datetime) -> None:
    truth = _truth(files, as_of)
    closed = truth.closed("90d")
    won = closed[closed.deal_stage == "Won"]
    days = (won.close_date - won.engage_date).dt.days.mean()
    expected = len(truth.open) * len(won) / len(closed) * won.close_value.mean() / days
    found = number(await _key(crm, as_of), "sales_velocity_per_day", currency="USD", window="90d")
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("as_of", [AS_OF, PAST], ids=["end", "past"])
@pytest.mark.parametrize("window", WINDOWS)
async def test_win_ratio_of_each_rep_with_wilson_bounds(
    crm: Loaded, files: Path, as_of: datetime, window: str
) -> None:
    samples, closed = await _reps(crm, as_of), _truth(files, as_of).closed(window)
    table = closed.assign(won=closed.deal_stage == "Won").groupby("sales_agent").won.agg(["sum", "count"])
    names = ("sales_rep_win_ratio_lower", "sales_rep_win_ratio", "sales_rep_win_ratio_upper")
    found = [values(samples, name) for name in names]
    assert {rep for rep, _, w in found[1] if w == window} == set(table.index)
    for rep, (k, n) in zip(table.index, table.to_numpy().tolist(), strict=True):
        middle, room = (k + Z * Z / 2) / (n + Z * Z), n + Z * Z
        reach = Z / room * math.sqrt(k * (n - k) / n + Z * Z / 4)
        got = [part[rep, "raw", window] for part in found]
        assert got == pytest.approx([middle - reach, k / n, middle + reach])
        assert number(samples, "sales_rep_deals", rep=rep, result="won", window=window) == k
        assert number(samples, "sales_rep_deals", rep=rep, result="lost", window=window) == n - k


async def test_ranks_follow_the_shrunk_ratios_as_far_as_they_can_be_told_apart(crm: Loaded) -> None:
    samples = await _reps(crm, AS_OF)
    shrunk = pd.Series({rep: value for (rep, estimator, window), value in values(samples, "sales_rep_win_ratio").items()
                        if (estimator, window) == ("shrunk", "all")})
    found = {side: pd.Series({rep: place for (rep, window), place in values(samples, f"sales_rep_rank{side}").items()
                              if window == "all"}) for side in ("", "_lower", "_upper")}
    assert len(shrunk) == len(found[""]) == 30
    assert shrunk.corr(found[""], method="spearman") < -0.95
    assert (found["_lower"] <= found[""]).all()
    assert (found[""] <= found["_upper"]).all()
    # 30 reps with 140 to 550 decided deals each and ratios of 55 to 70 %: hardly anybody's place is sure.
    assert (found["_upper"] - found["_lower"]).median() > 15


async def test_deal_sizes_are_geometric_means(crm: Loaded, files: Path) -> None:
    won = _truth(files, AS_OF).closed("90d").query("deal_stage == 'Won'")
    expected = won.close_value.map(math.log).groupby(won.sales_agent).mean().map(math.exp).to_dict()
    found = values(await _reps(crm, AS_OF), "sales_rep_deal_value")
    raw = {rep: value for (rep, _, estimator), value in found.items() if estimator == "raw"}
    assert raw == pytest.approx(expected)


async def test_score_components_are_shares_of_the_other_reps_outdone(crm: Loaded, files: Path) -> None:
    closed = _truth(files, AS_OF).closed("90d")
    won = closed[closed.deal_stage == "Won"]
    cycles = (won.close_date - won.engage_date).dt.days.groupby(won.sales_agent).median()
    basis = {
        "revenue": won.groupby("sales_agent").close_value.sum(),
        "volume": closed.groupby("sales_agent").size(),
        "cycle_time": -cycles,
    }
    found = values(await _reps(crm, AS_OF), "sales_rep_score_component")
    for component, by_rep in basis.items():
        expected = ((by_rep.rank(method="average") - 1) / (len(by_rep) - 1)).to_dict()
        assert {rep: v for (rep, name), v in found.items() if name == component} == pytest.approx(expected)


async def test_teams_are_the_regional_offices(crm: Loaded, files: Path) -> None:
    teams = pd.read_csv(files / "sales_teams.csv").set_index("sales_agent").regional_office
    found = {rep: team for rep, _, team in values(await _reps(crm, AS_OF), "sales_rep_info")}
    assert len(found) == 30
    assert found == teams[list(found)].to_dict()
