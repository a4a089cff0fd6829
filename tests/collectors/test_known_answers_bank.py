"""Real phone campaigns and two real models that drift: every figure again, from the files with pandas."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from sales_exporter import config
from sales_exporter.collectors.calls import DURATION, Calls
from sales_exporter.collectors.models import Models
from sales_exporter.model import Distribution, Sample
from tests.support.datasets import Loaded
from tests.support.later import Later
from tests.support.reading import collect, number, values

pytestmark = pytest.mark.postgres
pd = Later("pandas")

WINDOWS = {"7d": 7, "30d": 30, "90d": 90, "all": 10_000}
MOMENTS = [datetime(year, month, 1) for year, month in ((2008, 6), (2009, 3), (2009, 6), (2010, 4), (2010, 11))]
SCORED = [
    ("lr-2008", datetime(2009, 2, 15)), ("lr-2008", datetime(2009, 6, 1)), ("lr-2008", datetime(2010, 4, 1)),
    ("lr-2008", datetime(2010, 10, 1)), ("hgb-2009h1", datetime(2009, 8, 1)), ("hgb-2009h1", datetime(2010, 6, 1)),
]
Z = 1.959963984540054
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def truth(data_sets: Path) -> pd.DataFrame:
    calls = pd.read_csv(data_sets / "bank-calls" / "bank-full.csv", sep=";")
    calls["day"] = pd.to_datetime(calls.year.astype(str) + calls.month + calls.day.astype(str), format="%Y%b%d")
    calls["label"] = (calls.y == "yes").astype(int)
    calls.index += 1
    return calls


@pytest.fixture(scope="module")
def scored(truth: pd.DataFrame, data_sets: Path) -> pd.DataFrame:
    scores = pd.read_csv(data_sets / "bank-calls" / "model_scores.csv")
    return scores.join(truth[["day", "label"]], on="call_row")


def _within(rows: pd.DataFrame, as_of: datetime, days: int) -> pd.DataFrame:
    return rows[(rows.day >= as_of - pd.Timedelta(days=days)) & (rows.day < as_of)]


def _wilson(k: int, n: int) -> tuple[float, float]:
    middle, room = (k + Z * Z / 2) / (n + Z * Z), n + Z * Z
    reach = Z / room * math.sqrt(k * (n - k) / n + Z * Z / 4)
    return middle - reach, middle + reach


async def _calls(bank: Loaded, as_of: datetime) -> list[Sample]:
    return await collect(Calls(), bank.database, as_of.replace(tzinfo=UTC), _business())


def _business() -> config.Business:
    where = ROOT / "examples" / "bank" / "sales-exporter.yml"
    return config.parse(where.read_text(), where.name).business


@pytest.mark.parametrize("as_of", MOMENTS, ids=str)
async def test_success_ratios_with_bounds(bank: Loaded, truth: pd.DataFrame, as_of: datetime) -> None:
    samples = await _calls(bank, as_of)
    for window, days in WINDOWS.items():
        rows = _within(truth, as_of, days)
        if rows.empty:
            continue
        k, n = int(rows.label.sum()), len(rows)
        where = {"agent_kind": "human", "denominator": "judged", "window": window}
        names = ("sales_call_success_ratio", "sales_call_success_ratio_lower", "sales_call_success_ratio_upper")
        assert [number(samples, name, **where) for name in names] == pytest.approx([k / n, *_wilson(k, n)])
        attempts = values(samples, "sales_call_attempts")
        assert attempts["outbound", "human", "answered", window] == n


async def test_running_totals_grow_to_all_rows(bank: Loaded, truth: pd.DataFrame) -> None:
    totals = [values(await _calls(bank, as_of), "sales_calls_total") for as_of in MOMENTS]
    counts = [total["outbound", "human", "answered"] for total in totals]
    assert counts == [(truth.day < as_of).sum() for as_of in MOMENTS]
    last = values(await collect(Calls(), bank.database, bank.as_of, _business()), "sales_calls_total")
    assert last == {("outbound", "human", "answered"): 45_211}


@pytest.mark.parametrize("as_of", [MOMENTS[1], MOMENTS[-1]], ids=str)
async def test_histogram_of_durations(bank: Loaded, truth: pd.DataFrame, as_of: datetime) -> None:
    found = values(await _calls(bank, as_of), "sales_call_duration_seconds")["human",]
    seconds = truth[truth.day < as_of].duration
    edges = [-np.inf, *DURATION.bounds, np.inf]
    assert isinstance(found, Distribution)
    assert list(found.counts) == pd.cut(seconds, edges).value_counts(sort=False).tolist()
    assert found.total == seconds.sum()


async def _quality(bank: Loaded, version: str, as_of: datetime) -> dict[str, float]:
    samples = await collect(Models(), bank.database, as_of.replace(tzinfo=UTC), _business())
    return {
        sample.metric.name.removeprefix("sales_model_"): sample.value
        for sample in samples
        if sample.labels == ("lead-score", version) and isinstance(sample.value, float)
    }


def _auc(rows: pd.DataFrame) -> float:
    ranks, positive = rows.score.rank(method="average"), rows.label == 1
    k = positive.sum()
    return float((ranks[positive].sum() - k * (k + 1) / 2) / (k * (~positive).sum()))


def _delong(rows: pd.DataFrame) -> float:
    """Standard error of the area, from the placements of the paper."""
    positive, negative = (rows[rows.label == label].score.to_numpy() for label in (1, 0))
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    return math.sqrt(wins.mean(1).var(ddof=1) / positive.size + wins.mean(0).var(ddof=1) / negative.size)


def _calibration(rows: pd.DataFrame) -> float:
    tenth = np.minimum((rows.score * 10).astype(int), 9)
    bins = rows.groupby(tenth).agg(n=("label", "size"), mean=("score", "mean"), rate=("label", "mean"))
    return float((bins.n * (bins["mean"] - bins.rate).abs()).sum() / bins.n.sum())


@pytest.mark.parametrize(("version", "as_of"), SCORED, ids=str)
async def test_quality_of_the_models(bank: Loaded, scored: pd.DataFrame, version: str, as_of: datetime) -> None:
    rows = _within(scored[scored.version == version], as_of, 30)
    decided, label = rows.score >= 0.5, rows.label == 1
    found, n = await _quality(bank, version, as_of), len(rows)
    right, hits = int((decided == label).sum()), int((decided & label).sum())

    assert n > 50
    assert found["accuracy_ratio"] == pytest.approx(right / n)
    assert (found["accuracy_ratio_lower"], found["accuracy_ratio_upper"]) == pytest.approx(_wilson(right, n))
    assert found["baseline_accuracy_ratio"] == pytest.approx(max(label.mean(), 1 - label.mean()))
    assert found["base_rate_ratio"] == pytest.approx(label.mean())
    assert found["mean_score_ratio"] == pytest.approx(rows.score.mean())
    assert found["brier_score"] == pytest.approx(((rows.score - rows.label) ** 2).mean())
    assert found["recall_ratio"] == pytest.approx(hits / label.sum())
    assert found["calibration_error_ratio"] == pytest.approx(_calibration(rows))
    if decided.any():
        assert found["precision_ratio"] == pytest.approx(hits / decided.sum())
        assert found["f1_ratio"] == pytest.approx(2 * hits / (decided.sum() + label.sum()))


@pytest.mark.parametrize(("version", "as_of"), SCORED, ids=str)
async def test_area_under_the_curve(bank: Loaded, scored: pd.DataFrame, version: str, as_of: datetime) -> None:
    rows = _within(scored[scored.version == version], as_of, 30)
    found = await _quality(bank, version, as_of)
    area, error = _auc(rows), _delong(rows)
    reach, middle = Z * error / (area * (1 - area)), math.log(area / (1 - area))
    # Scores are counted in 10,000 bins; the files have a hundred times as many.
    assert found["auc_ratio"] == pytest.approx(area, abs=2e-4)
    assert found["auc_ratio_lower"] == pytest.approx(1 / (1 + math.exp(reach - middle)), abs=1e-3)
    assert found["auc_ratio_upper"] == pytest.approx(1 / (1 + math.exp(-reach - middle)), abs=1e-3)


async def test_a_model_that_finds_no_success_is_shown_beside_its_baseline(bank: Loaded) -> None:
    found = await _quality(bank, "lr-2008", datetime(2010, 4, 1))
    assert found["recall_ratio"] == 0
    assert found["accuracy_ratio"] <= found["baseline_accuracy_ratio"]
    assert abs(found["mean_score_ratio"] - found["base_rate_ratio"]) > 0.1


async def test_predictions_grow_to_all_scores(bank: Loaded) -> None:
    samples = await collect(Models(), bank.database, bank.as_of, _business())
    assert values(samples, "sales_model_predictions_total") == {
        ("lead-score", "lr-2008"): 17_482, ("lead-score", "hgb-2009h1"): 5_459,
    }
    assert {state: n for (_, _, state), n in values(samples, "sales_model_labels").items() if n}.keys() == {"mature"}
