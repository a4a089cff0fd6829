"""Who is told: every severity, team and category reaches one receiver, at the pace that it deserves."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.rules.lint import CATEGORIES, SEVERITIES, TEAMS, is_finding
from tests.rules.rulebook import ROOT, alerts, seconds
from tests.support.binaries import Program

CONFIG = ROOT / "prometheus/alertmanager.yml"
TREE: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
QUIET_HOURS = {"active_time_intervals": ["business-hours"], "mute_time_intervals": ["holidays"]}


def routed(amtool: Program, receiver: str, **labels: str) -> str:
    """Empty when the labels reach exactly this receiver; else what amtool says."""
    pairs = [f"{name}={value}" for name, value in labels.items()]
    done = amtool.run("config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={receiver}", *pairs)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.stack
@pytest.mark.parametrize("team", sorted(TEAMS))
@pytest.mark.parametrize("severity", sorted(SEVERITIES))
def test_a_team_gets_what_is_labelled_with_its_name(amtool: Program, severity: str, team: str) -> None:
    for category in sorted(CATEGORIES):
        assert routed(amtool, team, alertname="Any", severity=severity, team=team, category=category) == ""


@pytest.mark.stack
@pytest.mark.parametrize("severity", sorted(SEVERITIES))
def test_a_finding_goes_where_its_own_labels_say(amtool: Program, severity: str) -> None:
    for team in sorted(TEAMS):
        labels = _finding(severity=severity, team=team, cluster="demo", tenant="default")
        assert routed(amtool, team, **labels) == ""


@pytest.mark.stack
def test_the_routes_test_notices_a_wrong_receiver(amtool: Program) -> None:
    assert routed(amtool, "platform", alertname="Any", severity="critical", team="ml", category="model") != ""


@pytest.mark.stack
@pytest.mark.parametrize("labels", [{"alertname": "Foreign"}, {"alertname": "Foreign", "team": "unknown"},
                                    {"alertname": "Foreign", "severity": "critical", "team": "unknown"}])
def test_what_nobody_claims_reaches_the_platform_team(amtool: Program, labels: dict[str, str]) -> None:
    assert routed(amtool, "platform", **labels) == ""


@pytest.mark.stack
def test_r32_the_watchdog_goes_to_the_heartbeat_alone(amtool: Program) -> None:
    labels = next(alert.labels for alert in alerts() if alert.name == "Watchdog")
    assert routed(amtool, "heartbeat", alertname="Watchdog", **labels) == ""


def _routes(route: dict[str, Any], inherited: dict[str, Any]) -> list[dict[str, Any]]:
    """Every leaf and node with the timing that is in force there."""
    timing = {key: route.get(key, inherited.get(key)) for key in ("group_wait", "group_interval", "repeat_interval")}
    here = {**route, **timing, "above": [*inherited.get("above", []), *route.get("matchers", [])]}
    children = [leaf for child in route.get("routes", []) for leaf in _routes(child, here)]
    return [here, *children]


ROUTES = _routes(TREE["route"], {})


def test_critical_alerts_wait_ten_seconds_and_all_others_thirty_or_more() -> None:
    critical = {r["group_wait"] for r in ROUTES if 'severity = "critical"' in r["above"]}
    apart = {'severity = "critical"', 'alertname = "Watchdog"'}
    others = {r["group_wait"] for r in ROUTES if not apart & {*r["above"]}}
    assert critical == {"10s"}
    assert min(seconds(wait) for wait in others) == 30


def test_the_heartbeat_beats_every_minute() -> None:
    (beat,) = [r for r in ROUTES if r.get("receiver") == "heartbeat"]
    assert (beat["group_wait"], beat["group_interval"], beat["repeat_interval"]) == ("0s", "1m", "1m")


def test_only_business_and_information_wait_for_working_hours() -> None:
    # The intervals are not inherited, so each route below has to name them.
    for route in ROUTES:
        patient = any("info" in m or "business|model" in m for m in route["above"])
        for key, names in QUIET_HOURS.items():
            assert route.get(key, []) == (names if patient else []), route["above"]


def _matches(matchers: list[str], labels: dict[str, str]) -> bool:
    for matcher in matchers:
        parts = re.fullmatch(r'(\w+) (=~|!~|!=|=) "(.*)"', matcher)
        assert parts is not None, matcher
        name, operator, value = parts.groups()
        text = labels.get(name, "")
        same = bool(re.fullmatch(value, text)) if "~" in operator else text == value
        if same is operator.startswith("!"):
            return False
    return True


SHARED = {"cluster", "tenant", "instance", "service", "collector"}


def _muted(target: dict[str, str], source: dict[str, str], shared: set[str]) -> bool:
    """Whether an alert is inhibited while another fires that has the same values of some labels."""
    return any(_matches(rule["source_matchers"], source) and _matches(rule["target_matchers"], target)
               and set(rule["equal"]) <= shared for rule in TREE["inhibit_rules"])


def _labelled(name: str) -> dict[str, str]:
    """The labels of a rule's alert; of two severities the one that stands last."""
    return {alert.name: {"alertname": alert.name, **alert.labels} for alert in alerts()}[name]


