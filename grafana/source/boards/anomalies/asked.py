"""PromQL on what the sidecar says. Each shard judges series of its own, so that a series has one value."""

from __future__ import annotations

from grafana.source.promql import selector

RANGE = "$__range"
LABELS = 4
"""Labels of which only the values are told; where a series has more, its text stays as it is."""
_QUOTED, _BARE = r'\\w+=\"([^\"]*)\"', r"\\w+=([^,]*)"
"""A name and its value, within a string of PromQL."""
BEGINS = 0.5
"""Score from which a series begins to alarm."""


def judged(name: str, **matchers: str) -> str:
    """A figure of each judged series."""
    # Grafana writes the text of a series as it is, with its double quotes.
    where = selector(name, **matchers).replace('"$series"', "'$series'")
    return f"max by (watch, series) ({where})"


def told(expr: str) -> str:
    """The series with a label ``what``: the values of its labels, the dashboard's cluster and tenant left out."""
    steps = [("series", _without("cluster"), "$1$2"), ("what", _without("tenant"), "$1$2"), ("what", ",?(.*)", "$1"),
             ("what", "^$", "all")]
    for source, pattern, groups in steps:
        expr = f'label_replace({expr}, "what", "{groups}", "{source}", "{pattern}")'
    return values(expr, "what", _QUOTED, ",")


def values(expr: str, label: str, pair: str = _BARE, between: str = ", ") -> str:
    """The series with the values alone in a label that is a list of names and values, such as ``a=1, b=2``."""
    for count in range(1, LABELS + 1):
        groups = ", ".join(f"${number}" for number in range(1, count + 1))
        expr = f'label_replace({expr}, "{label}", "{groups}", "{label}", "{between.join([pair] * count)}")'
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
