"""The figures of the dashboard of models, from what the exporter and the sidecar say of the same models."""

from __future__ import annotations

import pytest

from tests.grafana import findings
from tests.grafana.world import World, column, total
from tests.grafana.world import figure as figure_of

pytestmark = [pytest.mark.postgres, pytest.mark.stack]

MODELS = "ML/sales-models.json"
ONE = {"model": "call-success", "version": "v1"}
OF_ONE = ('model="call-success', 'version="v1')


def figure(world: World, number: int, letter: str, **chosen: str) -> float:
    return figure_of(world, MODELS, number, letter, **chosen)


def latest(world: World, number: int, letter: str, **chosen: str) -> float:
    return float(column(world, MODELS, number, letter, **chosen)[0]["values"][-1][1])


def test_accuracy_is_right_decisions_of_all(world: World):
    right = sum(total(world, "sales_model_decisions", f'predicted="{what}', f'actual="{what}')
                for what in ("positive", "negative"))
    assert figure(world, 1, "A") == pytest.approx(right / total(world, "sales_model_decisions"))


def test_accuracy_of_one_version_and_its_bounds_are_those_of_the_exporter(world: World):
    accuracy, lower, upper, baseline = (total(world, f"sales_model_{name}", *OF_ONE) for name in (
        "accuracy_ratio", "accuracy_ratio_lower", "accuracy_ratio_upper", "baseline_accuracy_ratio"))
    assert figure(world, 1, "A", **ONE) == pytest.approx(accuracy)
    assert figure(world, 1, "B", **ONE) == pytest.approx(100 * (accuracy - baseline))
    assert figure(world, 1, "C", **ONE) == pytest.approx(50 * (upper - lower))
    assert [latest(world, 10, letter, **ONE) for letter in "ABCD"] == pytest.approx([accuracy, lower, upper, baseline])


def test_auc_is_that_of_the_worst_version_with_enough_labels(world: World):
    assert figure(world, 2, "A", **ONE) == pytest.approx(total(world, "sales_model_auc_ratio", *OF_ONE))
    assert figure(world, 2, "A") <= figure(world, 2, "A", **ONE)


def test_calibration_is_how_far_scores_are_from_what_came_true(world: World):
    score, rate = (total(world, f"sales_model_{name}_ratio", *OF_ONE) for name in ("mean_score", "base_rate"))
    assert figure(world, 3, "A", **ONE) == pytest.approx(100 * abs(score - rate))


def test_one_version_drifts_and_its_evidence_is_told_by_the_limit(world: World):
    assert figure(world, 4, "A") == 1
    assert figure(world, 4, "B") == pytest.approx(findings.EVIDENCE / findings.LIMIT)
    assert figure(world, 8, "A") == 1
    effects = column(world, MODELS, 19, "B")
    assert [float(one["value"][1]) for one in effects] == pytest.approx([100 * findings.EFFECT])


def test_labels_are_counted_once(world: World):
    assert figure(world, 5, "A") == total(world, "sales_model_labels", 'state="mature')
    assert figure(world, 5, "B") == total(world, "sales_model_labels", 'state="pending')


def test_precision_and_recall_of_one_version_are_those_of_the_exporter(world: World):
    assert latest(world, 12, "A", **ONE) == pytest.approx(total(world, "sales_model_precision_ratio", *OF_ONE))
    assert latest(world, 12, "B", **ONE) == pytest.approx(total(world, "sales_model_recall_ratio", *OF_ONE))
    assert latest(world, 12, "C", **ONE) == pytest.approx(total(world, "sales_model_f1_ratio", *OF_ONE))


def test_decisions_add_up_to_the_labels(world: World):
    decided = sum(float(one["value"][1]) for letter in "AB" for one in column(world, MODELS, 13, letter))
    assert decided == total(world, "sales_model_labels", 'state="mature')


def test_limits_are_those_of_the_alerts(world: World):
    assert [latest(world, number, "B") for number in (15, 16, 17)] == [10, 0.25, 0.2]
    assert latest(world, 18, "B") == findings.LIMIT