def _muted_by(target: str, source: str) -> bool:
    """Whether an alert of one name is inhibited while another of the same cluster and tenant fires."""
    return _muted(_labelled(target), _labelled(source), SHARED)


def _finding(name: str = "SalesAnomaly", **labels: str) -> dict[str, str]:
    """The labels of an alert that the sidecar pushes, or a rule raises in its place."""
    return {"alertname": name, "severity": "warning", "team": "sales-ops", "category": "business", "service": "calls",
            "entity": "ai", "watch": "call_success", **labels}


@pytest.mark.parametrize(
    "source", ["SalesSourceDown", "SalesSourceLagging", "SalesCollectorStale", "SalesExporterDown",
               "SalesLedgerAuditMismatch"])
def test_every_business_and_model_alert_is_muted_while_the_numbers_are_old_or_wrong(source: str) -> None:
    judged = [alert.name for alert in alerts() if alert.labels["category"] in {"business", "model"}]
    assert len(judged) > 20
    assert [name for name in judged if not _muted_by(name, source)] == []
    found = [_finding(name, category=category) for category in ("business", "model")
             for name in ("SalesAnomaly", "SalesModelDrift", "SalesRetrainingRecommended")]
    assert [labels for labels in found if not _muted(labels, _labelled(source), SHARED)] == []


@pytest.mark.parametrize(("target", "source"), [
    ("SalesSidecarTicksLate", "SalesSidecarDown"), ("SalesOutboxInMemory", "SalesSidecarDown"),
    ("SalesSidecarMetricsAbsent", "SalesSidecarDown"), ("SalesSidecarMetricsAbsent", "SalesSidecarAbsent"),
    ("SalesSidecarQueriesFailing", "SalesSidecarTicksLate"), ("SalesSidecarQueriesFailing", "SalesSidecarHistoryStuck"),
])
def test_a_sidecar_that_is_down_or_does_not_judge_is_told_about_once(target: str, source: str) -> None:
    assert _muted_by(target, source)
    assert not _muted_by(source, target)


@pytest.mark.parametrize(("labels", "source", "muted"), [
    ({"service": "host", "category": "capacity"}, "SalesExporterDown", True),
    ({"service": "exporter", "category": "collection"}, "SalesExporterDown", True),
    ({"service": "api", "category": "availability"}, "SalesExporterDown", False),
    ({"service": "exporter", "category": "collection"}, "SalesSourceDown", True),
    ({"service": "intake", "category": "freshness"}, "SalesIntakeLagging", True),
    ({"service": "host", "category": "capacity"}, "SalesSourceDown", False),
    ({"service": "api", "category": "availability"}, "SalesSourceDown", False),
])
def test_an_anomaly_is_muted_by_what_explains_it(labels: dict[str, str], source: str, muted: bool) -> None:
    assert _muted(_finding(**labels), _labelled(source), SHARED) is muted


