"""Each rule keeps the house rules, and the checks themselves notice what they are there for."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from functools import cache

import promql_parser
import pytest
import yaml

from tests.rules import lint
from tests.rules.lint import ALWAYS_FIRING, collectors_of, defects, false_resolve, is_twin
from tests.rules.rulebook import ROOT, RUNBOOKS, Alert, alerts, cases, metrics, nodes, records, seconds

HEADINGS = ["What it means", "What is at stake", "Look first", "Likely causes", "What to do", "How to silence it",
            "When it is false"]
RESEND = seconds("1m")
"""--rules.alert.resend-delay, which no start command changes."""
SOUND = Alert("funnel", "Some", "sum by (cluster, tenant) (rate(sales_calls_total[5m])) > 1", 60, 60, {}, {})
BOTH = "['cluster', 'tenant']"


def test_the_expressions_are_sound() -> None:
    assert {alert.id: found for alert in alerts() if (found := defects(alert))} == {}


@pytest.mark.parametrize(("expr", "finding"), [
    ("sum by (cluster, tenant) (sales_calls_totals) > 1", "no collector exposes sales_calls_totals"),
    ('sum by (cluster, tenant) (rate(sales_calls_total{kin="a"}[5m])) > 1', "sales_calls_total has no label ['kin']"),
    ("sum by (cluster) (rate(sales_calls_total[5m])) > 1", f"sum does not group by {BOTH}"),
    ("sum without (outcome) (rate(sales_calls_total[5m])) > 1", f"sum does not group by {BOTH}"),
    ("max(sales_source_up) == 0", f"max does not group by {BOTH}"),
    ("sales_source_up unless on (cluster) sales_replay == 1", f"a matching on ['cluster'] mixes {BOTH}"),
    ("sum by (cluster, tenant) (rate(sales_calls_total[5m]))", "the expression compares nothing"),
    ("sum by (cluster, tenant) (sales_calls_total) > 1", "sales_calls_total is a counter and needs rate or increase"),
])
def test_the_lint_finds(expr: str, finding: str) -> None:
    assert finding in defects(replace(SOUND, expr=expr))


def test_the_lint_asks_for_a_hold_time() -> None:
    assert defects(replace(SOUND, hold=0)) == ["no `for`"]
    assert defects(SOUND) == []


def test_the_labels_are_of_closed_sets() -> None:
    for alert in alerts():
        burns = {"window"} if "slo:burn_rate:ratio" in alert.expr else set()
        assert set(alert.labels) == {"severity", "team", "category", "service"} | burns, alert.id
        if lint.is_finding(alert):
            continue
        assert alert.labels["severity"] in lint.SEVERITIES, alert.id
        assert alert.labels["team"] in lint.TEAMS, alert.id
        assert alert.labels["category"] in lint.CATEGORIES, alert.id


def test_a_finding_has_the_labels_that_the_sidecar_pushes_and_only_while_it_may_not_push() -> None:
    findings = [alert for alert in alerts() if lint.is_finding(alert)]
    assert {alert.name for alert in findings} == {
        "SalesAnomaly", "SalesModelDrift", "SalesRetrainingRecommended", "SalesCapacityExhaustion"}
    for alert in findings:
        outermost = promql_parser.parse(alert.expr)
        assert isinstance(outermost, promql_parser.AggregateExpr)
        assert outermost.modifier is not None
        assert {*outermost.modifier.labels} == {"cluster", "tenant"} | lint.FINDING, alert.name
        assert metrics(alert.expr) == {"sales_finding_active", "sales_sidecar_push"}, alert.name


def test_the_queries_within_the_texts_ask_for_metrics_that_exist() -> None:
    asked = [query for alert in alerts() for query in lint.asked_in_texts(alert)]
    assert len(asked) == sum(text.count("query (") for alert in alerts() for text in alert.annotations.values()) > 0
    assert [finding for query in asked for finding in lint.unknown_names(query)] == []


def test_the_texts_say_what_and_where() -> None:
    places = ("$labels.cluster }}", "$labels.instance }}", "$labels.job }}")
    for alert in alerts():
        assert set(alert.annotations) == {"summary", "description", "runbook_url", "dashboard_url"}, alert.id
        assert "{{" not in alert.annotations["summary"], alert.id
        assert alert.annotations["summary"].endswith((".", ".)")), alert.id
        where = any(place in alert.annotations["description"] for place in places)
        assert where or alert.name == ALWAYS_FIRING, alert.id


def test_no_two_rules_share_name_severity_and_window() -> None:
    counted = Counter(alert.id for alert in alerts())
    assert [name for name, times in counted.items() if times > 1] == []


def test_every_runbook_exists_and_answers_every_question() -> None:
    for alert in alerts():
        assert alert.annotations["runbook_url"] == f"alert_rules/runbooks/{alert.name}.md"
        text = (ROOT / alert.annotations["runbook_url"]).read_text()
        assert text.startswith(f"# {alert.name}\n")
        assert re.findall(r"^## (.+)$", text, re.M) == HEADINGS, alert.name
        assert all(len(body.strip()) > 8 for body in re.split(r"^## .+$", text, flags=re.M)[1:]), alert.name


def test_the_queries_of_the_runbooks_ask_for_metrics_that_exist() -> None:
    for path in sorted(RUNBOOKS.glob("*.md")):
        queries = re.findall(r"```promql\n(.+?)\n```", path.read_text(), re.S)
        assert queries, path.stem
        assert [finding for query in queries for finding in lint.unknown_names(query)] == [], path.stem


def test_no_runbook_is_left_over() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {alert.name for alert in alerts()}


@cache
def _variables() -> dict[str, set[str]]:
    boards = [json.loads(path.read_text()) for path in (ROOT / "grafana/dashboards").rglob("*.json")]
    return {board["uid"]: {f"var-{entry['name']}" for entry in board["templating"]["list"]} for board in boards}


def test_every_dashboard_link_leads_to_a_dashboard_and_its_variables() -> None:
    for alert in alerts():
        link = re.fullmatch(r"/d/([a-z-]+)(?:\?(.+))?", alert.annotations["dashboard_url"])
        assert link is not None, alert.id
        assert link[1] in _variables(), alert.id
        assert {pair.split("=")[0] for pair in (link[2] or "").split("&") if pair} <= _variables()[link[1]], alert.id


def test_every_alert_has_a_case_that_fires() -> None:
    shown = {(case.alert, severity) for case in cases() for severity in case.severities}
    possible = {(alert.name, severity) for alert in alerts() for severity in lint.severities(alert)}
    assert possible - shown == set()


def test_every_alert_has_a_case_that_stays_quiet_on_data() -> None:
    quiet = {alert.name for alert in alerts() for case in cases()
             if case.alert == alert.name and not case.severities and case.inputs & metrics(alert.expr)}
    assert {alert.name for alert in alerts()} - quiet == {ALWAYS_FIRING}


def test_r32_every_alert_has_a_case_without_data() -> None:
    for alert in alerts():
        # The twins and most families are tried beside a living target.
        own = metrics(alert.expr) - {"up"} or {"up"}
        without = [case for case in cases() if case.alert == alert.name and not case.inputs & own]
        speaks = alert.name == ALWAYS_FIRING or "absent(" in alert.expr
        assert any(bool(case.severities) == speaks for case in without), alert.id


def test_r32_every_collector_that_an_alert_reads_has_a_twin_for_its_absence() -> None:
    judged = frozenset[str]().union(*(collectors_of(alert.expr) for alert in alerts()))
    watched = frozenset[str]().union(*(collectors_of(alert.expr) for alert in alerts() if is_twin(alert)))
    assert judged - watched == set()
    families = {alert.family for alert in alerts()} - {"meta"}
    assert families - {alert.family for alert in alerts() if is_twin(alert)} == set()


def test_r28_no_hold_time_lies_where_a_killed_prometheus_would_resolve() -> None:
    command = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["prometheus"]["command"]
    flags = dict(part.lstrip("-").split("=", 1) for part in command)
    grace = seconds(flags["rules.alert.for-grace-period"])
    assert "rules.alert.resend-delay" not in flags
    assert [alert.id for alert in alerts() if false_resolve(alert.hold, RESEND, grace)] == []


@pytest.mark.parametrize(("hold", "bad"), [("1m", False), ("5m", True), ("10m", False)])
def test_r28_the_check_knows_the_trap_of_the_default_grace_period(hold: str, bad: bool) -> None:
    assert false_resolve(seconds(hold), RESEND, grace=seconds("10m")) is bad


def test_r30_what_can_flap_keeps_firing() -> None:
    for alert in alerts():
        lasting = alert.name == ALWAYS_FIRING or alert.name.endswith("Absent")
        assert (alert.keep >= 60) != lasting, alert.id


def test_a_value_that_is_judged_within_minutes_is_judged_over_a_range() -> None:
    for alert in alerts():
        over = any(isinstance(node, promql_parser.MatrixSelector | promql_parser.SubqueryExpr)
                   for node in nodes(alert.expr)) or any(record.name in alert.expr for record in records())
        exempt = "time()" in alert.expr or "absent(" in alert.expr or alert.name == ALWAYS_FIRING
        assert over or exempt or alert.hold >= 15 * 60, alert.id


def test_a_recording_rule_serves_more_than_one_alert() -> None:
    for record in records():
        if record.name.startswith("anomaly:"):
            # Names that another project's dashboards and alerts ask for: they are here for those, not for ours.
            continue
        assert re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", record.name)
        assert list(lint.lost_tenants(record.expr, frozenset({"cluster", "tenant"}))) == []
        assert list(lint.unknown_names(record.expr)) == []
        if record.name.startswith("slo:"):
            # The list of objectives asks for the rest: how high they are, and what is left of each.
            continue
        assert sum(record.name in alert.expr for alert in alerts()) >= 2


def test_the_table_in_the_docs_lists_every_alert_as_it_is() -> None:
    row = re.compile(r"^\| \[(\w+)\]\(\.\./alert_rules/runbooks/\1\.md\) \| (.+) \| ([a-z, ]+) \| ([a-z- ]+) \|$", re.M)
    listed = {name: rest for name, *rest in row.findall((ROOT / "docs/alerts.md").read_text())}
    wanted: dict[str, list[str]] = {}
    for alert in alerts():
        found = lint.is_finding(alert)
        severity, team = ("as found", "as found") if found else (alert.labels["severity"], alert.labels["team"])
        if alert.name in wanted:
            wanted[alert.name][1] += "" if severity in wanted[alert.name][1] else f", {severity}"
        else:
            wanted[alert.name] = [alert.annotations["summary"], severity, team]
    assert listed == wanted
