"""Campaigns: what each cost and brought, those with the most spend first."""

from __future__ import annotations

from grafana.source.boards.returns.asked import MONEY, once
from grafana.source.boards.returns.channels import LOSES, PAYS
from grafana.source.panels import BLUE, GREY, SKY, Figure, Say, rows
from grafana.source.promql import total
from grafana.source.sdk import model, units
from grafana.source.shapes import Bar, diverging

MOST = 8
BOTH = ("campaign", "channel")
EMPTY = "Needs spend with a campaign: fill sales.spend (campaign_id), leads.campaign_id and sales.deals"


def _roi(suffix: str, *by: str) -> str:
    return once(f"sales_campaign_roi_ratio{suffix}", *by, window="$window")


def returns() -> model.Panel:
    largest = f"topk({MOST}, {total('sales_campaign_spend', 'campaign', **MONEY)})"

    def of(suffix: str = "") -> str:
        return f"{_roi(suffix, 'campaign')} and {largest}"

    return diverging(
        Say(10, "Return by campaign, $window",
            f"(Revenue - spend) / spend of the {MOST} campaigns with the most spend, with its 95 % interval, by the "
            "lead's own campaign. Campaigns are many: of a hundred some five are beyond their bounds by chance at "
            "any time.",
            EMPTY),
        "campaign", units.PercentUnit,
        Bar("Return", of(), BLUE), Bar("95 % from", of("_lower"), GREY), Bar("95 % to", of("_upper"), SKY))


def figures() -> model.Panel:
    def money(name: str) -> str:
        return total(name, *BOTH, **MONEY)

    def cost(suffix: str = "") -> str:
        return once(f"sales_campaign_cost_per_conversion{suffix}", *BOTH, **MONEY)

    return rows(
        Say(18, "Campaigns, $window ($currency)",
            "By the lead's own campaign: spend, revenue so far of the window's leads, their return with 95 % bounds, "
            "coloured where they leave no doubt; deals won in the window, and the spend for each with its exact "
            "bounds.",
            EMPTY),
        {"campaign": "Campaign", "channel": "Channel"},
        Figure("Spend", money("sales_campaign_spend"), decimals=1),
        Figure("Revenue", money("sales_campaign_revenue"), decimals=1),
        Figure("Return", _roi("", *BOTH), units.PercentUnit, 0),
        Figure("95 % from", _roi("_lower", *BOTH), units.PercentUnit, 0, PAYS),
        Figure("95 % to", _roi("_upper", *BOTH), units.PercentUnit, 0, LOSES),
        Figure("Deals", total("sales_campaign_deals", *BOTH, basis="cash", window="$window"), units.LocaleFormat, 0),
        Figure("A deal costs", cost(), decimals=1),
        Figure("from", cost("_lower"), decimals=1), Figure("to", cost("_upper"), decimals=1), sort="Spend")
