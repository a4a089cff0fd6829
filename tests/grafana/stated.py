"""Queries that find nothing in the two weeks, by dashboard, panel and letters, each with its reason.

One that is stated here and finds something fails the tests too.
"""

from __future__ import annotations

from collections.abc import Mapping

QUIET = "nothing of the kind happened"
NO_RULE = "no rule of the recommendations has enough evidence"
OFF = "the intake has no source"
YOUNG = "the servers whose pages were read had run for a minute: the first audit comes after an hour"

STATED: Mapping[str, Mapping[int, tuple[str, str]]] = {
    "sales-alerts": {10: ("A", QUIET)},
    "sales-anomalies": {12: ("A", QUIET), 22: ("ABC", QUIET)},
    "sales-calls": {6: ("C", "fewer than 30 calls in the last hour"), 20: ("A", QUIET)},
    "sales-models": {25: ("A", QUIET)},
    "sales-exporter": {4: ("A", YOUNG), 7: ("A", QUIET), 12: ("AB", QUIET), 23: ("A", YOUNG), 25: ("A", QUIET),
                       27: ("A", QUIET), 29: ("A", OFF), 30: ("AB", OFF), 31: ("A", OFF)},
    "sales-funnel": {23: ("ABCDE", NO_RULE)},
    "sales-pipeline": {22: ("ABCDE", NO_RULE), 23: ("A", QUIET)},
    "sales-roi": {23: ("ABCDE", NO_RULE)},
}
"""Letters and reason."""


def stated(uid: str) -> set[tuple[int, str]]:
    """The queries of a dashboard that find nothing, by panel and letter."""
    return {(number, letter) for number, (letters, _) in STATED.get(uid, {}).items() for letter in letters}


def empty(uid: str) -> dict[int, str]:
    """Panels of a dashboard that show nothing at all, with the reason."""
    return {number: why for number, (letters, why) in STATED.get(uid, {}).items() if (uid, number) not in PARTLY}


PARTLY = frozenset({("sales-calls", 6), ("sales-exporter", 4)})
"""Panels of which other queries find something."""

ELSEWHERE: Mapping[str, Mapping[int, tuple[str, str]]] = {
    "sales-alerts": {10: ("A", "changes() counts the beginning of a series too, and here each alert is a new one")},
}
"""What VictoriaMetrics answers differently: queries that are stated above and find something there."""
