"""The file of the escalation policy: what may stand in it, and what is said when it may not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from sales_exporter.errors import ConfigError
from sales_exporter.sidecar.desk.policy import Document, Policy, Step, load

BERLIN = {"hours": {"office": {"days": ["mon", "tue", "wed", "thu", "fri"], "hours": "08:00-18:00",
                               "timezone": "Europe/Berlin"},
                    "night": {"days": ["fri"], "hours": "22:00-06:00"}}}


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def due(after: str, since: str, hours: str | None = "office", holidays: frozenset[date] = frozenset()) -> str:
    """When a step is taken, as text in UTC."""
    step = Step.model_validate({"after": after, "team": "exec", "hours": hours})
    found = Policy(Document.model_validate(BERLIN), "UTC", holidays).due(step, at(since))
    return datetime.fromtimestamp(found, UTC).strftime("%Y-%m-%d %H:%M:%S")


def test_the_shipped_policy_is_good_without_any_receiver() -> None:
    policy = load(None, (), "UTC", ())
    rule = policy.rule({"severity": "critical", "team": "ml"})
    assert rule is not None
    assert [step.team for step in rule.steps] == ["platform", "exec"]
    assert policy.rule({"severity": "info"}) is None


def test_without_hours_a_step_is_taken_when_its_time_is_over() -> None:
    assert due("1h30m", "2024-01-06 12:00:00", hours=None) == "2024-01-06 13:30:00"


@pytest.mark.parametrize(("since", "then"), [
    ("2024-01-03 10:00:00", "2024-01-03 10:15:00"),  # Wednesday noon in Berlin
    ("2024-01-03 16:50:00", "2024-01-04 07:00:00"),  # too late for today
    ("2024-01-05 20:00:00", "2024-01-08 07:00:00"),  # Friday evening: Monday, 8 in Berlin
    ("2024-07-05 20:00:00", "2024-07-08 06:00:00"),  # in summer, 8 in Berlin is 6 in UTC
    ("2024-03-29 20:00:00", "2024-04-01 06:00:00"),  # the clock was changed in between
])
def test_outside_of_its_hours_a_step_waits_until_they_begin(since: str, then: str) -> None:
    assert due("15m", since) == then


def test_a_holiday_has_no_hours() -> None:
    assert due("15m", "2024-01-05 20:00:00", holidays=frozenset({date(2024, 1, 8)})) == "2024-01-09 07:00:00"


def test_hours_may_go_over_midnight() -> None:
    assert due("15m", "2024-01-06 01:00:00", hours="night") == "2024-01-06 01:15:00"
    assert due("15m", "2024-01-06 07:00:00", hours="night") == "2024-01-12 22:00:00"


def test_a_matcher_may_have_several_values() -> None:
    document = Document.model_validate({"policies": [
        {"name": "one", "matchers": {"team": ["ml", "exec"], "severity": "critical"},
         "steps": [{"after": "15m", "team": "platform"}]}]})
    rule = document.policies[0]
    assert rule.matches({"team": "exec", "severity": "critical", "service": "leads"})
    assert not rule.matches({"team": "sales-ops", "severity": "critical"})
    assert not rule.matches({"team": "exec"})


BAD = {
    "policies: [{name: a, steps: []}]": "policies.0.steps",
    "policies: [{name: a, steps: [{after: 15m}]}]": "a step does nothing; give raise_severity_to, team or notify",
    "policies: [{name: a, steps: [{after: soon, team: exec}]}]": "expected a length of time such as 15m or 1h30m",
    "policies: [{name: a, steps: [{after: 15, team: exec}]}]": "expected a length of time such as 15m or 1h30m",
    "policies: [{name: a, steps: [{after: 0m, team: exec}]}]": "policies.0.steps.0.after",
    "policies: [{name: a, steps: [{after: 15m, team: exec, repeat: 5m}]}]": "repeat needs notify",
    "policies: [{name: a, steps: [{after: 2h, team: exec}, {after: 1h, team: ml}]}]":
        "each step must come after the one before",
    "policies: [{name: a, steps: [{after: 15m, team: exec, hours: office}]}]": "'office' is not among hours",
    "policies: [{name: a, steps: [{after: 15m, raise_severity_to: worst}]}]": "raise_severity_to",
    "policies: [{name: a, matchers: {team: []}, steps: [{after: 15m, team: exec}]}]": "expected at least one value",
    "policies: [{name: a, steps: [{after: 15m, notify: [phones]}]}]":
        "policies: a: notify: phones: no such receiver; add it to sidecar.desk.receivers",
    "hours: {office: {hours: '8-18'}}": "is no span of a day",
    "hours: {office: {timezone: Mars/Crater}}": "is no IANA time zone",
    "policy: []": "policy: unknown key",
    "policies: [": "not valid YAML",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_said_in_one_line_with_file_and_remedy(text: str, tmp_path: Path) -> None:
    file = tmp_path / "escalation.yml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, ("pager",), "UTC", ())
    assert str(caught.value).startswith(f"{file}: ")
    assert BAD[text] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.yml: No such file.*sidecar.desk.escalation"):
        load(tmp_path / "none.yml", (), "UTC", ())


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "escalation.yml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(file, (), "UTC", ())
