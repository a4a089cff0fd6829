"""What a source says in words stays in the source."""

from __future__ import annotations

import pytest

from sales_exporter.config import Business, Settings
from tests.support.clocks import FakeClock
from tests.support.databases import Databases
from tests.support.exporting import ready, serving

pytestmark = pytest.mark.postgres

ROWS = (
    "INSERT INTO sales.channels (channel_id, name, kind) VALUES ('a', 'canary channel', 'canary kind')",
    "INSERT INTO sales.campaigns (campaign_id, channel_id, name) VALUES ('k', 'a', 'canary campaign')",
    "INSERT INTO sales.reps (rep_id, display_name, team, kind, active_from)"
    " VALUES ('r', 'canary name', 'north', 'human', '2020-01-01')",
    "INSERT INTO sales.leads (lead_id, created_at, channel_id, campaign_id, rep_id, is_test)"
    " VALUES ('canary lead', '2023-11-01', 'a', 'k', 'r', false)",
    "INSERT INTO sales.stage_transitions (transition_id, lead_id, to_stage, occurred_at, recorded_at, rep_id, reason)"
    " VALUES ('canary transition', 'canary lead', 'won', '2023-11-02', '2023-11-02', 'r', 'canary reason')",
    "INSERT INTO sales.deals (deal_id, lead_id, rep_id, opened_at, stage, status, amount, currency, closed_at,"
    " lost_reason) VALUES ('canary deal', 'canary lead', 'r', '2023-11-01', 'won', 'won', 10, 'EUR', '2023-11-02',"
    " 'canary reason')",
    "INSERT INTO sales.calls (call_id, lead_id, rep_id, carrier, agent_kind, direction, started_at, ended_at, outcome)"
    " VALUES ('canary call', 'canary lead', 'r', 'canary carrier', 'ai', 'outbound', '2023-11-02', '2023-11-02',"
    " 'busy')",
    "INSERT INTO sales.model_predictions (prediction_id, model, version, subject_kind, subject_id, predicted_at,"
    " horizon_seconds, score) VALUES ('canary prediction', 'm', '1', 'lead', 'canary lead', '2023-11-02', 60, 0.5)",
)


@pytest.mark.parametrize(("pseudonymous", "told"), [(False, {"sales_rep_info"}), (True, set())])
async def test_s2_words_of_the_source_reach_no_metric_but_the_name_of_a_rep(
    pseudonymous: bool, told: set[str], databases: Databases
) -> None:
    database = databases.fresh()
    for statement in ROWS:
        database.execute(statement)
    settings = Settings(business=Business(pseudonymous_reps=pseudonymous))
    clock = FakeClock()
    async with serving(database.reader.dsn, clock, settings) as exporter:
        await ready(exporter, clock)
        page = exporter.exposition("text", packed=False, only=None).decode()
    assert 'sales_rep_info{rep="r"' in page
    assert {line.partition("{")[0] for line in page.splitlines() if "canary" in line} == told
