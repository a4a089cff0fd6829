"""Whether it gets better or worse: arrivals, conversion, and how many leads are where, over time."""

from __future__ import annotations

from grafana.source.boards.funnel import asked
from grafana.source.boards.funnel.asked import (
    ALL_CHANNELS,
    DAY,
    EMPTY,
    by_stage,
    created,
    entered,
    passed,
    won,
)
from grafana.source.bounds import wilson
from grafana.source.panels import BLUE, GREY, ORANGE, Figure, Line, Say, lines, rows
from grafana.source.plots import POINTS, by_label
from grafana.source.promql import ratio, selector, total
from grafana.source.sdk import model, units

HISTORY = "Needs a day of history and the window 'all': it grows while Prometheus scrapes the exporter"


def arrivals() -> model.Panel:
    return lines(
        Say(12, "New leads in 24 h, and a week before",
            "Leads created in the 24 hours before each point, in the channels chosen, and the same a week earlier: "
            "the same weekday at the same hour. Where the lines part, something changed.",
            HISTORY),
        units.LocaleFormat, Line("New leads", created(), BLUE),
        Line("A week before", created(days_ago=7), GREY, dashed=True), decimals=0, points=POINTS)


def open_leads() -> model.Panel:
    return by_label(
        Say(16, "Open leads by stage",
            f"Leads that are in each open stage at the time; won and lost ones are in none. {ALL_CHANNELS}",
            "No open leads: fill sales.stage_transitions"),
        units.LocaleFormat, (by_stage("sales_stage_open"), "{{stage}}"), decimals=0, many=False, by_name=False)


def conversion() -> model.Panel:
    so_far = {"window": "$horizon"}
    low, high = wilson(won(**so_far), entered(**so_far))
    return lines(
        Say(17, "Conversion within $horizon, over time",
            "Of the leads created within the horizon before each point, the share won by then and the share that was "
            "projected to have been won at the age of the horizon, with their 95 % bands. The first is the lower one "
            "while leads are young. Over several channels the band of the projection is the mean of theirs.",
            "Needs leads older than the horizon: fill sales.leads and sales.stage_transitions"),
        units.PercentUnit,
        Line("Projected", asked.conversion("projected"), BLUE, lower=asked.conversion("projected", "_lower"),
             upper=asked.conversion("projected", "_upper")),
        Line("Won so far", ratio(won(**so_far), entered(**so_far)), ORANGE, lower=low, upper=high),
        points=POINTS)


def maturity() -> model.Panel:
    known = f"max by (window) ({selector('sales_funnel_cohort_maturity_ratio', horizon='$horizon')})"
    leads = f"max by (window) ({total('sales_funnel_leads', 'window', 'stage', basis='cohort')})"
    return rows(
        Say(19, "How much is known already",
            "By window: the leads created in it, and the share of their outcomes by the age of the horizon, won or "
            f"lost, that is expected to be known by now. Below 80 % read projections, not 'so far'. {ALL_CHANNELS}",
            "Needs leads older than the horizon: fill sales.leads and sales.stage_transitions"),
        {"window": "Window"},
        Figure("Leads", f"{leads} and {known}", units.LocaleFormat, 0),
        Figure("Known", known, units.PercentUnit, 0, ((0, ORANGE), (0.8, BLUE))), sort="Leads", descending=False)


def reached() -> model.Panel:
    now, before = (asked.reached("stage", window="all", basis="event", offset=offset) for offset in ("", DAY))
    return by_label(
        Say(20, "Leads that reached a stage, in 24 h",
            "Leads of the channels chosen that reached each stage for the first time in the 24 hours before each "
            "point: what every stage has to work off, and how many were won and lost.",
            HISTORY),
        units.LocaleFormat, (f"{now} - {before}", "{{stage}}"), decimals=0, many=False, points=POINTS,
        by_name=False)


def cycle() -> model.Panel:
    def seconds(q: str, result: str) -> str:
        return f"max({selector('sales_cycle_time_seconds', q=q, result=result)})"

    return lines(
        Say(21, "Time to win and to lose",
            "From the creation of a lead to its first won or lost stage, over all leads that ended so far: half had "
            f"ended by the median, nine of ten by the other. {ALL_CHANNELS}",
            "No lead has ended yet: fill sales.stage_transitions (to_stage of kind won or lost)"),
        units.Seconds, Line("Won, median", seconds("0.5", "won"), BLUE),
        Line("Won, nine of ten", seconds("0.9", "won"), BLUE, dashed=True),
        Line("Lost, median", seconds("0.5", "lost"), ORANGE),
        Line("Lost, nine of ten", seconds("0.9", "lost"), ORANGE, dashed=True))


def rates() -> model.Panel:
    return by_label(
        Say(30, "Steps over time, $window",
            "Of the leads created in the window before each point that reached a stage, the share that had reached "
            "the next one by then: sums over the channels chosen, divided. Windows of one length are equally young.",
            EMPTY),
        units.PercentUnit, (passed(), "{{from}} to {{to}}"), points=POINTS, by_name=False)
