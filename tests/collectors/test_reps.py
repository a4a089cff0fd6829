"""Reps: counts, raw win ratios with bounds, ranks, and a score made of published parts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sales_exporter.collectors.cardinality import NONE, OTHER, TopK
from sales_exporter.collectors.reps import COMPONENT, RANK, SCORE, Record, Reps, components, outdone, ranks, scores
from sales_exporter.config import Business
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


def test_rank_goes_by_the_lower_bound_not_by_the_ratio() -> None:
    placed = list(ranks([("two of two", 2, 0), ("forty of fifty", 40, 10)], "30d"))
    assert placed == [RANK(1, rep="forty of fifty", window="30d"), RANK(2, rep="two of two", window="30d")]


def test_equal_bounds_share_the_better_place_and_the_next_is_skipped() -> None:
    placed = {sample.labels[0]: sample.value for sample in ranks([("a", 3, 1), ("b", 3, 1), ("c", 1, 3)], "all")}
    assert placed == {"a": 1, "b": 1, "c": 3}


def test_who_decided_nothing_or_is_nobody_has_no_rank() -> None:
    assert list(ranks([("idle", 0, 0), (NONE, 5, 5), (OTHER, 9, 1)], "7d")) == []


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
