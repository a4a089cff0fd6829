"""Reps: counts, raw win ratios with bounds, ranks, and a score made of published parts."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from sales_exporter.collectors.cardinality import NONE, OTHER, TopK
from sales_exporter.collectors.reps import (
    COMPONENT,
    SCORE,
    STANDING,
    Record,
    Reps,
    components,
    outdone,
    scores,
    standings,
)
from sales_exporter.collectors.standing import Logs, typical
from sales_exporter.collectors.windows import Windows
from sales_exporter.config import Business
from sales_exporter.ledger.cells import Cells
from sales_exporter.model import Sample
from tests.support.databases import Database, Databases
from tests.support.reading import collect, number, values

NOW = datetime(2024, 6, 1, tzinfo=UTC)
WEIGHTS = Business().rep_score_weights


def _everybody(*names: str) -> TopK:
    top = TopK("rep", 10)
    top.rank(dict.fromkeys(names, 1))
    return top


def _deal(database: Database, key: str, rep: str | None, status: str, closed: str | None, **more: object) -> None:
    database.execute(
        "INSERT INTO sales.deals (deal_id, rep_id, status, stage, closed_at, opened_at, amount, currency)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        key, rep, status, "proposal" if status == "open" else status, closed,
        more.get("opened", "2024-05-01"), more.get("amount", 100), more.get("currency", "EUR"),
    )


def _standings(keep: TopK | None = None, **reps: tuple[int, int]) -> list[Sample]:
    """Standings of reps by (won, lost) in one window."""
    counts = {(rep, result, "30d"): float(n) for rep, both in reps.items()
              for result, n in zip(("won", "lost"), both, strict=True)}
    top = keep or _everybody(*reps)
    windows = Windows.ending(0, ("30d",))
    return list(standings(Cells(("rep", "result", "window"), counts), windows, lambda rep: top(rep) == rep))


def test_rank_is_by_the_true_win_ratio_not_by_the_ratio_of_two_deals() -> None:
    found = values(_standings(lucky=(2, 0), steady=(90, 10), poor=(10, 90), usual=(50, 50)), "sales_rep_rank")
    assert found["steady", "30d"] == 1
    assert found["lucky", "30d"] == 2
    assert found["poor", "30d"] == 4


def test_rank_bounds_are_wide_where_deals_are_few_and_hold_the_rank() -> None:
    samples = _standings(lucky=(2, 0), steady=(90, 10), poor=(10, 90), usual=(50, 50))
    rank, lower, upper = (values(samples, f"sales_rep_rank{side}") for side in ("", "_lower", "_upper"))
    assert all(lower[key] <= rank[key] <= upper[key] for key in rank)
    assert upper["lucky", "30d"] - lower["lucky", "30d"] >= 2
    assert upper["poor", "30d"] - lower["poor", "30d"] <= 1


def test_reps_that_cannot_be_told_apart_share_a_wide_range_and_a_high_p_value() -> None:
    samples = _standings(a=(5, 5), b=(5, 5), c=(5, 5), d=(5, 5))
    assert {values(samples, "sales_rep_rank_lower")[rep, "30d"] for rep in "abcd"} == {1}
    assert {values(samples, "sales_rep_rank_upper")[rep, "30d"] for rep in "abcd"} == {4}
    assert number(samples, "sales_rep_differences_p_value", window="30d") == 1


def test_real_differences_have_a_low_p_value() -> None:
    samples = _standings(good=(80, 20), middle=(50, 50), bad=(20, 80))
    assert number(samples, "sales_rep_differences_p_value", window="30d") < 0.01  # type: ignore[operator]


def test_a_shrunk_ratio_lies_between_the_raw_one_and_the_teams() -> None:
    found = values(_standings(lucky=(2, 0), a=(50, 50), b=(40, 60), c=(60, 40)), "sales_rep_win_ratio")
    assert 0.5 < found["lucky", "shrunk", "30d"] < 0.75
    assert found["a", "shrunk", "30d"] == pytest.approx(0.5, abs=0.02)


def test_two_reps_are_no_team() -> None:
    assert {s.metric.name for s in _standings(a=(5, 1), b=(1, 5))} == {"sales_rep_differences_p_value"}


def test_who_decided_nothing_is_nobody_or_is_folded_has_no_rank_but_the_folded_count() -> None:
    samples = _standings(_everybody("a", "b"), idle=(0, 0), a=(9, 1), b=(5, 5), c=(1, 9), **{NONE: (5, 5)})
    found = values(samples, "sales_rep_rank")
    assert set(found) == {("a", "30d"), ("b", "30d")}
    assert found["b", "30d"] == 2


def test_typical_values_are_geometric_means_and_a_single_one_has_no_raw_bounds() -> None:
    logs = Logs.of(np.array([0, 0, 0, 1, 2, 2, 3]), np.array([1.0, 10, 100, 5, 10, 1000, np.nan]), 4)
    samples = list(typical(["many", "one", "two", "none"], logs, STANDING.cycle, lambda rep: True))
    found, lower, upper = (values(samples, f"sales_rep_cycle_seconds{side}") for side in ("", "_lower", "_upper"))
    assert found["many", "raw"] == pytest.approx(10)
    assert found["one", "raw"] == pytest.approx(5)
    assert ("one", "raw") not in lower
    # Student's t with 2 degrees of freedom: 4.303 x ln(10) / sqrt(3).
    assert np.log(upper["many", "raw"] / 10) == pytest.approx(4.3027 * np.log(10) / np.sqrt(3), rel=1e-4)
    assert 5 < found["one", "shrunk"] < found["two", "shrunk"] < 100
    assert lower["one", "shrunk"] < found["one", "shrunk"] < upper["one", "shrunk"]
    assert not any(rep == "none" for rep, _ in found)


@pytest.mark.parametrize(
    ("given", "share"),
    [
        ({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 0.0, "b": 0.5, "c": 1.0}),
        pytest.param({"a": 5.0, "b": 5.0, "c": 7.0}, {"a": 0.25, "b": 0.25, "c": 1.0}, id="ties half"),
        pytest.param({"a": 9.0}, {"a": 0.5}, id="nobody to compare with"),
        pytest.param({}, {}, id="nobody at all"),
    ],
)
def test_share_of_the_others_that_one_outdoes(given: dict[str, float], share: dict[str, float]) -> None:
    assert outdone(given) == share


def test_components_lie_between_0_and_1_and_shorter_cycles_are_better() -> None:
    parts = components({
        "quick": Record(won=10, lost=0, revenue=500.0, cycle=86_400.0),
        "slow": Record(won=10, lost=10, revenue=900.0, cycle=864_000.0),
    })
    assert parts["quick"] == pytest.approx({"win_ratio": 0.722467, "revenue": 0.0, "volume": 0.0, "cycle_time": 1.0})
    assert parts["slow"] == pytest.approx({"win_ratio": 0.299298, "revenue": 1.0, "volume": 1.0, "cycle_time": 0.0})


def test_a_rep_without_a_win_has_no_cycle_time() -> None:
    parts = components({"a": Record(0, 3, 0.0, None), "b": Record(1, 0, 10.0, 60.0)})
    assert "cycle_time" not in parts["a"]
    assert parts["b"]["cycle_time"] == 0.5


def test_the_score_is_the_weighted_mean_of_its_parts() -> None:
    parts = {"a": {"win_ratio": 0.5, "revenue": 1.0, "cycle_time": 0.0, "volume": 1.0}}
    assert list(scores(parts, WEIGHTS, _everybody("a")))[-1] == SCORE(0.4 * 0.5 + 0.3 + 0.15, rep="a")


def test_the_weight_of_a_missing_part_goes_to_the_others() -> None:
    parts = {"a": {"win_ratio": 0.5, "revenue": 1.0, "volume": 1.0}}
    found = list(scores(parts, WEIGHTS, _everybody("a")))[-1]
    assert found.value == pytest.approx((0.2 + 0.3 + 0.15) / 0.85)


def test_no_score_where_only_unweighted_parts_are_known() -> None:
    found = list(scores({"a": {"revenue": 1.0}}, {"win_ratio": 1.0}, _everybody("a")))
    assert found == [COMPONENT(1, rep="a", component="revenue")]


def test_a_rep_beyond_the_limit_has_no_score() -> None:
    assert list(scores({"folded": {"win_ratio": 0.5}}, WEIGHTS, _everybody("a"))) == []


@pytest.mark.postgres
class TestOnPostgres:
    """The statement on a handful of rows."""

    async def test_a_deal_closed_exactly_at_the_moment_is_open_and_one_at_the_start_is_inside(
        self, databases: Databases
    ) -> None:
        database = databases.fresh()
        _deal(database, "now", "ann", "won", "2024-06-01")
        _deal(database, "start", "ann", "lost", "2024-05-25")
        _deal(database, "before", "ann", "won", "2024-05-24 23:59:59.999")
        found = values(await collect(Reps(), database, NOW), "sales_rep_deals")
        assert found["ann", "won", "7d"] == 0
        assert found["ann", "lost", "7d"] == 1
        assert found["ann", "won", "30d"] == 1
        assert found["ann", "open", "all"] == 1

    async def test_a_deal_opened_at_the_moment_or_later_does_not_exist(self, databases: Databases) -> None:
        database = databases.fresh()
        _deal(database, "future", "ann", "open", None, opened="2024-06-01")
        assert await collect(Reps(), database, NOW) == []

    async def test_a_deal_without_an_opening_exists_but_has_no_cycle(self, databases: Databases) -> None:
        database = databases.fresh()
        _deal(database, "d", "ann", "won", "2024-05-30", opened=None)
        samples = await collect(Reps(), database, NOW)
        assert number(samples, "sales_rep_deals", rep="ann", result="won", window="7d") == 1
        assert number(samples, "sales_rep_score_component", rep="ann", component="cycle_time") is None
        assert number(samples, "sales_rep_score", rep="ann") is not None

    async def test_a_win_ratio_of_nothing_decided_is_absent_and_its_counts_are_zero(
        self, databases: Databases
    ) -> None:
        database = databases.fresh()
        _deal(database, "d", "ann", "won", "2024-05-10")
        samples = await collect(Reps(), database, NOW)
        assert number(samples, "sales_rep_deals", rep="ann", result="won", window="7d") == 0
        assert number(samples, "sales_rep_win_ratio", rep="ann", estimator="raw", window="7d") is None
        assert number(samples, "sales_rep_win_ratio", rep="ann", estimator="raw", window="30d") == 1
        assert number(samples, "sales_rep_win_ratio_lower", rep="ann", estimator="raw", window="30d") == pytest.approx(
            0.206549, abs=1e-6
        )

    async def test_a_deal_without_a_rep_is_counted_under_none(self, databases: Databases) -> None:
        database = databases.fresh()
        _deal(database, "d", None, "lost", "2024-05-31")
        samples = await collect(Reps(), database, NOW)
        assert number(samples, "sales_rep_deals", rep=NONE, result="lost", window="7d") == 1
        assert values(samples, "sales_rep_rank") == {}
        assert values(samples, "sales_rep_score") == {}

    async def test_a_deal_outside_the_contract_is_shown_as_such(self, databases: Databases) -> None:
        database = databases.fresh()
        _deal(database, "no date", "ann", "won", None)
        _deal(database, "no status", "ann", "parked", "2024-05-31")
        found = values(await collect(Reps(), database, NOW), "sales_rep_deals")
        assert found["ann", OTHER, "all"] == 2
        assert found["ann", OTHER, "7d"] == 1
        assert found["ann", "won", "all"] == 0

    async def test_revenue_without_a_rate_is_no_revenue_of_zero(self, databases: Databases) -> None:
        database = databases.fresh()
        _deal(database, "a", "ann", "won", "2024-05-31", currency="USD")
        _deal(database, "b", "bob", "won", "2024-05-31", amount=5)
        _deal(database, "c", "cid", "won", "2024-05-31", amount=1, currency="CHF")
        database.execute("INSERT INTO sales.fx_rates VALUES ('2024-05-31', 'CHF', 7)")
        found = values(await collect(Reps(), database, NOW), "sales_rep_score_component")
        assert ("ann", "revenue") not in found
        assert found["cid", "revenue"] == 1.0
        assert found["bob", "revenue"] == 0.0

    async def test_the_busiest_reps_stay_and_the_rest_is_added_up(self, databases: Databases) -> None:
        database = databases.fresh()
        for n, rep in enumerate(["ann", "ann", "ann", "bob", "bob", "cid", "dan"]):
            _deal(database, str(n), rep, "won", "2024-05-31")
        samples = await collect(Reps(), database, NOW, Business(rep_limit=2))
        found = values(samples, "sales_rep_deals")
        assert {rep for rep, _, _ in found} == {"ann", "bob", OTHER}
        assert found[OTHER, "won", "7d"] == 2
        assert {rep for rep, _ in values(samples, "sales_rep_rank")} == {"ann", "bob"}

    async def test_names_are_in_the_info_metric_alone(self, databases: Databases) -> None:
        database = databases.fresh()
        _deal(database, "d", "r1", "won", "2024-05-31")
        database.execute("INSERT INTO sales.reps VALUES ('r1', 'Ann Onymous', 'north', 'human', '2024-01-01', NULL)")
        database.execute("INSERT INTO sales.reps VALUES ('r2', 'No Deals', NULL, 'human', '2024-01-01', NULL)")
        samples = await collect(Reps(), database, NOW)
        assert values(samples, "sales_rep_info") == {("r1", "Ann Onymous", "north"): 1}
        assert all("Ann" not in text for s in samples if s.metric.name != "sales_rep_info" for text in s.labels)

    async def test_pseudonymous_reps_have_no_name(self, databases: Databases) -> None:
        database = databases.fresh()
        _deal(database, "d", "r1", "won", "2024-05-31")
        database.execute("INSERT INTO sales.reps VALUES ('r1', 'Ann Onymous', NULL, 'human', '2024-01-01', NULL)")
        samples = await collect(Reps(), database, NOW, Business(pseudonymous_reps=True))
        assert values(samples, "sales_rep_info") == {("r1", "r1", NONE): 1}

    async def test_without_the_relation_reps_there_is_no_info_and_nothing_else_is_missing(
        self, databases: Databases
    ) -> None:
        database = databases.fresh()
        _deal(database, "d", "r1", "won", "2024-05-31")
        samples = await collect(Reps(), database, NOW, relations=frozenset({"deals"}))
        assert values(samples, "sales_rep_info") == {}
        assert number(samples, "sales_rep_score", rep="r1") is not None
