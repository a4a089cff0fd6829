"""Severity comes from effect, duration and weight, and does not flap."""

from __future__ import annotations

import math

import pytest

from sales_exporter.config import SeverityClass, parse
from sales_exporter.errors import ConfigError
from sales_exporter.sidecar.fleet.severity import Class, points, severity

SETTINGS = SeverityClass(warning=4, critical=12, escalate_after=3_600)


@pytest.mark.parametrize(("effect", "duration", "weight", "expected"), [
    (8, 0, 1, 4), (-8, 0, 1, 4), (8, 0, 2.5, 10), (8, 3_600, 1, 12), (8, 5_400, 1, 16),
    pytest.param(8, 1e6, 1, 16, id="no longer than counts"), pytest.param(math.nan, 1e6, 1, 0, id="effect unknown"),
    pytest.param(8, -5, 1, 4, id="clock set back"),
])
def test_points(effect: float, duration: float, weight: float, expected: float) -> None:
    assert points(effect, duration, weight, SETTINGS) == pytest.approx(expected)


@pytest.mark.parametrize(("now", "expected"), [
    (0, "info"), (3.9, "info"), (4, "warning"), (11.9, "warning"), (12, "critical"),
])
def test_classes(now: float, expected: Class) -> None:
    assert severity(now, None, SETTINGS) == expected


def test_a_watch_limits_its_severity_both_ways() -> None:
    assert severity(100, None, SETTINGS, most="warning") == "warning"
    assert severity(0, None, SETTINGS, least="warning") == "warning"


def test_limits_that_were_narrowed_hold_for_what_is_alarming_already() -> None:
    assert severity(0, "critical", SETTINGS, most="warning") == "warning"


def test_r30_a_severity_that_dances_on_its_threshold_changes_once() -> None:
    told, before = 0, None
    for crossing in range(10):
        now = severity(11.9 if crossing % 2 else 12.1, before, SETTINGS)
        told += now != before
        before = now
    assert told == 1


def test_what_lasts_escalates() -> None:
    classes, before = [], None
    for minute in (0, 30, 60, 90):
        before = severity(points(8, 60 * minute, 1, SETTINGS), before, SETTINGS)
        classes.append(before)
    assert classes == ["warning", "warning", "critical", "critical"]


@pytest.mark.parametrize(("classes", "said"), [
    ("{normal: {warning: 5, critical: 4}}", r"classes\.normal: critical must not be below warning"),
    ("{strict: {warning: 1}}", "classes: the class normal is missing"),
])
def test_thresholds_that_cannot_be_are_refused(classes: str, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"sidecar\.severity\.{said}"):
        parse(f"sidecar: {{severity: {{classes: {classes}}}}}", "x.yml")
