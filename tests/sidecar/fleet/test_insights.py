"""Insights are sentences with numbers, ranked by money."""

from __future__ import annotations

import math
from dataclasses import replace

from sales_exporter.sidecar.fleet.insights import INSIGHT, MOST, Insight, Trend, insights, samples
from sales_exporter.sidecar.fleet.words import Finding

NAN = math.nan
ODD = Finding(what="Leads per hour", entity="channel=email", unit="", at=7_200, since=0, value=3, expected=50, lower=40,
              upper=60, effect=-8, p=0.03, channel="hour", money=10, currency="EUR")
UP = Trend("Spend", "channel=ads", "currency", 120, 80, 160, 2_400, 8, 120, "EUR")


def test_an_anomaly_in_a_sentence() -> None:
    assert insights([ODD], [])[0] == Insight(
        "anomaly", "Leads per hour (channel=email): 3 instead of 50 (-94 %) for 2 h; 1,680 EUR a week at stake", 1_680)


def test_a_trend_in_a_sentence() -> None:
    assert insights([], [UP])[0] == Insight(
        "trend", "Spend (channel=ads): up 120 EUR a week for 56 d, now 2,400 EUR; 120 EUR a week at stake", 120)


def test_what_falls_goes_down() -> None:
    falling = replace(UP, entity="", unit="", per_week=-3, lower=-4, upper=-2, level=20, money=NAN)
    assert insights([], [falling])[0].text == "Spend: down 3 a week for 56 d, now 20"


def test_a_trend_whose_bounds_hold_none_is_left_out() -> None:
    assert insights([], [replace(UP, lower=-1)]) == []


def test_the_most_money_comes_first_and_unknown_worth_last() -> None:
    found = insights([replace(ODD, money=NAN), ODD], [UP, replace(UP, money=-5_000)])
    assert [(one.category, one.money if one.money > 0 else None) for one in found] == [
        ("trend", 5_000), ("anomaly", 1_680), ("trend", 120), ("anomaly", None)]


def test_no_more_are_published_than_somebody_reads() -> None:
    assert len(insights([ODD] * (MOST + 5), [])) == MOST


def test_a_long_name_is_cut_before_the_numbers_are() -> None:
    text = insights([replace(ODD, what="L" * 200)], [])[0].text
    assert len(text) == 128
    assert text.endswith("…: 3 instead of 50 (-94 %) for 2 h; 1,680 EUR a week at stake")


def test_insights_are_series_by_rank() -> None:
    assert list(samples([Insight("trend", "a", 2), Insight("anomaly", "b", 1)])) == [
        INSIGHT(1, rank="1", category="trend", text="a"), INSIGHT(1, rank="2", category="anomaly", text="b")]
