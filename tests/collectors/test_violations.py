"""Rows that break the contract are counted, once, and nothing stops because of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sales_exporter.collectors.violations import RULES, Violations
from tests.support.databases import Databases
from tests.support.reading import collect

pytestmark = pytest.mark.postgres

NOW = datetime(2023, 11, 14, tzinfo=UTC)
SEEDS = {
    ("stage_transitions", "unknown_stage"):
        "INSERT INTO sales.stage_transitions (transition_id, lead_id, to_stage, occurred_at, recorded_at)"
        " VALUES ('t', 'l', 'no such stage', '2023-01-02', '2023-01-02')",
    ("stage_transitions", "before_creation"):
        "INSERT INTO sales.stage_transitions (transition_id, lead_id, to_stage, occurred_at, recorded_at)"
        " VALUES ('t', 'l', 'won', '2022-12-31', '2023-01-02')",
    ("deals", "unknown_status"):
        "INSERT INTO sales.deals (deal_id, stage, status, amount, currency, closed_at)"
        " VALUES ('d', 'proposal', 'parked', 1, 'EUR', '2023-01-02')",
    ("deals", "closed_at_of_status"):
        "INSERT INTO sales.deals (deal_id, stage, status, amount, currency) VALUES ('d', 'won', 'won', 1, 'EUR')",
    ("deals", "missing_rate"):
        "INSERT INTO sales.deals (deal_id, stage, status, amount, currency) VALUES ('d', 'proposal', 'open', 1, 'USD')",
    ("spend", "missing_rate"):
        "INSERT INTO sales.spend (spend_day, channel_id, amount, currency) VALUES ('2023-01-02', 'a', 1, 'USD')",
    ("calls", "unknown_outcome"):
        "INSERT INTO sales.calls (call_id, agent_kind, direction, started_at, ended_at, outcome)"
        " VALUES ('c', 'ai', 'outbound', '2023-01-02', '2023-01-02', 'vanished')",
    ("calls", "unknown_agent_kind"):
        "INSERT INTO sales.calls (call_id, agent_kind, direction, started_at, ended_at, outcome)"
        " VALUES ('c', 'robot', 'outbound', '2023-01-02', '2023-01-02', 'busy')",
    ("calls", "ends_before_start"):
        "INSERT INTO sales.calls (call_id, agent_kind, direction, started_at, ended_at, outcome)"
        " VALUES ('c', 'ai', 'outbound', '2023-01-02', '2023-01-01', 'busy')",
    ("model_predictions", "score_outside_0_1"):
        "INSERT INTO sales.model_predictions (prediction_id, model, version, subject_kind, subject_id, predicted_at,"
        " horizon_seconds, score) VALUES ('p', 'm', '1', 'lead', 'l', '2023-01-02', 60, 1.5)",
}


def test_each_rule_has_a_case() -> None:
    assert set(SEEDS) == set(RULES)


@pytest.mark.parametrize("rule", SEEDS, ids=".".join)
async def test_a_row_that_breaks_a_rule_is_counted_under_that_rule_alone(
    rule: tuple[str, str], databases: Databases
) -> None:
    database = databases.fresh()
    database.execute("INSERT INTO sales.leads (lead_id, created_at, is_test) VALUES ('l', '2023-01-01', false)")
    database.execute(SEEDS[rule])
    samples = await collect(Violations(), database, NOW)
    assert {sample.labels: sample.value for sample in samples if sample.value} == {rule: 1}


async def test_mended_rows_take_nothing_away_and_new_ones_add(databases: Databases) -> None:
    database, collector = databases.fresh(), Violations()
    totals = []
    for statement in (SEEDS["calls", "unknown_outcome"], "DELETE FROM sales.calls", SEEDS["calls", "unknown_outcome"]):
        database.execute(statement)
        samples = {sample.labels: sample.value for sample in await collect(collector, database, NOW)}
        totals.append(samples["calls", "unknown_outcome"])
    assert totals == [1, 1, 2]
