"""One rep: what is chosen at the top of the page or by a click on an id."""

from __future__ import annotations

from grafana.source.boards.reps.asked import deals, decided, named
from grafana.source.panels import BLUE, ORANGE, Figure, Line, Say, lines, rows, stats
from grafana.source.promql import selector
from grafana.source.sdk import model, units

ONE = {"rep": "$rep"}
EMPTY = "This rep has no decided deals in the window"


def _ratio(estimator: str, suffix: str = "") -> str:
    where = {"estimator": estimator, "window": "$window", **ONE}
    return f"max({selector(f'sales_rep_win_ratio{suffix}', **where)})"


def who() -> model.Panel:
    score = named(f"max by (rep) ({selector('sales_rep_score', **ONE)})")
    return stats(
        Say(24, "Score",
            "Name and team of the rep, and the score from 0 to 1 of the deals decided in the last 90 days: the mean "
            "of its parts, weighted by business.rep_score_weights.",
            "No deal decided in 90 days: choose another rep above"),
        Figure("{{name}}, {{team}}", score, units.Short, 2))


def wins() -> model.Panel:
    return lines(
        Say(20, "Win rate, $window",
            "The share of the rep's decided deals that were won in the window before each point, and the same pulled "
            "towards the team as far as the deals are few, with its 95 % band.",
            EMPTY),
        units.PercentUnit,
        Line("Towards the team", _ratio("shrunk"), BLUE, lower=_ratio("shrunk", "_lower"),
             upper=_ratio("shrunk", "_upper")),
        Line("Raw", _ratio("raw"), ORANGE, dashed=True))


def place() -> model.Panel:
    def rank(suffix: str = "") -> str:
        return f"max({selector(f'sales_rep_rank{suffix}', window='$window', **ONE)})"

    return lines(
        Say(21, "Place among the reps, $window",
            "Place by the true win ratio, 1 is best: the median of the places that the deals allow, with the 95 % of "
            "them as a band. A wide band says that the place is not known.",
            EMPTY),
        units.LocaleFormat, Line("Place", rank(), BLUE, lower=rank("_lower"), upper=rank("_upper")), decimals=0)


def windows() -> model.Panel:
    def of(suffix: str = "") -> str:
        where = {"estimator": "shrunk", **ONE}
        return f"max by (window) ({selector(f'sales_rep_win_ratio{suffix}', **where)})"

    return rows(
        Say(22, "Deals by window",
            "Deals won and lost in each window, and the win rate pulled towards the team with its 95 % bounds.",
            EMPTY),
        {"window": "Window"},
        Figure("Won", deals("window", result="won", window="~.+", rep="$rep"), units.LocaleFormat, 0),
        Figure("Decided", decided("window", window="~.+", rep="$rep"), units.LocaleFormat, 0),
        Figure("Win rate", of(), units.PercentUnit, 0), Figure("95 % from", of("_lower"), units.PercentUnit, 0),
        Figure("95 % to", of("_upper"), units.PercentUnit, 0), sort="Decided", descending=False)


def typical() -> model.Panel:
    def value(suffix: str = "") -> str:
        where = {"estimator": "shrunk", "currency": "$currency", **ONE}
        return f"max({selector(f'sales_rep_deal_value{suffix}', **where)})"

    return lines(
        Say(23, "Value of won deals, 90 d ($currency)",
            "Geometric mean of the value of the deals that the rep won in the 90 days before each point, pulled "
            "towards the team as far as they are few, with its 95 % band.",
            "This rep has won no deals in 90 days, or there are fewer than three reps"),
        units.Short, Line("Value", value(), BLUE, lower=value("_lower"), upper=value("_upper")))
