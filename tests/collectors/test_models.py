"""Models: mature labels alone, bounds beside every ratio, and drift of the scores."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from sales_exporter.collectors.cardinality import OTHER
from sales_exporter.collectors.models import BINS, PSI_BINS, Models, Version, drift, folded, quality
from sales_exporter.config import Business
from sales_exporter.model import Sample
from sales_exporter.stats.classification import Confusion
from tests.support.databases import Database, Databases
from tests.support.reading import collect, number, values

NOW = datetime(2024, 6, 1, tzinfo=UTC)
ONE = {"model": "m", "version": "1"}
DAY = 86_400.0


def _version(reference: int = 0, current: int = 0) -> Version:
    def spread(n: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        counts = np.zeros(PSI_BINS)
        counts[500] = n
        return counts
    return Version("m", "1", 7, spread(reference), spread(current))


def _predict(database: Database, key: str, score: object, when: str, **more: object) -> None:
    database.execute(
        "INSERT INTO sales.model_predictions (prediction_id, model, version, subject_kind, subject_id, predicted_at,"
        " horizon_seconds, score, threshold) VALUES (%s, %s, %s, 'lead', %s, %s, %s, %s, %s)",
        key, more.get("model", "m"), more.get("version", "1"), more.get("subject", key), when,
        more.get("horizon", 7 * DAY), score, more.get("threshold"),
    )


def _observe(database: Database, subject: str, label: int, when: str, final: bool = True) -> None:
    database.execute(
        "INSERT INTO sales.model_outcomes (subject_kind, subject_id, observed_at, label, is_final)"
        " VALUES ('lead', %s, %s, %s, %s)", subject, when, label, final,
    )


def _labels(samples: list[Sample]) -> tuple[float | None, float | None]:
    mature, pending = (number(samples, "sales_model_labels", state=s, **ONE) for s in ("mature", "pending"))
    return mature, pending


def _decisions(samples: list[Sample]) -> dict[tuple[str, str], float]:
    found = values(samples, "sales_model_decisions").items()
    return {(predicted[:3], actual[:3]): n for (_, _, predicted, actual), n in found if isinstance(n, float) and n}


def test_a_version_without_labels_has_counts_and_no_quality() -> None:
    names = {sample.metric.name for sample in quality(_version())}
    assert names == {
        "sales_model_predictions_total", "sales_model_labels", "sales_model_decisions", "sales_model_scores",
    }


def test_drift_needs_enough_predictions_on_both_sides() -> None:
    assert len(list(drift(_version(reference=100, current=100)))) == 3
    assert len(list(drift(_version(reference=100, current=99)))) == 2
    assert len(list(drift(_version(reference=99, current=100)))) == 2


def test_versions_beyond_the_limit_keep_their_counts_and_lose_their_quality() -> None:
    one = replace(_version(), pending=2, decisions=Confusion(1, 2, 3, 4))
    found = list(folded([one, one]))
    assert number(found, "sales_model_predictions_total", model=OTHER, version=OTHER) == 14
    assert number(found, "sales_model_labels", model=OTHER, version=OTHER, state="mature") == 20
    assert number(found, "sales_model_labels", model=OTHER, version=OTHER, state="pending") == 4
    assert not any(sample.metric.name.endswith("_ratio") for sample in found)


def test_nothing_folded_is_no_series() -> None:
    assert list(folded([])) == []


@pytest.mark.postgres
class TestOnPostgres:
    """The statements on a handful of rows."""

    async def test_no_predictions_have_no_series(self, databases: Databases) -> None:
        assert await collect(Models(), databases.fresh(), NOW) == []

    async def test_before_the_horizon_no_outcome_is_no_negative_and_after_it_is(self, databases: Databases) -> None:
        database = databases.fresh()
        _predict(database, "over", 0.1, "2024-05-25 00:00+00")
        _predict(database, "running", 0.1, "2024-05-25 00:00:01+00")
        samples = await collect(Models(), database, NOW)
        assert _labels(samples) == (1, 1)
        assert _decisions(samples) == {("neg", "neg"): 1}

    async def test_a_final_outcome_matures_a_label_before_its_horizon(self, databases: Databases) -> None:
        database = databases.fresh()
        _predict(database, "a", 0.9, "2024-05-31")
        _predict(database, "b", 0.9, "2024-05-31")
        _observe(database, "a", 1, "2024-05-31 12:00+00")
        _observe(database, "b", 1, "2024-05-31 12:00+00", final=False)
        samples = await collect(Models(), database, NOW)
        assert _labels(samples) == (1, 1)
        assert _decisions(samples) == {("pos", "pos"): 1}

    async def test_an_outcome_observed_exactly_at_the_moment_is_not_known_yet(self, databases: Databases) -> None:
        database = databases.fresh()
        _predict(database, "a", 0.9, "2024-05-31")
        _observe(database, "a", 1, "2024-06-01 00:00+00")
        assert _labels(await collect(Models(), database, NOW)) == (0, 1)

    async def test_the_latest_outcome_wins_even_after_the_horizon(self, databases: Databases) -> None:
        database = databases.fresh()
        _predict(database, "a", 0.9, "2024-05-10")
        _observe(database, "a", 0, "2024-05-12")
        _observe(database, "a", 1, "2024-05-30")
        assert _decisions(await collect(Models(), database, NOW)) == {("pos", "pos"): 1}
        before = datetime(2024, 5, 30, tzinfo=UTC)
        assert _decisions(await collect(Models(), database, before)) == {("pos", "neg"): 1}

    async def test_an_outcome_from_before_the_prediction_is_not_its_outcome(self, databases: Databases) -> None:
        database = databases.fresh()
        _predict(database, "a", 0.9, "2024-05-10")
        _observe(database, "a", 1, "2024-05-09")
        assert _decisions(await collect(Models(), database, NOW)) == {("pos", "neg"): 1}

    async def test_labels_that_matured_before_the_last_30_days_are_out(self, databases: Databases) -> None:
        database = databases.fresh()
        _predict(database, "inside", 0.1, "2024-04-25 00:00+00")
        _predict(database, "outside", 0.1, "2024-04-24 23:59:59+00")
        _predict(database, "early", 0.1, "2024-04-28")
        _observe(database, "early", 1, "2024-05-01 23:59:59+00")
        samples = await collect(Models(), database, NOW)
        assert _labels(samples) == (1, 0)
        assert number(samples, "sales_model_predictions_total", **ONE) == 3

    async def test_a_score_at_the_threshold_is_positive_and_the_threshold_is_half_unless_recorded(
        self, databases: Databases
    ) -> None:
        database = databases.fresh()
        _predict(database, "half", 0.5, "2024-05-20")
        _predict(database, "below", 0.4999, "2024-05-20")
        _predict(database, "own", 0.2, "2024-05-20", threshold=0.2)
        _predict(database, "own below", 0.7, "2024-05-20", threshold=0.8)
        assert _decisions(await collect(Models(), database, NOW)) == {("pos", "neg"): 2, ("neg", "neg"): 2}

    async def test_figures_of_four_predictions_by_hand(self, databases: Databases) -> None:
        database = databases.fresh()
        for key, score, label in (("a", 0.9, 1), ("b", 0.8, 0), ("c", 0.3, 1), ("d", 0.1, 0)):
            _predict(database, key, score, "2024-05-20")
            _observe(database, key, label, "2024-05-21")
        samples = await collect(Models(), database, NOW)
        expected = {
            "accuracy_ratio": 0.5, "baseline_accuracy_ratio": 0.5, "precision_ratio": 0.5, "recall_ratio": 0.5,
            "f1_ratio": 0.5, "auc_ratio": 0.75, "base_rate_ratio": 0.5, "mean_score_ratio": 0.525,
            "brier_score": (0.01 + 0.64 + 0.49 + 0.01) / 4, "calibration_error_ratio": (0.1 + 0.8 + 0.7 + 0.1) / 4,
        }
        for name, value in expected.items():
            assert number(samples, f"sales_model_{name}", **ONE) == pytest.approx(value), name

    async def test_a_score_of_1_lies_in_the_last_bin(self, databases: Databases) -> None:
        database = databases.fresh()
        for key, score in (("a", 1.0), ("b", 0.95)):
            _predict(database, key, score, "2024-05-20")
            _observe(database, key, 1, "2024-05-21")
        samples = await collect(Models(), database, NOW)
        assert number(samples, "sales_model_calibration_error_ratio", **ONE) == pytest.approx(0.025)

    async def test_one_class_alone_has_no_auc(self, databases: Databases) -> None:
        database = databases.fresh()
        _predict(database, "a", 0.2, "2024-05-20")
        samples = await collect(Models(), database, NOW)
        assert number(samples, "sales_model_auc_ratio", **ONE) is None
        assert number(samples, "sales_model_recall_ratio", **ONE) is None
        assert number(samples, "sales_model_precision_ratio", **ONE) is None
        assert number(samples, "sales_model_accuracy_ratio", **ONE) == 1

    @pytest.mark.parametrize("score", ["NaN", "Infinity", "-0.1", "1.1"])
    async def test_a_score_that_is_no_probability_counts_as_a_prediction_alone(
        self, databases: Databases, score: str
    ) -> None:
        database = databases.fresh()
        _predict(database, "bad", score, "2024-05-20")
        _predict(database, "good", 0.2, "2024-05-20")
        samples = await collect(Models(), database, NOW)
        assert number(samples, "sales_model_predictions_total", **ONE) == 2
        assert _labels(samples) == (1, 0)
        assert number(samples, "sales_model_mean_score_ratio", **ONE) == pytest.approx(0.2)

    @pytest.mark.parametrize("horizon", ["NaN", "Infinity", "-Infinity", "-1", "1e300"])
    async def test_a_horizon_that_is_no_length_of_time_is_never_over(self, databases: Databases, horizon: str) -> None:
        database = databases.fresh()
        _predict(database, "a", 0.2, "2024-01-01", horizon=horizon)
        assert _labels(await collect(Models(), database, NOW)) == (0, 1)

    async def test_drift_compares_the_last_7_days_with_the_first_30(self, databases: Databases) -> None:
        database = databases.fresh()
        database.execute(
            "INSERT INTO sales.model_predictions (prediction_id, model, version, subject_kind, subject_id,"
            " predicted_at, horizon_seconds, score)"
            " SELECT format('%s %s', part, g), 'm', '1', 'lead', g, moment, 1, score + g / 1000.0"
            "   FROM generate_series(1, 120) AS g, (VALUES ('first', timestamptz '2024-03-01', 0.2),"
            "        ('between', '2024-04-15', 0.8), ('last', '2024-05-30', 0.2)) AS part (part, moment, score)"
        )
        samples = await collect(Models(), database, NOW)
        assert number(samples, "sales_model_scores", part="reference", **ONE) == 120
        assert number(samples, "sales_model_scores", part="current", **ONE) == 120
        assert number(samples, "sales_model_score_psi", **ONE) == pytest.approx(0, abs=1e-12)

    async def test_a_young_version_is_compared_with_what_came_before_the_last_7_days(
        self, databases: Databases
    ) -> None:
        database = databases.fresh()
        _predict(database, "a", 0.5, "2024-05-24 23:59+00")
        _predict(database, "b", 0.5, "2024-05-25 00:00+00")
        samples = await collect(Models(), database, NOW)
        assert number(samples, "sales_model_scores", part="reference", **ONE) == 1
        assert number(samples, "sales_model_scores", part="current", **ONE) == 1

    async def test_the_busiest_versions_stay_and_the_rest_is_added_up(self, databases: Databases) -> None:
        database = databases.fresh()
        for n, version in enumerate(["1", "1", "1", "2", "2", "3"]):
            _predict(database, str(n), 0.2, "2024-05-20", version=version)
        found = values(await collect(Models(), database, NOW, Business(model_limit=1)), "sales_model_predictions_total")
        assert found == {("m", "1"): 3, (OTHER, OTHER): 3}


def test_bins_of_the_calibration_error_and_of_deciles_divide_the_fine_ones() -> None:
    assert BINS % 10 == 0
    assert PSI_BINS % 10 == 0
