"""What an alert says, word for word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sales_exporter.sidecar.fleet.words import Contributor, Finding, Quality, change, confidence, texts

NAN = float("nan")
FULL = Finding(
    what="Leads per hour", entity="channel=email", unit="", at=1_772_449_200, since=1_772_445_600, value=3, expected=50,
    lower=40, upper=61.234, effect=-8.25, p=0.0312, channel="1 h mean low", last_week=48, money=120, currency="EUR",
    contributors=(Contributor("campaign=spring", 1, 30), Contributor("campaign=other", 2, 20)),
    recommendation="Look at the form on the landing page.", quality=Quality(28, 0.975),
)


def test_everything_that_is_known_is_said() -> None:
    assert texts(FULL) == {
        "summary": "Leads per hour (channel=email): 3, expected 40 to 61.2.",
        "description": "Leads per hour (channel=email) is lower than expected since 2026-03-02 10:00 UTC: 3 instead of "
                       "50 (-94 %).",
        "value": "3",
        "expected": "40 to 61.2",
        "confidence": "96.9 % (1 - adjusted p: the chance that in a day nothing of all that is watched looks as odd by "
                      "chance)",
        "since": "2026-03-02 10:00 UTC (60 min)",
        "effect": "8.25 usual deviations below, -94 %",
        "reason": "what was odd: 1 h mean low",
        "last_week": "48 at this time a week ago",
        "contributors": "campaign=spring: 1 instead of 30; campaign=other: 2 instead of 20",
        "stake": "120 EUR an hour",
        "recommendation": "Look at the form on the landing page.",
        "data_quality": "97.5 % of the last day's samples, 28 days of history",
    }


def test_what_is_unknown_is_left_out() -> None:
    bare = replace(FULL, entity="", lower=NAN, upper=NAN, effect=NAN, p=NAN, channel="", last_week=NAN, money=NAN,
                   contributors=(), recommendation="", quality=None, at=FULL.since)
    assert texts(bare) == {
        "summary": "Leads per hour: 3, expected 50.",
        "description": "Leads per hour is lower than expected since 2026-03-02 10:00 UTC: 3 instead of 50 (-94 %).",
        "value": "3",
        "expected": "50",
        "since": "2026-03-02 10:00 UTC (0 s)",
    }


def test_what_is_odd_within_its_range_is_not_called_high_or_low() -> None:
    assert texts(replace(FULL, entity="", value=50, channel="frozen"))["description"] == (
        "Leads per hour looks unlike its past since 2026-03-02 10:00 UTC: 50, expected 40 to 61.2.")


def test_numbers_carry_the_unit_of_the_watch() -> None:
    said = texts(replace(FULL, what="Latency", unit="s", value=1.2, expected=0.3, lower=0.25, upper=0.4, effect=12))
    assert said["summary"] == "Latency (channel=email): 1.2 s, expected 250 ms to 400 ms."
    assert said["effect"] == "12 usual deviations above, +300 %"


def test_hostile_names_are_one_cut_line() -> None:
    said = texts(replace(FULL, entity="channel=a\nb" + "x" * 500, contributors=[Contributor("y" * 100, 1, 2)]))
    assert said["summary"].startswith("Leads per hour (channel=a bxxx")
    assert len(said["summary"]) == len(said["description"]) == 256
    assert said["contributors"] == "y" * 59 + "…: 1 instead of 2"


@pytest.mark.parametrize(("value", "expected", "text"), [
    (3, 2, "+50 %"), (1, 2, "-50 %"), (1, 0, ""), (NAN, 1, ""), (1, -2, "+150 %"), (2, 2, "+0 %"),
])
def test_changes_in_per_cent(value: float, expected: float, text: str) -> None:
    assert change(value, expected) == text


def test_no_confidence_is_claimed_without_a_p() -> None:
    assert confidence(NAN) == ""
