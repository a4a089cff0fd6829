"""How many leads reach each stage, how many go on, and where the others are lost."""

from __future__ import annotations

from grafana.source.boards.funnel.asked import (
    ALL_CHANNELS,
    EMPTY,
    WEEK,
    at,
    by_channel,
    created,
    entered,
    moves,
    passed,
    path,
    reached,
)
from grafana.source.bounds import wilson
from grafana.source.panels import POINTS, Figure, Say, bars, linked, rows
from grafana.source.promql import growth, points, ratio, selector
from grafana.source.sdk import model, units

MOVED = "sales_funnel_stage_transitions_total"
NAMED = {"from": "!(none)"}
"""Moves that say where they come from."""


def funnel() -> model.Panel:
    return bars(
        Say(9, "Funnel, $window",
            "Leads created in the window in the channels chosen, by the stages that they have reached or passed so "
            "far. Young leads still move, so later stages grow.",
            EMPTY),
        f"sort_desc({reached('stage')} and on (stage) {path()})", "{{stage}}", units.LocaleFormat)


def rates() -> model.Panel:
    low, high = wilson(at("to"), at("from"))
    return rows(
        Say(10, "Steps, $window",
            "Of the leads created in the window that reached a stage, how many reached the next one so far, and at "
            "the end won of all: sums over the channels chosen, divided, with 95 % intervals (Wilson). 'vs 7 d ago': "
            "the same share of the window that ended a week ago, whose leads were as young.",
            EMPTY),
        {"from": "From", "to": "To"},
        Figure("Reached", at("from"), units.LocaleFormat, 0), Figure("Went on", at("to"), units.LocaleFormat, 0),
        Figure("Rate", passed(), units.PercentUnit, 1),
        Figure("95 % from", low, units.PercentUnit, 1), Figure("95 % to", high, units.PercentUnit, 1),
        Figure("vs 7 d ago", points(passed(), passed(WEEK)), POINTS, 1), sort="Went on")


def lost() -> model.Panel:
    left = moves(MOVED, "$__range", "from", **NAMED)
    # 1 for the stages that are off the way, 0 for those on it.
    off = f"(0 * {path()} or group by (stage) ({selector('sales_funnel_current_leads')}))"
    every = moves(MOVED, "$__range", "from", "to", **NAMED)
    astray = f'sum by (from) ({every} * on (to) group_left () label_replace({off}, "to", "$1", "stage", "(.+)"))'
    low, high = wilson(astray, left)
    return rows(
        Say(11, "Where leads are lost",
            "Moves out of each stage within the time range at the top of the page: how many there were, how many led "
            "out of the way to a win, and that share with its 95 % interval. Leads that still wait are in none. "
            f"{ALL_CHANNELS}",
            "No move in this time range: fill sales.stage_transitions (from_stage, to_stage)"),
        {"from": "Stage"},
        Figure("Left", left, units.LocaleFormat, 0), Figure("Lost", astray, units.LocaleFormat, 0),
        Figure("Share", ratio(astray, left), units.PercentUnit, 1),
        Figure("95 % from", low, units.PercentUnit, 1), Figure("95 % to", high, units.PercentUnit, 1), sort="Lost")


def channels() -> model.Panel:
    panel = rows(
        Say(18, "Channels, leads of $horizon",
            "By channel: leads created in the last 24 hours and against the same weekday a week before; and of those "
            "created within the horizon the share won so far and the share that will have been won at its age, each "
            "with 95 % bounds. Below 100 wins in 60 days a channel takes the course of all. A click shows one "
            "channel.",
            "Needs leads older than the horizon: fill sales.leads (channel_id) and sales.stage_transitions"),
        {"channel": "Channel"},
        Figure("New, 24 h", created("channel"), units.LocaleFormat, 0),
        Figure("vs 7 d ago", growth(created("channel"), created("channel", days_ago=7)), units.PercentUnit, 0),
        Figure("Leads", entered("channel", window="$horizon"), units.LocaleFormat, 0),
        Figure("Won so far", by_channel("observed"), units.PercentUnit, 1),
        Figure("from", by_channel("observed", "_lower"), units.PercentUnit, 1),
        Figure("to", by_channel("observed", "_upper"), units.PercentUnit, 1),
        Figure("Projected", by_channel("projected"), units.PercentUnit, 1),
        Figure("95 % from", by_channel("projected", "_lower"), units.PercentUnit, 1),
        Figure("95 % to", by_channel("projected", "_upper"), units.PercentUnit, 1), sort="Leads")
    return linked(panel, "Channel", "Only this channel",
                  "/d/sales-funnel?var-cluster=$cluster&var-tenant=$tenant&var-window=$window&var-horizon=$horizon"
                  "&var-channel=${__value.text}&${__url_time_range}")
