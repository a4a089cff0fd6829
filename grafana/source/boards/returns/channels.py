"""Channels: which pay, which lose, and what a deal costs in each."""

from __future__ import annotations

from grafana.source.boards.returns.asked import CREDIT, MONEY, NEEDED, once, revenue, spend, won
from grafana.source.panels import BLUE, GREY, RED, SKY, TEXT, Figure, Say, linked, rows, worded
from grafana.source.sdk import model, units
from grafana.source.shapes import Bar, diverging

MOST = 12
"""Channels that fit into a chart; the tables have all."""
PAYS, LOSES = ((-1e9, TEXT), (0, BLUE)), ((-1e9, RED), (0, TEXT))
"""A lower bound above zero pays; an upper bound below zero loses, as the alert has it."""
TO_FUNNEL = "/d/sales-funnel?var-cluster=$cluster&var-tenant=$tenant&var-channel=${__value.text}&${__url_time_range}"


def by_channel(suffix: str = "") -> str:
    return once(f"sales_roi_ratio{suffix}", "channel", window="$window", **CREDIT)


def returns() -> model.Panel:
    def of(suffix: str = "") -> str:
        return f"{by_channel(suffix)} and topk({MOST}, {spend('channel')})"

    return diverging(
        Say(9, "Return by channel, $window",
            "(Revenue - spend) / spend of the leads of the window by channel ($attribution), with its 95 % interval. "
            "A channel pays when even its lower bound is above 0 and loses when its upper bound is below; between, "
            f"the data cannot tell. The {MOST} channels with the most spend.",
            NEEDED),
        "channel", units.PercentUnit,
        Bar("Return", of(), BLUE), Bar("95 % from", of("_lower"), GREY), Bar("95 % to", of("_upper"), SKY))


def figures() -> model.Panel:
    def cost(suffix: str = "") -> str:
        return once(f"sales_cost_per_conversion{suffix}", "channel", **MONEY)

    panel = rows(
        Say(13, "Channels, $window ($currency)",
            "Spend; revenue closed in the window, and that of the window's leads so far ($attribution); the latter "
            "per spend less 1, with 95 % bounds, coloured where they leave no doubt; deals won in the window by the "
            "lead's own channel, and the spend for each with its exact bounds. A click shows the funnel of the "
            "channel.",
            NEEDED),
        {"channel": "Channel"},
        Figure("Spend", spend("channel"), decimals=1), Figure("Revenue", revenue("channel", basis="cash"), decimals=1),
        Figure("Of new leads", revenue("channel", basis="cohort"), decimals=1),
        Figure("Return", by_channel(), units.PercentUnit, 0),
        Figure("95 % from", by_channel("_lower"), units.PercentUnit, 0, PAYS),
        Figure("95 % to", by_channel("_upper"), units.PercentUnit, 0, LOSES),
        Figure("Deals", won("channel"), units.LocaleFormat, 0), Figure("A deal costs", cost(), decimals=1),
        Figure("from", cost("_lower"), decimals=1), Figure("to", cost("_upper"), decimals=1), sort="Spend")
    return linked(panel, "Channel", "The funnel of this channel", TO_FUNNEL)


def best() -> model.Panel:
    chosen = once("sales_best_channel_info", "criterion", "channel", window="$window")
    panel = rows(
        Say(22, "Best channel, $window",
            "Of the channels with ten won deals at least: the one with the highest lower bound of the return, with "
            "the lowest upper bound of the cost per won deal, and with the most revenue; by the lead's own channel. "
            "The deals it won in the window say how much that rests on.",
            "No channel has ten won deals in this window"),
        {"criterion": "By", "channel": "Channel"},
        Figure("Deals", f"{chosen} * on (channel) group_left () {won('channel')}", units.LocaleFormat, 0), sort="Deals")
    return worded(panel, "By", {
        "roi": "Return, lower bound", "cost_per_conversion": "Cost per deal, upper bound", "revenue": "Revenue"})
