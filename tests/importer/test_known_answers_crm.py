"""The CRM set in the contract's tables holds what pandas finds in its files."""

from __future__ import annotations

import pytest

from tests.importer.datasets import Loaded, loaded
from tests.support.later import Later

pytestmark = pytest.mark.postgres
pd = Later("pandas")


@pytest.fixture(scope="module", params=["small", "real"])
def data(request: pytest.FixtureRequest) -> Loaded:
    return loaded("crm", request)


@pytest.fixture(scope="module")
def pipeline(data: Loaded) -> pd.DataFrame:
    return pd.read_csv(data.folder / "sales_pipeline.csv", parse_dates=["engage_date", "close_date"])


@pytest.fixture(scope="module")
def prices(data: Loaded) -> dict[str, float]:
    return pd.read_csv(data.folder / "products.csv").set_index("product")["sales_price"].to_dict()


def test_deals_by_stage_and_status(data, pipeline):
    status = {"Won": "won", "Lost": "lost", "Engaging": "open", "Prospecting": "open"}
    expected = {(stage, status[stage], count) for stage, count in pipeline["deal_stage"].value_counts().items()}
    assert set(data.database.rows("SELECT stage, status, count(*) FROM sales.deals GROUP BY 1, 2")) == expected


def test_closed_deals_by_rep_and_result(data, pipeline):
    closed = pipeline[pipeline["deal_stage"].isin(["Won", "Lost"])]
    expected = closed.groupby(["sales_agent", closed["deal_stage"].str.lower()]).size().to_dict()
    rows = data.database.rows(
        "SELECT rep_id, status, count(*) FROM sales.deals WHERE closed_at IS NOT NULL GROUP BY 1, 2")
    assert {(rep, status): count for rep, status, count in rows} == expected


def test_value_of_won_deals(data, pipeline):
    won = pipeline.loc[pipeline["deal_stage"] == "Won", "close_value"]
    assert data.database.rows("""
        SELECT currency, count(*), sum(amount)::float8, avg(amount)::float8,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY amount)
          FROM sales.deals WHERE status = 'won' GROUP BY 1""") == [
        ("USD", len(won), won.sum(), pytest.approx(won.mean()), won.median())]


def test_open_deals_are_worth_the_list_price_of_their_product(data, pipeline, prices):
    opened = pipeline[pipeline["deal_stage"].isin(["Engaging", "Prospecting"])]
    assert (opened["product"] == "GTXPro").any()
    value = opened["product"].replace({"GTXPro": "GTX Pro"}).map(prices)
    expected = value.groupby(opened["deal_stage"]).sum().to_dict()
    assert dict(data.database.rows(
        "SELECT stage, sum(amount)::float8 FROM sales.deals WHERE status = 'open' GROUP BY 1")) == expected


def test_days_from_engaging_to_closing(data, pipeline):
    days = (pipeline["close_date"] - pipeline["engage_date"]).dt.days
    expected = days.groupby(pipeline["deal_stage"]).median().dropna().to_dict()
    rows = data.database.rows("""
        SELECT stage, percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM closed_at - opened_at) / 86400)
          FROM sales.deals WHERE closed_at IS NOT NULL GROUP BY 1""")
    assert dict(rows) == pytest.approx(expected)
    assert set(expected) == {"Won", "Lost"}


def test_age_of_what_is_still_engaging(data, pipeline):
    engaged = pipeline.loc[pipeline["deal_stage"] == "Engaging", "engage_date"]
    age = (pd.Timestamp(data.as_of).tz_localize(None) - engaged).dt.days
    (row,) = data.database.rows("""
        SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM %s - opened_at) / 86400)
          FROM sales.deals WHERE stage = 'Engaging'""", data.as_of)
    assert row == pytest.approx((len(age), age.median()))


def test_opportunities_without_a_date_are_deals_and_no_leads(data, pipeline):
    undated = int(pipeline["engage_date"].isna().sum())
    assert undated > 0
    assert data.database.rows("""
        SELECT count(*), count(lead_id), count(opened_at), min(stage) FROM sales.deals WHERE opened_at IS NULL""") == [
        (undated, 0, 0, "Prospecting")]
    assert data.database.rows("SELECT count(*) FROM sales.leads") == [(len(pipeline) - undated,)]


def test_the_log_of_each_lead_ends_in_the_stage_of_its_deal(data, pipeline):
    dated = pipeline[pipeline["engage_date"].notna()]
    rows = data.database.rows("""
        SELECT to_stage, count(*), sum(steps)::int
          FROM (SELECT DISTINCT ON (lead_id) lead_id, to_stage, count(*) OVER (PARTITION BY lead_id) AS steps
                  FROM sales.stage_transitions ORDER BY lead_id, occurred_at DESC, transition_id DESC) AS last
         GROUP BY 1""")
    expected = dated["deal_stage"].value_counts().to_dict()
    assert {stage: count for stage, count, _ in rows} == expected
    assert {stage: steps for stage, _, steps in rows} == {
        stage: count * (1 if stage == "Engaging" else 2) for stage, count in expected.items()}


def test_all_reps_of_the_teams_with_their_office(data):
    teams = pd.read_csv(data.folder / "sales_teams.csv")
    assert set(data.database.rows("SELECT rep_id, team FROM sales.reps")) == set(
        zip(teams["sales_agent"], teams["regional_office"], strict=True))


def test_the_replay_starts_on_the_day_after_the_last_closing(data, pipeline):
    last = pipeline[["engage_date", "close_date"]].max().max()
    assert pd.Timestamp(data.as_of) == (last + pd.Timedelta(days=1)).tz_localize("UTC")
