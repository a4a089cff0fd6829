"""Words and values: what the terminal and programs get."""

from __future__ import annotations

import json
import math

import pytest

from sales_exporter.sidecar.backtest.words import facts, notices, text, verdict
from sales_exporter.sidecar.fleet.incidents import Incident
from tests.sidecar.backtest.made import DAY, START, alert, outcome, unseen, watched


def test_the_text_tells_result_table_alerts_and_where_the_page_is() -> None:
    said = text(outcome(watched(alert(9.4))), 1.0, "out/index.html").splitlines()
    assert said[0] == "1 page in 4 weeks: 0.25 a week, within the budget of 1 a week."
    assert "replayed    Sat 31 Oct 2026, 19:00 to Sat 28 Nov 2026, 19:00 (Europe/Berlin), every 5 min" in said
    assert "judged      1 series of 1 watch in 12.5 s" in said
    assert "latency      1     0.25       1" in said
    assert "  1. Tue 10 Nov 2026, 04:36  critical  latency  stood for 2.08 h" in said
    assert "     Odd by a single sample, 31 usual deviations above, +267 %." in said
    assert said[-1] == "pictures    out/index.html"


def test_the_values_are_json_and_complete() -> None:
    found = json.loads(json.dumps(facts(outcome(watched(alert(9.4))), 1.0, "out/index.html"), allow_nan=False))
    assert (found["pages"], found["pages_per_week"], found["within"], found["budget_per_week"]) == (1, 0.25, True, 1.0)
    assert (found["from"], found["until"]) == ("2026-10-31T18:00:00Z", "2026-11-28T18:00:00Z")
    assert found["watches"][0]["alerts"] == [{
        "at": "2026-11-10T03:36:00Z", "until": "2026-11-10T05:36:00Z", "open": False, "watch": "latency",
        "series": {"route": "/api"}, "value": 1.29, "expected": 0.35, "lower": 0.292, "upper": 0.424,
        "severity": "critical", "reason": "odd by a single sample",
        "summary": "API latency (route=/api): 1.29 s, expected 292 ms to 424 ms.", "incident": None, "also": []}]


def test_nothing_judged_is_said_and_is_no_zero() -> None:
    found = outcome(unseen("latency"), weeks=0.0)
    assert math.isnan(found.per_week)
    assert verdict(found, 1.0) == "Nothing could be judged: there is less than a day of history."
    assert facts(found, 1.0, "")["pages_per_week"] is None
    assert facts(found, 1.0, "")["within"] is False


def test_alerts_within_marked_incidents_are_no_pages() -> None:
    found = outcome(watched(alert(9.4, incident=1), alert(20.0)),
                    incidents=(Incident(1, START + 9 * DAY, START + 10 * DAY),))
    assert (found.pages, found.per_week) == (1, 0.25)
    assert [one["alerts"] for one in facts(found, 1.0, "")["incidents"]] == [1]


@pytest.mark.parametrize(("pages", "chance"), [(0, 1.0), (1, 0.9817), (4, 0.5665), (9, 0.0214)])
def test_the_chance_of_so_many_pages_is_that_of_poisson(pages: int, chance: float) -> None:
    found = outcome(watched(*(alert(1.0 + number) for number in range(pages))))
    assert found.chance == pytest.approx(chance, abs=5e-5)


def test_a_cold_start_is_said() -> None:
    assert [said for said in notices(outcome(watched(before=13 * DAY))) if "still being learned" in said]
    assert list(notices(outcome(watched(before=14 * DAY)))) == []


def test_what_could_not_be_read_or_has_no_data_is_said() -> None:
    said = list(notices(outcome(watched(error="no answer within 10 s"), unseen("nothing"), weeks=2.0)))
    assert said == ["Only 2 of 4 weeks could be judged: before that there is no history, or it was the first day of a "
                    "series.", "No data for these watches: nothing.",
                    "latency was not read, or not in full: no answer within 10 s."]
