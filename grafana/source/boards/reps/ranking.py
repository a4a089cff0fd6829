"""Reps one by one, each figure with its bounds: what the deals say, and how little that may be."""

from __future__ import annotations

from grafana.source.boards.reps.asked import EMPTY, MOST, SCORED, busiest, by_rep, decided, named, wins
from grafana.source.panels import BLUE, SKY, TEXT, Figure, Line, Say, bars, linked, rows
from grafana.source.sdk import model, units
from grafana.source.shapes import ranges

WHO = {"name": "Rep", "team": "Team", "rep": "Id"}
HERE = ("/d/sales-reps?var-cluster=$cluster&var-tenant=$tenant&var-window=$window&var-currency=$currency"
        "&var-rep=${__value.text}&${__url_time_range}")
OF_WINDOW = {"window": "$window"}


def leaderboard() -> model.Panel:
    def place(suffix: str = "") -> str:
        return named(by_rep(f"sales_rep_rank{suffix}", **OF_WINDOW))

    def typical(name: str, **matchers: str) -> str:
        # Fewer than three reps with won deals leave nothing to pull towards.
        return named(" or ".join(by_rep(name, estimator=estimator, **matchers) for estimator in ("shrunk", "raw")))

    panel = rows(
        Say(4, "Reps, $window",
            "Deals won of deals decided in the window, pulled towards the team as far as the deals are few, with 95 "
            "% bounds; the place by that and the places that the deals allow; by the lower bound, so that few deals "
            f"do not lead. Chance above the team, value and cycle of won deals and score are of {SCORED}. A click on "
            "an id shows the rep below.",
            EMPTY),
        WHO,
        Figure("Decided", named(decided("rep")), units.LocaleFormat, 0),
        Figure("Win rate", named(wins()), units.PercentUnit, 0),
        Figure("95 % from", named(wins("_lower")), units.PercentUnit, 0),
        Figure("95 % to", named(wins("_upper")), units.PercentUnit, 0),
        Figure("Place", place(), units.LocaleFormat, 0), Figure("best", place("_lower"), units.LocaleFormat, 0),
        Figure("worst", place("_upper"), units.LocaleFormat, 0),
        Figure("Above team", named(by_rep("sales_rep_above_team_probability")), units.PercentUnit, 0),
        Figure("Deal value", typical("sales_rep_deal_value", currency="$currency"), decimals=1),
        Figure("Cycle", typical("sales_rep_cycle_seconds"), units.Seconds),
        Figure("Score", named(by_rep("sales_rep_score")), units.Short, 2), sort="95 % from")
    return linked(panel, "Id", "The details of this rep", HERE)


def intervals() -> model.Panel:
    def of(suffix: str = "") -> str:
        return named(busiest(wins(suffix), decided("rep")), "name")

    return ranges(
        Say(5, "Win rate with its bounds, $window",
            "The win rate of each rep, pulled towards the team as far as the deals are few, from its lower to its "
            "upper 95 % bound; the rate itself is where the colours meet. Where bars overlap, the data cannot tell "
            f"who is better. The {MOST} reps with the most decided deals.",
            EMPTY),
        "name", units.PercentUnit, Line("95 % from", of("_lower"), TEXT), Line("to the rate", of(), BLUE),
        Line("to the upper bound", of("_upper"), SKY), decimals=0, sort="95 % from")


def above() -> model.Panel:
    chance = named(busiest(by_rep("sales_rep_above_team_probability"), decided("rep")), "name")
    return bars(
        Say(6, "Chance to be above the team",
            "Probability that the rep's true win ratio is above the mean of the reps, by the deals decided in the "
            f"last 90 days. Near 50 % the deals do not tell. The {MOST} reps with the most decided deals.",
            "Fewer than three reps: there is no team before three of them decided a deal in 90 days"),
        f"sort_desc({chance})", "{{name}}", units.PercentUnit, high=1)


def components() -> model.Panel:
    def part(component: str) -> str:
        return named(by_rep("sales_rep_score_component", component=component), "name")

    return rows(
        Say(7, "What the score is made of",
            "Each part from 0 to 1, of the deals decided in the last 90 days: the lower bound of the win rate; and "
            "the share of the other reps that the rep outdoes in value won, in deals decided and in quick cycles. "
            "Places among others say nothing of how far apart they are. The weights are business.rep_score_weights.",
            "No rep decided a deal in 90 days: fill deals.rep_id and deals.closed_at"),
        {"name": "Rep"},
        Figure("Score", named(by_rep("sales_rep_score"), "name"), units.Short, 2),
        Figure("Wins", part("win_ratio"), units.Short, 2), Figure("Value", part("revenue"), units.Short, 2),
        Figure("Volume", part("volume"), units.Short, 2), Figure("Speed", part("cycle_time"), units.Short, 2),
        sort="Score", hidden=("rep",))


def sizes() -> model.Panel:
    def typical(name: str, suffix: str = "", **matchers: str) -> str:
        return named(by_rep(f"{name}{suffix}", estimator="shrunk", **matchers), "name")

    def value(suffix: str = "") -> str:
        return typical("sales_rep_deal_value", suffix, currency="$currency")

    def cycle(suffix: str = "") -> str:
        return typical("sales_rep_cycle_seconds", suffix)

    return rows(
        Say(8, "Deal value and cycle with bounds ($currency)",
            "Geometric means of the value of won deals and of the time from opening to winning, of the last 90 days, "
            "pulled towards the team as far as the deals are few, with 95 % bounds.",
            "Fewer than three reps won deals in 90 days"),
        {"name": "Rep"},
        Figure("Value", value(), decimals=1), Figure("from", value("_lower"), decimals=1),
        Figure("to", value("_upper"), decimals=1),
        Figure("Cycle", cycle(), units.Seconds), Figure("95 % from", cycle("_lower"), units.Seconds),
        Figure("95 % to", cycle("_upper"), units.Seconds), sort="Value", hidden=("rep",))