def test_a_critical_anomaly_mutes_the_milder_form_of_itself_and_no_other_watch() -> None:
    worse = _finding(severity="critical")
    # What both lack counts as equal.
    same = {"alertname", "cluster", "tenant", "service", "job", "instance", "mountpoint", "source", "agent_kind",
            "model", "entity", "watch"}
    assert _muted(_finding(), worse, same)
    assert not _muted(_finding(watch="call_length"), worse, same - {"watch"})
    assert not _muted(_finding(entity="human"), worse, same - {"entity"})


def test_a_budget_that_is_spent_fast_mutes_its_slow_form_and_no_other_model_or_application() -> None:
    slow, fast = ({"alertname": "SalesScoringAvailabilityBudgetBurn", "severity": severity, "team": "ml",
                   "category": "model", "service": "models", "slo": "scoring_availability", "window": window}
                  for severity, window in (("warning", "3d"), ("critical", "1h")))
    same = {"alertname", "cluster", "tenant", "service", "job", "instance", "mountpoint", "source", "agent_kind",
            "model", "entity", "watch"}
    assert _muted(slow, fast, same)
    assert not _muted(fast, slow, same)
    for label in ("model", "agent_kind", "job", "tenant"):
        assert not _muted(slow, fast, same - {label}), label


@pytest.mark.parametrize(("target", "source", "shared"), [
    ("SalesModelPredictionsDropped", "SalesModelNoPredictions", {"cluster", "tenant", "model"}),
    ("SalesRecorderQueueGrowing", "SalesRecorderQueueFull", {"cluster", "tenant", "job", "instance"}),
    ("HostFilesystemFullSoon", "HostFilesystemFilling", {"cluster", "tenant", "instance", "mountpoint"}),
])
def test_the_nearer_danger_is_told_alone(target: str, source: str, shared: set[str]) -> None:
    assert _muted(_labelled(target), _labelled(source), shared)
    assert not _muted(_labelled(source), _labelled(target), shared)
    for label in shared:
        assert not _muted(_labelled(target), _labelled(source), shared - {label}), label


@pytest.mark.parametrize("name", ["SalesAnomaly", "SalesModelDrift", "SalesRetrainingRecommended",
                                  "SalesCapacityExhaustion"])
@pytest.mark.parametrize("labels", [
    {"category": "freshness", "service": "source"}, {"category": "availability", "service": "exporter"}])
def test_a_finding_mutes_no_alert_of_a_rule(name: str, labels: dict[str, str]) -> None:
    found = _finding(name, severity="critical", **labels)
    everything = SHARED | {"source", "job", "mountpoint", "model", "version"}
    judged = [alert.name for alert in alerts() if not is_finding(alert)]
    assert [target for target in judged if _muted(_labelled(target), found, everything)] == []


def test_an_alertmanager_that_is_down_explains_a_failing_push_unless_none_is_left() -> None:
    failing = _labelled("SalesAlertPushFailing")
    assert _muted({**failing, "severity": "warning"}, _labelled("AlertmanagerDown"), {"cluster"})
    assert not _muted({**failing, "severity": "critical"}, _labelled("AlertmanagerDown"), {"cluster"})


@pytest.mark.parametrize(("target", "source"), [
    ("SalesSourceDown", "SalesNoCalls"), ("SalesSourceDown", "SalesCollectorStale"), ("Watchdog", "SalesExporterDown"),
    ("HostMemoryLow", "SalesSourceDown"), ("SalesExporterDown", "SalesSourceDown"),
    ("SalesNoCalls", "SalesCollectorFailing"), ("SalesLedgerAuditMismatch", "SalesSourceLagging"),
    ("SalesLedgerAuditMismatch", "SalesCollectorStale"), ("SalesContractViolations", "SalesLedgerAuditMismatch"),
    ("SalesSidecarDown", "SalesExporterDown"), ("SalesSidecarTicksLate", "SalesSourceDown"),
    ("SalesExporterDown", "SalesSidecarDown"), ("SalesNoCalls", "SalesSidecarTicksLate"),
])
def test_a_cause_is_not_muted_by_its_effect_nor_by_something_else(target: str, source: str) -> None:
    assert not _muted_by(target, source)


def test_every_receiver_is_used_and_every_used_one_exists() -> None:
    assert {receiver["name"] for receiver in TREE["receivers"]} == {r["receiver"] for r in ROUTES if "receiver" in r}
