"""The first row: does the order mean anything, how good is the team, and who carries too much."""

from __future__ import annotations

from grafana.source.boards.reps.asked import ANYBODY, EMPTY, deals, decided, open_deals
from grafana.source.bounds import wilson
from grafana.source.panels import BLUE, ORANGE, SKY, Figure, Line, Say, lines, stats
from grafana.source.plots import POINTS
from grafana.source.promql import ratio, selector
from grafana.source.sdk import model, units
from grafana.source.shapes import Sentence, banner


def differences() -> str:
    return f"max({selector('sales_rep_differences_p_value', window='$window')})"


def meaning() -> model.Panel:
    return banner(
        Say(1, "Does the order mean anything? $window",
            "Tarone's test by permutation on the deals decided in the window: the chance (p) of win ratios at least "
            "as uneven if all reps were equally good. Below 0.05 reps differ; above, the order of the table is what "
            "chance makes of equals. Deals reach reps by who gets which, so a difference may be of the deals.",
            "Fewer than three reps: no order can be told before three of them have decided deals"),
        differences(),
        Sentence(None, 0.01, "Reps differ, and hardly by chance: the bounds say how far", BLUE),
        Sentence(0.01, 0.05, "Reps seem to differ: read the bounds, not the order", SKY),
        Sentence(0.05, None, "This order can be pure chance: do not rank anybody by it", ORANGE))


def win_rate() -> model.Panel:
    won, all_of_them = deals(result="won", rep=ANYBODY), decided(rep=ANYBODY)
    low, high = wilson(won, all_of_them)
    return stats(
        Say(2, "Win rate of all reps, $window",
            "Deals won of deals won or lost in the window by those that have a rep, with its 95 % interval (Wilson).",
            EMPTY),
        Figure("won", ratio(won, all_of_them), units.PercentUnit, 1),
        Figure("95 % from", low, units.PercentUnit, 1), Figure("to", high, units.PercentUnit, 1),
    )


def load() -> model.Panel:
    each = open_deals("rep")
    most = f"max({each})"
    return stats(
        Say(3, "Fullest desk",
            "The most open deals that one rep holds, how many times the median rep's that is, and the median. Orange "
            "from three times on, where the alert begins, which needs 30 deals as well.",
            "No open deals with a rep: fill deals.rep_id and deals.status"),
        Figure("most", most, units.LocaleFormat, 0),
        Figure("x median", ratio(most, f"quantile(0.5, {each})"), units.Short, 1, ((0, BLUE), (3, ORANGE))),
        Figure("median", f"quantile(0.5, {each})", units.LocaleFormat, 1),
    )


def trend() -> model.Panel:
    won, all_of_them = deals(result="won", rep=ANYBODY), decided(rep=ANYBODY)
    low, high = wilson(won, all_of_them)
    return lines(
        Say(13, "Win rate of all reps over time, $window",
            "Deals won of deals won or lost in the window before each point, all reps together, with its 95 % band.",
            EMPTY),
        units.PercentUnit, Line("Win rate", ratio(won, all_of_them), BLUE, lower=low, upper=high), points=POINTS)
