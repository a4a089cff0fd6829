"""The olist set in the contract's tables holds what pandas finds in its files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.importer.datasets import Loaded, loaded
from tests.support.later import Later

pytestmark = pytest.mark.postgres
pd = Later("pandas")


@pytest.fixture(scope="module", params=["small", "real"])
def data(request: pytest.FixtureRequest) -> Loaded:
    return loaded("olist", request)


@pytest.fixture(scope="module")
def leads(data: Loaded) -> pd.DataFrame:
    return pd.read_csv(data.folder / "olist_marketing_qualified_leads_dataset.csv", keep_default_na=False)


@pytest.fixture(scope="module")
def wins(data: Loaded) -> pd.DataFrame:
    return pd.read_csv(data.folder / "olist_closed_deals_dataset.csv", keep_default_na=False)


def test_leads_by_channel_with_none_and_unknown_kept_apart(data, leads):
    expected = {name or None: count for name, count in leads["origin"].value_counts().items()}
    assert {None, "unknown"} <= expected.keys()
    assert dict(data.database.rows("SELECT channel_id, count(*) FROM sales.leads GROUP BY 1")) == expected


def test_every_channel_of_a_lead_is_a_channel(data, leads):
    names = sorted(set(leads["origin"]) - {""})
    assert data.database.rows("SELECT channel_id FROM sales.channels ORDER BY channel_id COLLATE \"C\"") == [
        (name,) for name in names]


def test_every_lead_enters_the_first_stage_when_it_is_created(data, leads):
    rows = data.database.rows("""
        SELECT count(*) FROM sales.leads l JOIN sales.stage_transitions t USING (lead_id)
         WHERE to_stage = 'lead' AND from_stage IS NULL AND occurred_at = created_at""")
    assert rows == [(len(leads),)]


def test_first_contacts_by_day_are_read_as_utc(data, leads):
    expected = leads["first_contact_date"].value_counts().to_dict()
    rows = data.database.rows(
        "SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), count(*) FROM sales.leads GROUP BY 1")
    assert dict(rows) == expected


def test_wins_by_channel(data, leads, wins):
    joined = wins.merge(leads, on="mql_id", validate="one_to_one")
    expected = {name or None: count for name, count in joined["origin"].value_counts().items()}
    assert dict(data.database.rows("""
        SELECT channel_id, count(*) FROM sales.leads JOIN sales.stage_transitions USING (lead_id)
         WHERE to_stage = 'won' GROUP BY 1""")) == expected


@pytest.mark.parametrize("relation", ["deals", "stage_transitions"])
def test_wins_by_rep(data, wins, relation):
    where = "status = 'won'" if relation == "deals" else "to_stage = 'won'"
    assert dict(data.database.rows(f"SELECT rep_id, count(*) FROM sales.{relation} WHERE {where} GROUP BY 1")) == (
        wins["sr_id"].value_counts().to_dict())


def test_time_to_win_with_one_win_before_the_first_contact(data, leads, wins):
    joined = wins.merge(leads, on="mql_id")
    seconds = (pd.to_datetime(joined["won_date"]) - pd.to_datetime(joined["first_contact_date"])).dt.total_seconds()
    assert (seconds < 0).sum() == 1
    (row,) = data.database.rows("""
        SELECT count(*), count(*) FILTER (WHERE s < 0), percentile_cont(0.5) WITHIN GROUP (ORDER BY s), avg(s),
               percentile_cont(0.9) WITHIN GROUP (ORDER BY s)
          FROM (SELECT extract(epoch FROM closed_at - opened_at)::float8 AS s FROM sales.deals) AS d""")
    assert row == pytest.approx((len(joined), 1, seconds.median(), seconds.mean(), seconds.quantile(0.9)))


def test_the_deals_have_no_value_and_no_currency_that_a_rate_could_exist_for(data, wins):
    assert data.database.rows("SELECT currency, sum(amount)::float8, count(*) FROM sales.deals GROUP BY 1") == [
        ("XXX", 0.0, len(wins))]


def test_the_replay_starts_on_the_day_after_the_last_win(data, wins):
    last = pd.to_datetime(wins["won_date"]).max()
    assert pd.Timestamp(data.as_of) == (last.normalize() + pd.Timedelta(days=1)).tz_localize("UTC")


@pytest.fixture(scope="module")
def expected(data_sets: Path) -> dict[str, Any]:
    """The reference answers that come with the real files."""
    answers: dict[str, Any] = json.loads((data_sets / "olist-funnel" / "expected.json").read_text())
    return answers


def test_reference_counts_by_channel(olist, expected):
    rows = olist.database.rows("""
        SELECT coalesce(channel_id, '(none)'), count(*), count(won.lead_id)
          FROM sales.leads
          LEFT JOIN (SELECT lead_id FROM sales.stage_transitions WHERE to_stage = 'won') AS won USING (lead_id)
         GROUP BY 1""")
    assert {name: (n, won) for name, n, won in rows} == {
        name: (answer["leads"], answer["won"]) for name, answer in expected["by_channel"].items()}


def test_reference_counts_at_three_moments(olist, expected):
    for day, answer in expected["as_of"].items():
        at = datetime.fromisoformat(day).replace(tzinfo=UTC)
        (row,) = olist.database.rows("""
            SELECT count(*) FILTER (WHERE created_at >= at - interval '30 days'),
                   count(*) FILTER (WHERE created_at >= at - interval '30 days' AND occurred_at < at),
                   count(*) FILTER (WHERE created_at >= at - interval '30 days' AND occurred_at IS NOT NULL), count(*)
              FROM sales.leads
              LEFT JOIN (SELECT * FROM sales.stage_transitions WHERE to_stage = 'won') AS won USING (lead_id),
                   (SELECT %s::timestamptz AS at) AS moment
             WHERE created_at < at""", at)
        assert row == (answer["cohort_leads"], answer["cohort_won_by_as_of"], answer["cohort_won_eventually"],
                       answer["leads_total_before"])
        (wins,) = olist.database.rows("""
            SELECT count(*) FILTER (WHERE occurred_at >= %s::timestamptz - interval '30 days'), count(*)
              FROM sales.stage_transitions WHERE to_stage = 'won' AND occurred_at < %s""", at, at)
        assert wins == (answer["events_won_in_window"], answer["won_total_before"])


def test_reference_wins_by_rep(olist, expected):
    rows = olist.database.rows("SELECT rep_id, count(*) FROM sales.deals GROUP BY 1")
    assert dict(rows) == expected["won_by_sales_rep"]
