"""Win curves against counts worked out by hand and against deals whose chances are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.stats.classification import Estimate
from sales_exporter.stats.stage_age import SHRINKAGE, WinCurves, learn, weighted_pipeline

EDGES = [0.0, 7.0, 30.0]


def sure(probability: float) -> WinCurves:
    """A curve that is known exactly, of one stage."""
    return WinCurves(np.array([0.0]), np.array([[probability]]), np.array([[1e12]]))


def test_a_win_that_takes_long_becomes_less_probable() -> None:
    # 1,000 visits: 300 won and 100 lost in a week, 100 and 200 in a month, 30 and 270 later.
    curves = learn([[1000, 600, 300]], [[300, 100, 30]], [[100, 200, 270]], EDGES)
    overall = 0.43
    for age, raw, visits in [(0, 0.43, 1000), (7, 130 / 600, 600), (30, 0.1, 300), (90, 0.1, 300)]:
        expected = (visits * raw + SHRINKAGE * overall) / (visits + SHRINKAGE)
        assert curves.at([0], [age]) == pytest.approx([expected])


def test_between_two_edges_the_probability_is_between_theirs() -> None:
    curves = learn([[1000, 600, 300]], [[300, 100, 30]], [[100, 200, 270]], EDGES)
    first, middle, last = curves.at([0, 0, 0], [7, 18.5, 30])
    assert middle == pytest.approx((first + last) / 2)


def test_visits_that_have_not_ended_are_censored() -> None:
    # Of 200 at the start 50 win, 50 lose, 50 are still open at the edge; of the 50 left 40 win.
    curves = learn([[200, 50]], [[50, 40]], [[50, 10]], [0, 7])
    raw = 50 / 200 + (1 - 100 / 200) * 40 / 50
    assert curves.probability[0, 0] == pytest.approx((200 * raw + SHRINKAGE * 90 / 150) / (200 + SHRINKAGE))


def test_few_visits_are_drawn_to_the_stage_as_a_whole() -> None:
    curves = learn([[100, 2]], [[50, 0]], [[48, 2]], [0, 90])
    assert curves.probability[0, 1] == pytest.approx(SHRINKAGE * 0.5 / (2 + SHRINKAGE))


def test_an_age_that_no_visit_reached_has_the_rate_of_the_stage() -> None:
    assert learn([[10, 0]], [[4, 0]], [[6, 0]], [0, 90]).probability.tolist() == [[0.4, 0.4]]


def test_a_stage_without_finished_visits_is_undefined() -> None:
    curves = learn([[10, 5], [3, 1]], [[2, 2], [0, 0]], [[3, 3], [0, 0]], [0, 7])
    assert np.isnan(curves.at([0, 1, 1], [1, 0, 20])).tolist() == [False, True, True]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=6))
def test_finished_visits_give_the_share_won_of_those_that_lasted(ended: list[tuple[int, int]]) -> None:
    won, lost = np.array(ended, float).T
    won[0] += 1
    at_risk = np.cumsum((won + lost)[::-1])[::-1]
    curves = learn([at_risk], [won], [lost], np.arange(len(ended)))
    share = np.cumsum(won[::-1])[::-1] + SHRINKAGE * won.sum() / at_risk[0]
    assert curves.probability[0] == pytest.approx(share / (at_risk + SHRINKAGE))


def test_learned_chances_are_those_of_new_deals() -> None:
    draw = np.random.default_rng(3)
    won = draw.random(40_000) < 0.3
    lasted = np.where(won, draw.exponential(10, 40_000), draw.exponential(25, 40_000))
    edges = np.array([0, 3, 7, 14, 30, 60.0])
    counts = [np.histogram(lasted[part], np.append(edges, np.inf))[0] for part in (won, ~won)]
    at_risk = (lasted[:, None] >= edges).sum(axis=0)
    curves = learn([at_risk], [counts[0]], [counts[1]], edges)
    for age in (0.0, 5.0, 20.0):
        truth = 0.3 * math.exp(-age / 10) / (0.3 * math.exp(-age / 10) + 0.7 * math.exp(-age / 25))
        assert float(curves.at([0], [age])[0]) == pytest.approx(truth, abs=0.02)


def test_the_weighted_pipeline_is_the_sum_of_amounts_times_chances() -> None:
    assert weighted_pipeline(sure(0.25), [0, 0], [1, 2], [1000, 3000]).value == pytest.approx(1000)


def test_one_deal_comes_or_does_not() -> None:
    found = weighted_pipeline(sure(0.3), [0], [1], [100])
    assert found.lower == pytest.approx(0, abs=1e-6)
    assert found.upper == pytest.approx(100, abs=1e-6)


def test_bounds_hold_what_the_pipeline_brings_as_often_as_they_say() -> None:
    draw = np.random.default_rng(8)
    amounts = draw.lognormal(8, 0.7, 60)
    found = weighted_pipeline(sure(0.3), np.zeros(60, int), np.ones(60), amounts)
    brought = (draw.random((4_000, 60)) < 0.3) @ amounts
    assert 0.93 <= np.mean((found.lower <= brought) & (brought <= found.upper)) <= 0.97


def test_chances_learned_from_few_visits_widen_the_bounds() -> None:
    few, many = (learn([[n]], [[0.3 * n]], [[0.7 * n]], [0]) for n in (10, 10_000))
    deals = ([0] * 400, [1.0] * 400, [50.0] * 400)
    narrow, wide = weighted_pipeline(many, *deals), weighted_pipeline(few, *deals)
    assert narrow.value == pytest.approx(wide.value)
    assert wide.upper - wide.lower > 2 * (narrow.upper - narrow.lower)


def test_deals_that_cannot_be_weighed_are_left_out() -> None:
    curves = learn([[10], [3]], [[4], [0]], [[6], [0]], [0])
    whole = weighted_pipeline(curves, [0, 1, 0, 0], [1, 1, math.nan, 1], [100, 100, 100, math.nan])
    assert whole == weighted_pipeline(curves, [0], [1], [100])


def test_a_pipeline_without_deals_is_undefined() -> None:
    assert all(math.isnan(part) for part in weighted_pipeline(sure(0.3), [], [], []))


def test_a_pipeline_without_money_is_worth_nothing() -> None:
    assert weighted_pipeline(sure(0.3), [0], [1], [0]) == Estimate(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("at_risk", "won", "lost", "edges", "message"),
    [
        ([[5]], [[3]], [[3]], [0], "at risk"), ([[5]], [[-1]], [[3]], [0], "negative"),
        ([[5, 5]], [[1, 1]], [[1, 1]], [0, 0], "ascend"), ([[5]], [[1]], [[1]], [1], "ascend"),
        ([5], [1], [1], [0], "stages x ages"), ([[5]], [[1]], [[1]], [0, 7], "stages x ages"),
    ],
)
def test_impossible_visits_are_refused(
    at_risk: list[object], won: list[object], lost: list[object], edges: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        learn(at_risk, won, lost, edges)


def test_impossible_deals_are_refused() -> None:
    with pytest.raises(ValueError, match="stage codes"):
        sure(0.3).at([1], [0])
    with pytest.raises(ValueError, match="negative"):
        weighted_pipeline(sure(0.3), [0], [1], [-5])
    with pytest.raises(ValueError, match="level"):
        weighted_pipeline(sure(0.3), [0], [1], [5], level=95)
