"""What the panels on reps ask for. A name is in sales_rep_info alone, so every series by rep is joined with it."""

from __future__ import annotations

from grafana.source.promql import selector, total

SCORED = "the last 90 days"
"""What the metrics without a window speak of."""
EMPTY = "No decided deals with a rep: fill deals.rep_id, deals.status and sales.reps"
MOST = 20
"""Reps that fit into a chart; tables have all."""
SOMEBODY = "!~[(](none|other)[)]"
"""One rep, and neither deals of nobody nor those of all reps above the limit together."""
ANYBODY = "!(none)"
MOST = 20
"""Reps that fit into a chart; the tables have all."""


def by_rep(name: str, **matchers: str) -> str:
    """A gauge of the reps, once per fact."""
    return f"max by (rep) ({selector(name, **matchers)})"


def deals(*by: str, result: str, window: str = "$window", rep: str = SOMEBODY) -> str:
    """Deals by their result: won, lost (of the window), or open, whatever their age."""
    return total("sales_rep_deals", *by, result=result, window=window, rep=rep)


def decided(*by: str, window: str = "$window", rep: str = SOMEBODY) -> str:
    """Deals won or lost in the window."""
    return deals(*by, result="~won|lost", window=window, rep=rep)


def open_deals(*by: str) -> str:
    """Deals that are open now."""
    return deals(*by, result="open", window="all")


def wins(suffix: str = "", window: str = "$window") -> str:
    """Win ratio pulled towards the team; with fewer than three reps there is none to pull to, and it is the raw one."""
    shrunk, raw = (by_rep(f"sales_rep_win_ratio{suffix}", estimator=estimator, window=window, rep=SOMEBODY)
                   for estimator in ("shrunk", "raw"))
    return f"({shrunk} or {raw})"


def busiest(expr: str, measure: str) -> str:
    """Of a series by rep those with the most of ``measure`` at the end of the time range: lines do not come and go."""
    return f"({expr}) and on (rep) topk({MOST}, {measure.replace('}', '} @ end()')})"


def named(expr: str, *labels: str) -> str:
    """The series by rep with the labels of who that is; reps who are not in sales.reps keep their id."""
    labels = labels or ("name", "team")
    found = f"({expr}) * on (rep) group_left ({', '.join(labels)}) {people(*labels)}"
    nobody = f'label_replace(({expr}) unless on (rep) {people(*labels)}, "name", "$1", "rep", "(.+)")'
    return f"{found} or {nobody}"


def people(*labels: str) -> str:
    """A series with the value 1 for each rep."""
    return f"max by (rep, {', '.join(labels)}) ({selector('sales_rep_info')})"


def by_team(expr: str) -> str:
    """The sum of a series by rep over each team; reps without one are a team without a name."""
    return f"sum by (team) ({named(expr, 'team')})"
