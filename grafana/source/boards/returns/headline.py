"""The first two rows: what came in, what it cost, whether it came back, and what is left."""

from __future__ import annotations

from grafana.source import advice
from grafana.source.boards.returns.asked import (
    AGAINST,
    CREDIT,
    MONEY,
    NEEDED,
    WEEK,
    back,
    calls,
    once,
    spend,
    won,
)
from grafana.source.boards.returns.asked import revenue as credited
from grafana.source.boards.returns.channels import LOSES, PAYS
from grafana.source.bounds import per_event
from grafana.source.panels import BLUE, RED, Figure, Say, stats
from grafana.source.promql import growth, ratio, total
from grafana.source.sdk import model, units

UP_IS_GOOD = ((-1e9, RED), (0, BLUE))
CODES = ("losing_channel", "best_channel_under_funded", "campaign_below_cost_target")


def revenue() -> model.Panel:
    here, before = total("sales_revenue_won", **MONEY), total("sales_revenue_won", offset=WEEK, **MONEY)
    return stats(
        Say(1, "Revenue won, $window ($currency)",
            "Amount of the deals closed as won in the window, in the reporting currency at the rate of the day they "
            "were closed, and how many. The change compares it with the same window a week earlier.",
            "No won deals yet: fill sales.deals (status, amount, currency, closed_at)"),
        Figure("won", here, decimals=2), Figure(AGAINST, growth(here, before), units.PercentUnit, 1, UP_IS_GOOD),
        Figure("deals", total("sales_deals", result="won", window="$window"), units.LocaleFormat, 0),
    )


def spent() -> model.Panel:
    return stats(
        Say(2, "Spend, $window ($currency)",
            "Spend of all channels on the days of the window, as restated so far; calls are not in it. The change "
            "compares it with the same window a week earlier and is neither good nor bad by itself.",
            "No spend: fill sales.spend (spend_day, channel_id, amount, currency)"),
        Figure("spent", spend(), decimals=2), Figure(AGAINST, growth(spend(), spend(offset=WEEK)), units.PercentUnit),
    )


def returned() -> model.Panel:
    value, (low, high) = back()
    return stats(
        Say(3, "Return of paid channels, $window",
            "Revenue so far of the leads that channels with spend brought in the window ($attribution), divided by "
            "that spend, minus 1: 0 % means that the money came back. Young leads still win, so it reads low. 95 % "
            "bounds over all channels from those of each, taken as independent.",
            NEEDED),
        Figure("return", f"{value} - 1", units.PercentUnit, 0),
        Figure("95 % from", f"{low} - 1", units.PercentUnit, 0, PAYS),
        Figure("to", f"{high} - 1", units.PercentUnit, 0, LOSES),
    )


def cost() -> model.Panel:
    low, high = per_event(spend(), won())
    return stats(
        Say(4, "Cost per won deal ($currency)",
            "Spend of the window divided by the deals won in it, those without a paid channel among them: what a "
            "customer costs, calls and salaries not counted. The bounds take the number of deals as Poisson and need "
            "five.",
            "Needs spend and won deals: fill sales.spend, and sales.deals with won deals"),
        Figure("a deal", ratio(spend(), won()), decimals=1),
        Figure("95 % from", low, decimals=1), Figure("to", high, decimals=1),
    )


def left() -> model.Panel:
    won_money = total("sales_revenue_won", **MONEY)
    kept = f"{won_money} - {spend()} - ({calls()} or 0 * {spend()})"
    return stats(
        Say(5, "Left after spend and calls ($currency)",
            "Revenue won in the window, less spend and the cost of calls in the same window. No margin: salaries, "
            "models and what was sold are not in the data.",
            "Needs spend and won deals: fill sales.spend, and sales.deals with won deals"),
        Figure("left", kept, decimals=2, steps=UP_IS_GOOD),
        Figure("of revenue", ratio(f"({kept})", won_money), units.PercentUnit, 0),
    )


def call_cost() -> model.Panel:
    def per_success(kind: str) -> str:
        return f"max({once('sales_call_cost_per_success', 'agent_kind', agent_kind=kind, **MONEY)})"

    return stats(
        Say(6, "Cost of calls, $window ($currency)",
            "Cost of all calls of the window, each at the rate of its day, and for each call judged a success, by AI "
            "and by people. Who calls whom differs: it compares bills, not skill. Bounds are in the closed row below.",
            "No call has a cost: fill calls.cost and calls.currency"),
        Figure("all calls", calls(), decimals=2), Figure("AI, a success", per_success("ai"), decimals=2),
        Figure("people", per_success("human"), decimals=2),
    )


def unassigned() -> model.Panel:
    missed = total("sales_attribution_unassigned_revenue", **CREDIT, **MONEY)
    return stats(
        Say(7, "Revenue without a channel ($currency)",
            "Revenue closed in the window that $attribution gives to no channel, because the deal names no lead or "
            "the lead has no touch, and its share of all. What is in it is missing from every return on this page.",
            "No won deals in this window: fill sales.deals and sales.touches"),
        Figure("share", ratio(missed, f"({missed} + {credited(basis='cash')})"), units.PercentUnit, 1),
        Figure("amount", missed, decimals=1),
    )


def target() -> model.Panel:
    wanted = once("sales_target", "period", metric="revenue", team="(all)")
    return stats(
        Say(8, "Target attained",
            "Revenue won since the start of each running period, divided by its target for the whole company. The "
            "table of targets says what is expected by the end.",
            "No target: fill sales.targets (metric revenue, without a team)"),
        Figure("{{period}}", ratio(once("sales_target_attained", "period", metric="revenue"), wanted),
               units.PercentUnit, 0),
    )


def recommendations() -> model.Panel:
    return advice.recommendations(
        Say(23, "What to look at in spending",
            "Channels and campaigns that rules on the data name, with the expected gain in its unit and the "
            "evidence: how many events it rests on, the estimate and its 95 % bounds. A row goes when the evidence "
            "does. docs/statistics.md says when each rule speaks.",
            "No rule on spending has enough evidence: none speaks of fewer than 50 leads or 30 won deals"),
        CODES)
