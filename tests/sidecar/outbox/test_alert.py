"""What an alert may hold."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given

from sales_exporter.sidecar.outbox.alert import CUT, LABELS, Alert, clean
from tests.sidecar.outbox.receiving import NOW, alert
from tests.support.strategies import hostile_text


@given(hostile_text)
def test_s8_text_from_outside_is_one_short_line_that_can_be_encoded(text: str) -> None:
    found = alert(entity=text, annotations={"description": text})
    for value in (found.entity, found.annotations["description"]):
        assert len(value) <= CUT
        assert value.isprintable()
        assert value.encode().decode() == value


@pytest.mark.parametrize(("text", "shown"), [
    ("a\r\nBcc: b", "a  Bcc: b"),
    ("{{ .ExternalURL }}", "{{ .ExternalURL }}"),
    ("x" * 256, "x" * 256),
    ("x" * 257, "x" * 255 + "…"),
    ("\u202egnp.exe", " gnp.exe"),
    ("Zürich 😀", "Zürich 😀"),
])
def test_s8_control_characters_go_and_all_else_stays(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_links_in_annotations_may_be_longer_than_text() -> None:
    link = "/d/sales-anomalies?" + "x" * 1000
    assert alert(annotations={"dashboard_url": link}).annotations["dashboard_url"] == link


def test_labels_that_are_empty_are_left_out() -> None:
    assert alert(team="ml").labels == {
        "alertname": "SalesLeadsFell", "severity": "warning", "team": "ml", "cluster": "demo", "tenant": "default"}


def test_every_label_has_its_own_part_in_the_fingerprint() -> None:
    whole = alert(**dict.fromkeys(("team", "category", "service", "entity", "watch"), "x"))
    found = {whole.fingerprint} | {
        Alert(**{**whole.labels, name: "y"}, starts_at=NOW).fingerprint for name in LABELS}  # type: ignore[arg-type]
    assert len(found) == len(LABELS) + 1


def test_another_severity_is_another_alert_about_the_same_subject() -> None:
    warning, critical = alert(severity="warning"), alert(severity="critical")
    assert warning.fingerprint != critical.fingerprint
    assert warning.subject == critical.subject
    assert warning.subject != alert("SalesLeadsGone").subject


def test_words_and_times_are_no_part_of_the_fingerprint() -> None:
    assert alert(starts_at=5.0, annotations={"value": "7"}).fingerprint == alert().fingerprint


@pytest.mark.parametrize("wrong", [
    {"alertname": ""}, {"severity": ""}, {"starts_at": math.nan}, {"starts_at": math.inf}, {"ends_at": NOW - 1},
    {"ends_at": math.nan}, {"annotations": {"a-b": "x"}}, {"annotations": {"": "x"}},
    {"generator_url": "javascript:alert(1)"}, {"generator_url": "/d/a b"}, {"generator_url": "/d/\r\nX: y"},
])
def test_what_alertmanager_would_refuse_is_refused_here(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"alert|annotations"):
        Alert(**{"alertname": "A", "severity": "warning", "starts_at": NOW, **wrong})


@pytest.mark.parametrize("wrong", [{"entity": 7}, {"annotations": {"value": 7}}])
def test_numbers_are_no_text(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="text, not int"):
        alert(**wrong)
