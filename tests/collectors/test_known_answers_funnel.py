"""The funnel and pipeline collectors on real leads, against reference answers computed with other tools."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from sales_exporter.collectors.funnel import Funnel
from sales_exporter.collectors.pipeline import Pipeline
from sales_exporter.config import Business, Stage
from sales_exporter.model import Sample
from sales_exporter.stats.intervals import wilson
from tests.support.datasets import Loaded
from tests.support.later import Later
from tests.support.reading import collect, number, values

pytestmark = pytest.mark.postgres
stats = Later("scipy.stats")
STAGES = (Stage(name="lead"), Stage(name="won", kind="won"))
BUSINESS = Business(stages=STAGES, windows=("30d", "all"), conversion_horizons=("30d",))
DATES = ("2018-03-01", "2018-06-01", "2018-11-15")
DIGITS = 5e-7
"""Reference rates are given to six decimals."""


@pytest.fixture(scope="module")
def expected(data_sets: Path) -> dict[str, Any]:
    """The reference answers that come with the data set."""
    answers: dict[str, Any] = json.loads((data_sets / "olist-funnel" / "expected.json").read_text())
    return answers


def moment(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def total(samples: list[Sample], stage: str, window: str, basis: str) -> float:
    """Leads of all channels, added up as a panel does."""
    counts = values(samples, "sales_funnel_leads")
    return sum(n for labels, n in counts.items() if labels[0] == stage and labels[2:] == (window, basis))


async def test_olist_all_time(olist: Loaded, expected: dict[str, Any]) -> None:
    samples = await collect(Funnel(), olist.database, olist.as_of, BUSINESS)
    leads, won = total(samples, "lead", "all", "cohort"), total(samples, "won", "all", "cohort")
    answer = expected["all_time"]
    assert (leads, won) == (answer["leads"], answer["won"])
    assert won / leads == pytest.approx(answer["rate"], abs=DIGITS)
    bounds = wilson(won, leads)
    assert [float(bounds.lower), float(bounds.upper)] == pytest.approx(answer["wilson95"], abs=DIGITS)


async def test_olist_by_channel(olist: Loaded, expected: dict[str, Any]) -> None:
    samples = await collect(Funnel(), olist.database, olist.as_of, BUSINESS)
    assert {labels[1] for labels in values(samples, "sales_funnel_leads")} == set(expected["by_channel"])
    for channel, answer in expected["by_channel"].items():
        counts = [number(samples, "sales_funnel_leads", stage=stage, channel=channel, window="all", basis="cohort")
                  for stage in ("lead", "won")]
        assert counts == [answer["leads"], answer["won"]]
        step = [number(samples, f"sales_funnel_step_ratio{side}",
                       **{"from": "lead", "to": "won", "channel": channel, "window": "all"})
                for side in ("", "_lower", "_upper")]
        assert step == pytest.approx([answer["rate"], *answer["wilson95"]], abs=DIGITS)


@pytest.mark.parametrize("day", DATES)
async def test_olist_as_of(olist: Loaded, expected: dict[str, Any], day: str) -> None:
    samples = await collect(Funnel(), olist.database, moment(day), BUSINESS)
    answer = expected["as_of"][day]
    assert total(samples, "lead", "30d", "cohort") == answer["cohort_leads"]
    assert total(samples, "won", "30d", "cohort") == answer["cohort_won_by_as_of"]
    assert total(samples, "won", "30d", "event") == answer["events_won_in_window"]
    assert total(samples, "lead", "all", "cohort") == answer["leads_total_before"]
    assert total(samples, "won", "all", "cohort") == answer["won_total_before"]
    if answer["cohort_rate_observed"] is None:
        assert values(samples, "sales_funnel_conversion_ratio") == {}
    else:
        rate = total(samples, "won", "30d", "cohort") / total(samples, "lead", "30d", "cohort")
        assert rate == pytest.approx(answer["cohort_rate_observed"], abs=DIGITS)


@pytest.mark.parametrize("day", DATES)
async def test_olist_wins_of_a_cohort_in_the_end(olist: Loaded, expected: dict[str, Any], day: str) -> None:
    # Seen from the end, the leads of those 30 days are the difference of two longer windows.
    since = (olist.as_of - moment(day)).days
    assert olist.as_of - timedelta(days=since) == moment(day)
    longer, shorter = f"{since + 30}d", f"{since}d" if since else None
    windows = (longer, shorter) if shorter else (longer,)
    business = Business(stages=STAGES, windows=windows, conversion_horizons=("30d",))
    samples = await collect(Funnel(), olist.database, olist.as_of, business)
    later = total(samples, "won", shorter, "cohort") if shorter else 0
    assert total(samples, "won", longer, "cohort") - later == expected["as_of"][day]["cohort_won_eventually"]


async def test_olist_time_to_win(olist: Loaded, expected: dict[str, Any]) -> None:
    samples = await collect(Pipeline(), olist.database, olist.as_of, BUSINESS)
    answer = expected["time_to_win_seconds"]
    # The one win before its lead counts as no time; that moves neither quantile.
    # Times are counted in buckets of 5 %, so a quantile is exact to about half of that.
    assert number(samples, "sales_cycle_time_seconds", q="0.5", result="won") == pytest.approx(
        answer["median"], rel=0.025)
    assert number(samples, "sales_cycle_time_seconds", q="0.9", result="won") == pytest.approx(
        answer["p90_linear"], rel=0.025)
    assert number(samples, "sales_stage_exits", stage="lead", window="all") == answer["n"]
    durations = values(samples, "sales_stage_duration_seconds")
    assert durations["lead", "0.5", "exited_only", "all"] == pytest.approx(answer["median"], rel=0.025)


LATER_WINS = """
    SELECT count(*) AS leads, count(*) FILTER (WHERE EXISTS (
               SELECT FROM sales.stage_transitions AS t WHERE t.lead_id = l.lead_id AND t.to_stage = 'won'
                  AND t.occurred_at <= l.created_at + interval '90 days')) AS won
      FROM sales.leads AS l
     WHERE created_at >= %(now)s::timestamptz - interval '90 days' AND created_at < %(now)s"""


async def test_olist_projected_conversion_is_nearer_to_what_came_true_than_what_was_seen(olist: Loaded) -> None:
    business = Business(stages=STAGES, windows=("90d",), conversion_horizons=("90d",))
    errors = []
    for day in ("2018-03-01", "2018-04-01", "2018-05-01", "2018-06-01"):
        samples = await collect(Funnel(), olist.database, moment(day), business)
        with psycopg.connect(olist.database.owner.dsn) as connection:
            leads, won = connection.execute(LATER_WINS, {"now": moment(day)}).fetchone() or (0, 0)
        share = {estimator: sum(
            value * float(number(samples, "sales_funnel_leads", stage="lead", channel=channel, window="90d",
                                 basis="cohort") or 0)
            for (channel, _, kind), value in values(samples, "sales_funnel_conversion_ratio").items()
            if kind == estimator) / leads for estimator in ("observed", "projected")}
        errors.append((abs(share["observed"] - won / leads), abs(share["projected"] - won / leads)))
    seen, projected = (sum(part) / len(errors) for part in zip(*errors, strict=True))
    # benchmarks/projection.py has the errors over all weeks.
    assert projected < seen / 2


async def test_olist_restricted_mean_equals_an_independent_estimate(olist: Loaded) -> None:
    samples = await collect(Pipeline(), olist.database, moment("2018-06-01"), BUSINESS)
    with psycopg.connect(olist.database.owner.dsn) as connection:
        rows = connection.execute(
            "SELECT extract(epoch FROM coalesce(least(t.at, %(now)s), %(now)s) - l.created_at)::float8,"
            "       coalesce(t.at < %(now)s, false)"
            "  FROM sales.leads AS l LEFT JOIN LATERAL (SELECT min(occurred_at) AS at FROM sales.stage_transitions AS s"
            "        WHERE s.lead_id = l.lead_id AND s.to_stage = 'won') AS t ON true"
            " WHERE l.created_at >= %(now)s::timestamptz - interval '60 days' AND l.created_at < %(now)s",
            {"now": moment("2018-06-01")}).fetchall()
    ended = [max(length, 0.0) for length, done in rows if done]
    curve = stats.ecdf(stats.CensoredData(ended, right=[length for length, done in rows if not done])).sf
    horizon = 30 * 86_400.0
    inside = curve.quantiles[curve.quantiles < horizon]
    heights = np.concatenate(([1.0], curve.probabilities[: len(inside)]))
    area = float(heights @ np.diff(np.concatenate(([0.0], inside, [horizon]))))
    found = number(samples, "sales_stage_duration_mean_restricted_seconds", stage="lead", horizon="30d")
    assert found == pytest.approx(area, rel=2e-4)
    assert number(samples, "sales_stage_entries", stage="lead", window="60d") == len(rows)
