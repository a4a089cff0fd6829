"""The bank set in the contract's tables holds what pandas finds in its files."""

from __future__ import annotations

import pytest

from tests.importer.datasets import Loaded, loaded
from tests.support.later import Later

pytestmark = pytest.mark.postgres
pd = Later("pandas")


@pytest.fixture(scope="module", params=["small", "real"])
def data(request: pytest.FixtureRequest) -> Loaded:
    return loaded("bank", request)


@pytest.fixture(scope="module")
def calls(data: Loaded) -> pd.DataFrame:
    frame = pd.read_csv(data.folder / "bank-full.csv", sep=";")
    frame["won"] = (frame["y"] == "yes").astype(int)
    text = frame["year"].astype(str) + "-" + frame["month"] + "-" + frame["day"].astype(str)
    frame["date"] = pd.to_datetime(text, format="%Y-%b-%d")
    frame.index += 1
    return frame


@pytest.fixture(scope="module")
def scores(data: Loaded, calls: pd.DataFrame) -> pd.DataFrame:
    frame = pd.read_csv(data.folder / "model_scores.csv")
    return frame.merge(calls[["won", "date"]], left_on="call_row", right_index=True)


def counted(calls: pd.DataFrame, by: object) -> dict[str, tuple[int, int]]:
    """Calls and successes by a key."""
    return {key: (int(n), int(won)) for key, n, won in calls.groupby(by)["won"].agg(["size", "sum"]).itertuples()}


def test_calls_and_successes_by_month(data, calls):
    expected = counted(calls, calls["date"].dt.strftime("%Y-%m"))
    rows = data.database.rows("""
        SELECT to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM'), count(*), count(*) FILTER (WHERE success)
          FROM sales.calls GROUP BY 1""")
    assert {key: (n, won) for key, n, won in rows} == expected


def test_calls_and_successes_by_contact(data, calls):
    expected = counted(calls, "contact")
    rows = data.database.rows(
        "SELECT channel_id, count(*), count(*) FILTER (WHERE success) FROM sales.calls GROUP BY 1")
    assert {key: (n, won) for key, n, won in rows} == expected
    assert "unknown" in expected


def test_every_call_is_judged_answered_outbound_and_by_a_human(data, calls):
    assert data.database.rows("""
        SELECT agent_kind, direction, outcome, count(*), count(success) FROM sales.calls GROUP BY 1, 2, 3""") == [
        ("human", "outbound", "answered", len(calls), len(calls))]


def test_a_call_lasts_as_long_as_its_file_says(data, calls):
    (row,) = data.database.rows("""
        SELECT sum(extract(epoch FROM ended_at - started_at))::float8, sum(talk_seconds),
               count(*) FILTER (WHERE ended_at = started_at) FROM sales.calls""")
    assert row == (calls["duration"].sum(), calls["duration"].sum(), (calls["duration"] == 0).sum())
    assert row[2] > 0


def test_scores_and_labels_of_each_model(data, scores):
    expected = {
        version: pytest.approx((len(group), group["score"].mean(), group["won"].mean(),
                                (((group["score"] >= 0.5) == (group["won"] == 1)).mean())))
        for version, group in scores.groupby("version")
    }
    rows = data.database.rows("""
        SELECT version, count(*), avg(score), avg(label)::float8, avg(((score >= threshold) = (label = 1))::int)::float8
          FROM sales.model_predictions JOIN sales.model_outcomes USING (subject_kind, subject_id) GROUP BY 1""")
    assert {version: tuple(figures) for version, *figures in rows} == expected
    assert len(expected) == 2


def test_a_prediction_is_dated_by_its_call(data, scores):
    month = scores["date"].dt.strftime("%Y-%m-%d")
    expected = scores.groupby(["version", month]).size().to_dict()
    rows = data.database.rows("""
        SELECT version, to_char(predicted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), count(*)
          FROM sales.model_predictions GROUP BY 1, 2""")
    assert {(version, day): n for version, day, n in rows} == expected


def test_a_label_is_known_before_its_horizon_and_before_the_replay(data, calls):
    assert data.database.rows("""
        SELECT count(*) FROM sales.model_outcomes o JOIN sales.calls c ON c.call_id = o.subject_id
         WHERE observed_at >= started_at AND observed_at < started_at + interval '1 day' AND observed_at < %s""",
                              data.as_of) == [(len(calls),)]


def test_the_replay_starts_on_the_day_after_the_last_call(data, calls):
    assert pd.Timestamp(data.as_of) == (calls["date"].max() + pd.Timedelta(days=1)).tz_localize("UTC")
