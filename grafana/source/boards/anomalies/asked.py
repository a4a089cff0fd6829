"""PromQL on what the sidecar says. Each shard judges series of its own, so that a series has one value."""

from __future__ import annotations

from grafana.source.promql import selector

RANGE = "$__range"
BEGINS = 0.5
"""Score from which a series begins to alarm."""


def judged(name: str, **matchers: str) -> str:
    """A figure of each judged series."""
    # Grafana writes the text of a series as it is, with its double quotes.
    where = selector(name, **matchers).replace('"$series"', "'$series'")
    return f"max by (watch, series) ({where})"


def told(expr: str) -> str:
    """The series with a label ``what``: its own labels, those of the dashboard's cluster and tenant left out."""
    steps = [("series", _without("cluster"), "$1$2"), ("what", _without("tenant"), "$1$2"), ("what", ",?(.*)", "$1"),
             ("what", "^$", "all")]
    for source, pattern, groups in steps:
        expr = f'label_replace({expr}, "what", "{groups}", "{source}", "{pattern}")'
    return expr


def _without(label: str) -> str:
    # Within a string of PromQL: what comes before the label and after it, with its comma.
    return f'(.*?),?{label}=\\"[^\\"]*\\"(.*)'


def most(expr: str, over: str, number: int) -> str:
    """Those series of ``expr`` that have the most of ``over`` at the end of the range; the same at every moment."""
    return f"{expr} and on (watch, series) topk({number}, {over} > 0)"


def highest(name: str) -> str:
    """The largest value of each judged series in the range, taken at its end."""
    return f"max by (watch, series) (max_over_time({selector(name)}[{RANGE}] @ end()))"
