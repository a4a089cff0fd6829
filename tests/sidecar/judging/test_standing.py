"""Findings as series: one for each, with the labels of its alert."""

from __future__ import annotations

from sales_exporter.sidecar.judging.standing import Standing, runbook, samples
from sales_exporter.sidecar.outbox.alert import Alert


def finding(entity: str, severity: str = "warning", **annotations: str) -> Standing:
    return Standing("anomaly", Alert("SalesAnomaly", severity, 1.0, annotations, team="sales", category="leads",
                                     service="web", entity=entity, watch="leads"))


def test_each_finding_is_one_series_with_the_labels_of_its_alert() -> None:
    first, second = samples([finding("channel=email"), finding("channel=phone", "critical")])
    assert first.metric.name == "sales_finding_active"
    assert first.value == 1
    assert dict(zip(first.metric.labels, first.labels, strict=True)) == {
        "kind": "anomaly", "severity": "warning", "team": "sales", "category": "leads", "service": "web",
        "entity": "channel=email", "watch": "leads"}
    assert second.labels[1] == "critical"


def test_findings_with_the_same_labels_are_one_series() -> None:
    assert len(list(samples([finding("a", value="1"), finding("a", value="2")]))) == 1


def test_each_kind_has_a_runbook() -> None:
    assert runbook("capacity") == "alert_rules/runbooks/SalesCapacityExhaustion.md"
