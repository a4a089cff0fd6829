"""What is known of the dashboards in the world that the tests draw them over, by uid and panel, each with its reason.

A panel that is stated here and is not so any more fails the tests too.
"""

from __future__ import annotations

from tests.grafana.stated import STATED, empty

Stated = dict[str, dict[int, str]]

PHONE = "its columns are too narrow for their texts on a phone"
LABELS = "the labels of a series are one word, which does not wrap"
LONG = "a name of 32 letters, which does not wrap"

EMPTY: Stated = {uid: empty(uid) for uid in STATED}
"""Panels without data."""

CUT: Stated = {
    "sales-home": dict.fromkeys((19, 23), PHONE),
    "sales-alerts": {11: PHONE, 19: PHONE},
    "sales-anomalies": dict.fromkeys((6, 23), PHONE),
    "sales-api": {7: LONG, 15: PHONE},
    "sales-exporter": {6: PHONE, 45: PHONE},
    "sales-slo": {5: PHONE},
    "sales-reps": dict.fromkeys((6, 9), "a bar leaves a third of a panel to names"),
}
"""Panels that cut off texts at one of the widths."""

SIDEWAYS: Stated = {}
"""Tables that are wider than their panel at 1280 pixels."""

BAR = {"sales-anomalies": LABELS}
"""Dashboards whose variables have values that are longer than a phone is wide."""
