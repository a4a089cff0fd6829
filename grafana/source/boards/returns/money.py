"""Money over time and by age: what came in and went out, whether it gets better, and what calls cost."""

from __future__ import annotations

from grafana.source.boards.returns.asked import MONEY, NEEDED, back, once, revenue, spend
from grafana.source.panels import BLUE, ORANGE, SKY, Figure, Line, Say, lines, rows, worded
from grafana.source.plots import POINTS, by_label
from grafana.source.promql import ratio, total
from grafana.source.sdk import model, units

HISTORY = "No history yet: it grows while Prometheus scrapes the exporter"
RECENT = "7d"


def trend() -> model.Panel:
    return lines(
        Say(11, "Cash and cohort, rolling $window ($currency)",
            "Each point is the whole window that ends there: revenue closed in it, whenever the leads came; revenue "
            "so far of the leads that came in it; and its spend. The first looks back too far while spend grows, the "
            "second misses what young leads will bring.",
            HISTORY),
        units.Short,
        Line("Closed in the window", total("sales_revenue_won", **MONEY), BLUE),
        Line("Of the window's leads", revenue(basis="cohort"), SKY), Line("Spend", spend(), ORANGE, dashed=True),
        points=POINTS)


def spend_by_channel() -> model.Panel:
    return by_label(
        Say(12, "Spend by channel, rolling 7 days ($currency)",
            "Spend of each channel in the seven days before each point, as restated so far. The newest days are "
            "still restated by the platforms and read low.",
            "No spend of seven days, or no such window: fill sales.spend, and keep 7d in business.windows"),
        units.Short, (f"{spend('channel', window=RECENT)} > 0", "{{channel}}"), points=POINTS, by_name=False)


def over_time() -> model.Panel:
    value, (low, high) = back()
    return lines(
        Say(19, "Return of paid channels over time, $window",
            "Revenue so far of the leads of the window before each point, by then, per spend, minus 1 "
            "($attribution), with its 95 % band. Points of one length are equally young, so they compare.",
            NEEDED),
        units.PercentUnit, Line("Return", f"{value} - 1", BLUE, lower=f"{low} - 1", upper=f"{high} - 1"), decimals=0,
        points=POINTS)


def by_age() -> model.Panel:
    def per_window(expr: str) -> str:
        return f"{expr} > 0"

    brought = total("sales_revenue", "window", basis="cohort", model="$attribution", currency="$currency")
    spent = total("sales_spend", "window", currency="$currency")
    won = total("sales_revenue_deals", "window", model="lead", basis="cohort")
    return rows(
        Say(20, "Does it come back with time? ($currency)",
            "By window: spend, revenue so far of the leads created in it from all channels ($attribution), per spend "
            "less 1, and their won deals. Older leads had more time: where the return passes 0 the money has come "
            "back. Not a payback time, since the windows hold different leads.",
            NEEDED),
        {"window": "Window"},
        Figure("Spend", per_window(spent), decimals=1), Figure("Revenue so far", brought, decimals=1),
        Figure("Return", f"{ratio(brought, f'({spent})')} - 1", units.PercentUnit, 0),
        Figure("Deals", won, units.LocaleFormat, 0), sort="Spend", descending=False)


def calls() -> model.Panel:
    def per_success(suffix: str = "") -> str:
        return once(f"sales_call_cost_per_success{suffix}", "agent_kind", **MONEY)

    panel = rows(
        Say(30, "Calls, AI and people, $window ($currency)",
            "Calls with a known cost, their cost, and cost per call judged a success with 95 % bounds: the mean cost "
            "of a call over the bounds of the share of successes. Who calls whom differs.",
            "No call has a cost: fill calls.cost and calls.currency"),
        {"agent_kind": "By"},
        Figure("Calls", total("sales_call_costed", "agent_kind", window="$window"), units.LocaleFormat, 0),
        Figure("Cost", total("sales_call_cost", "agent_kind", **MONEY), decimals=1),
        Figure("Per success", per_success(), decimals=2), Figure("95 % from", per_success("_lower"), decimals=2),
        Figure("95 % to", per_success("_upper"), decimals=2), sort="Cost")
    return worded(panel, "By", {"ai": "AI", "human": "People"})


def deal_values() -> model.Panel:
    def value(stat: str) -> str:
        return f"max({once('sales_deal_value', 'stat', stat=stat, **MONEY)})"

    return lines(
        Say(31, "Value of a won deal, $window ($currency)",
            "Mean and median value of the deals won in the window before each point. A mean far above the median "
            "hangs on few large deals.",
            "No won deals yet: fill sales.deals (status, amount, currency, closed_at)"),
        units.Short, Line("Mean", value("mean"), BLUE), Line("Median", value("median"), ORANGE, dashed=True))
