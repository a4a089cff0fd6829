"""Models: mature labels alone, bounds beside every ratio, and drift of the scores."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from sales_exporter.collectors.cardinality import OTHER
from sales_exporter.collectors.models import Models, drift, estimated, folded, outlook, quality, with_bounds
from sales_exporter.collectors.versions import Version, Weeks
from sales_exporter.config import Business
from sales_exporter.ledger.predictions import LABEL_BINS, SCORE_BINS
from sales_exporter.model import Sample
from sales_exporter.stats.classification import Confusion
from sales_exporter.stats.estimated_accuracy import UNDEFINED, EstimatedAccuracy
from tests.support.databases import Database, Databases
from tests.support.reading import collect, number, values

NOW = datetime(2024, 6, 1, tzinfo=UTC)
ONE = {"model": "m", "version": "1"}
DAY = 86_400.0


def _version(reference: int = 0, current: int = 0) -> Version:
    def spread(n: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        counts = np.zeros(SCORE_BINS)
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


def _decisions(samples: list[Sample], name: str = "sales_model_decisions") -> dict[tuple[str, str], float]:
    found = values(samples, name).items()
    return {(predicted[:3], actual[:3]): n for (_, _, predicted, actual), n in found if isinstance(n, float) and n}


def test_a_version_without_labels_has_counts_and_no_quality() -> None:
    names = {sample.metric.name for sample in quality(_version())}
    assert names == {
        "sales_model_predictions_total", "sales_model_labels", "sales_model_decisions", "sales_model_settled_decisions",
        "sales_model_scores",
    }


def test_drift_needs_enough_predictions_on_both_sides() -> None:
    assert len(list(drift(_version(reference=100, current=100)))) == 5
    assert len(list(drift(_version(reference=100, current=99)))) == 2
    assert len(list(drift(_version(reference=99, current=100)))) == 2


def test_scores_that_moved_together_have_no_distance() -> None:
    found = list(drift(_version(reference=100, current=100)))
    assert number(found, "sales_model_score_ks_statistic", **ONE) == 0
    assert number(found, "sales_model_score_ks_p_value", **ONE) == 1


def _weeks(mature: int) -> Weeks:
    """Eleven weeks of 100 predictions in two bins: 0.1 of the lower came true, 0.9 of the upper, decided positive."""
    positives, negatives, decided = (np.zeros((11, SCORE_BINS)) for _ in range(3))
    for table, low, high in ((positives, 5, 45), (negatives, 45, 5), (decided, 0, 50)):
        table[:, 100], table[:, 900] = low, high
    # The last week has more of the lower bin.
    negatives[0, 100] += 100
    return Weeks(positives, negatives, decided, mature)


def test_accuracy_is_estimated_for_the_last_week_from_the_weeks_whose_labels_are_mature() -> None:
    found = estimated(_weeks(2))
    assert found.value == pytest.approx(0.9)
    assert (found.error, found.periods) == (pytest.approx(0, abs=1e-12), 6)


def test_nothing_is_estimated_once_the_labels_are_there() -> None:
    assert estimated(_weeks(0)).periods == 0


def test_nothing_is_estimated_from_too_short_a_record() -> None:
    assert estimated(_weeks(8)).periods == 0
    assert list(outlook(_version(), UNDEFINED)) == []


def test_bounds_of_an_estimate_come_from_its_errors() -> None:
    # Student's t with 4 degrees of freedom: 2.776445; a mean size of 0.01 is a deviation of 0.0125331.
    value, lower, upper = with_bounds(EstimatedAccuracy(0.8, 0.01, 0.02, 4))
    assert (value, lower, upper) == pytest.approx((0.8, 0.8 - 0.0347975, 0.8 + 0.0347975), abs=1e-6)
    assert with_bounds(EstimatedAccuracy(0.99, 0.05, 0.02, 4))[2] == 1


def test_weeks_are_told_apart_by_what_is_looked_at() -> None:
    one, other, more = _weeks(2), _weeks(2), _weeks(2)
    # A label of a pending week turned out positive; a label of a mature one did.
    other.positives[1, 100], other.negatives[1, 100] = 6, 44
    more.positives[3, 100], more.negatives[3, 100] = 6, 44
    assert one.digest == other.digest != more.digest


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
        _predict(database, "over", 0.1, "2024-05-24 23:59:59+00")
        _predict(database, "running", 0.1, "2024-05-25 00:00:00+00")
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

    async def test_a_day_is_settled_once_every_label_of_it_is_mature(self, databases: Databases) -> None:
        database = databases.fresh()
        _predict(database, "early", 0.9, "2024-05-20 08:00+00")
        _observe(database, "early", 1, "2024-05-20 09:00+00")
        _predict(database, "late", 0.9, "2024-05-20 10:00+00")
        for moment, expected in ((datetime(2024, 5, 27, 23, tzinfo=UTC), {}),
                                 (datetime(2024, 5, 28, tzinfo=UTC), {("pos", "pos"): 1, ("pos", "neg"): 1})):
            samples = await collect(Models(), database, moment)
            assert _decisions(samples, "sales_model_settled_decisions") == expected

    async def test_settled_days_stay_counted_for_good(self, databases: Databases) -> None:
        database = databases.fresh()
        _predict(database, "old", 0.1, "2022-01-01")
        _predict(database, "new", 0.9, "2024-05-01")
        samples = await collect(Models(), database, NOW)
        assert _decisions(samples, "sales_model_settled_decisions") == {("neg", "neg"): 1, ("pos", "neg"): 1}

    async def test_a_label_that_never_matures_keeps_its_own_day_and_version_alone_from_being_settled(
        self, databases: Databases
    ) -> None:
        database = databases.fresh()
        _predict(database, "never", 0.9, "2024-05-01", horizon="Infinity")
        _predict(database, "same day", 0.9, "2024-05-01")
        _predict(database, "next day", 0.1, "2024-05-02")
        _predict(database, "other version", 0.1, "2024-05-01", version="2")
        found = values(await collect(Models(), database, NOW), "sales_model_settled_decisions")
        assert {key[1:]: n for key, n in found.items() if n} == {
            ("1", "negative", "negative"): 1, ("2", "negative", "negative"): 1}

    async def test_a_corrected_outcome_moves_a_settled_decision(self, databases: Databases) -> None:
        database = databases.fresh()
        _predict(database, "a", 0.9, "2024-05-01")
        _observe(database, "a", 1, "2024-05-30", final=False)
        before = await collect(Models(), database, datetime(2024, 5, 30, tzinfo=UTC))
        after = await collect(Models(), database, NOW)
        assert _decisions(before, "sales_model_settled_decisions") == {("pos", "neg"): 1}
        assert _decisions(after, "sales_model_settled_decisions") == {("pos", "pos"): 1}

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

    async def test_whole_days_of_scores_are_compared_with_the_first_days(self, databases: Databases) -> None:
        database = databases.fresh()
        database.execute(
            "INSERT INTO sales.model_predictions (prediction_id, model, version, subject_kind, subject_id,"
            " predicted_at, horizon_seconds, score)"
            " SELECT format('%s %s', day, g), 'm', '1', 'lead', g, '2024-05-01'::timestamptz + day * interval '1 day',"
            "        1, CASE WHEN day < 24 THEN 0.305 WHEN day < 31 THEN 0.505 ELSE 0.905 END"
            "   FROM generate_series(0, 31) AS day, generate_series(1, 10) AS g")
        samples = await collect(Models(), database, NOW + timedelta(hours=12))
        # Today's scores, far above, do not count yet.
        assert number(samples, "sales_model_score_distance", **ONE) == pytest.approx(0.2)
        assert number(samples, "sales_model_score_shift_p_value", **ONE) == 0.001

    async def test_days_that_do_not_differ_are_no_shift(self, databases: Databases) -> None:
        database = databases.fresh()
        for day in range(1, 32):
            _predict(database, str(day), 0.5, f"2024-05-{day:02}")
        samples = await collect(Models(), database, NOW)
        assert number(samples, "sales_model_score_distance", **ONE) == 0
        assert number(samples, "sales_model_score_shift_p_value", **ONE) == 1

    async def test_a_version_that_is_too_young_has_no_shift(self, databases: Databases) -> None:
        database = databases.fresh()
        _predict(database, "a", 0.5, "2024-05-31")
        assert number(await collect(Models(), database, NOW), "sales_model_score_distance", **ONE) is None

    async def test_labels_are_looked_at_as_of_the_last_full_hour(self, databases: Databases) -> None:
        database = databases.fresh()
        _predict(database, "a", 0.9, "2024-05-31")
        _observe(database, "a", 1, "2024-05-31 23:30+00")
        for minute, expected in ((-1, (0, 1)), (0, (1, 0)), (59, (1, 0))):
            moment = NOW + timedelta(minutes=minute)
            assert _labels(await collect(Models(), database, moment)) == expected

    async def test_accuracy_is_estimated_before_labels_arrive(self, databases: Databases) -> None:
        database = databases.fresh()
        database.execute(
            "INSERT INTO sales.model_predictions (prediction_id, model, version, subject_kind, subject_id,"
            " predicted_at, horizon_seconds, score)"
            " SELECT g, 'm', '1', 'lead', g, '2024-06-01'::timestamptz - (g % 84 + 1) * interval '1 day', 864000,"
            "        CASE WHEN g / 84 % 4 = 0 THEN 0.9 ELSE 0.2 END FROM generate_series(0, 8399) AS g")
        # Of the higher scores two in three come true, of the lower none.
        database.execute(
            "INSERT INTO sales.model_outcomes (subject_kind, subject_id, observed_at, label, is_final)"
            " SELECT 'lead', subject_id, predicted_at + interval '9 days', 1, false FROM sales.model_predictions"
            "  WHERE score = 0.9 AND subject_id::int % 3 > 0 AND predicted_at < '2024-05-22'")
        samples = await collect(Models(), database, NOW)
        names = [f"sales_model_estimated_accuracy_ratio{end}" for end in ("_lower", "", "_upper")]
        lower, value, upper = (number(samples, name, **ONE) for name in names)
        assert lower is not None
        assert value == pytest.approx(0.75 + 0.25 * 2 / 3, abs=0.01)
        assert upper is not None
        assert lower <= value <= upper
        error = number(samples, "sales_model_estimated_accuracy_error_ratio", **ONE)
        assert error is not None
        assert error < 0.02

    async def test_the_busiest_versions_stay_and_the_rest_is_added_up(self, databases: Databases) -> None:
        database = databases.fresh()
        for n, version in enumerate(["1", "1", "1", "2", "2", "3"]):
            _predict(database, str(n), 0.2, "2024-05-20", version=version)
        found = values(await collect(Models(), database, NOW, Business(model_limit=1)), "sales_model_predictions_total")
        assert found == {("m", "1"): 3, (OTHER, OTHER): 3}


def test_bins_of_the_calibration_error_and_of_deciles_divide_the_fine_ones() -> None:
    assert LABEL_BINS % 10 == 0
    assert SCORE_BINS % 10 == 0
