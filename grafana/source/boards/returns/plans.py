"""Targets, and what would change if deals were worth more or less."""

from __future__ import annotations

from grafana.source.boards.returns.asked import MONEY, NEEDED, back, once, roas
from grafana.source.boards.returns.channels import LOSES, PAYS
from grafana.source.panels import BLUE, RED, Figure, Say, rows, stats
from grafana.source.promql import ratio
from grafana.source.sdk import model, units

TIMES = "suffix: x"
FACTOR = "$deal_value"
TOGETHER = "all paid channels"


def deal_value() -> model.Panel:
    mean = f"max({once('sales_deal_value', 'stat', stat='mean', **MONEY)})"
    value, _ = back()
    return stats(
        Say(16, "What if deals were worth $deal_value times?",
            "Mean value of the deals won in the window, and the same times the factor that is chosen at the top of "
            "the page. 'pays from': the factor at which the revenue of paid channels ($attribution) equals their "
            "spend.",
            NEEDED),
        Figure("mean", mean, decimals=2), Figure("what if", f"{FACTOR} * {mean}", decimals=2),
        Figure("pays from", f"1 / (({value}) > 0)", TIMES, 2, ((0, BLUE), (1, RED))))


def what_if() -> model.Panel:
    now, _ = back()
    value, (low, high) = back(FACTOR)

    def less(each: str, whole: str) -> str:
        return f"({each} or {_together(whole)}) - 1"

    return rows(
        Say(17, "Return if deals were worth $deal_value times",
            "Return of each paid channel as it is and if every deal brought that many times its amount, with spend "
            "and numbers of deals as they are, with 95 % bounds, coloured where they leave no doubt; and the factor "
            "from which on the channel would pay. Change the factor at the top of the page.",
            NEEDED),
        {"channel": "Channel"},
        Figure("Now", less(roas(), now), units.PercentUnit, 0),
        Figure("What if", less(f"{FACTOR} * {roas()}", value), units.PercentUnit, 0),
        Figure("95 % from", less(f"{FACTOR} * {roas('_lower')}", low), units.PercentUnit, 0, PAYS),
        Figure("95 % to", less(f"{FACTOR} * {roas('_upper')}", high), units.PercentUnit, 0, LOSES),
        Figure("Pays from", f"1 / (({roas()} or {_together(now)}) > 0)", TIMES, 2), sort="What if")


def targets() -> model.Panel:
    wanted = once("sales_target", "period", metric="revenue", team="(all)")
    attained = once("sales_target_attained", "period", metric="revenue")

    def of_targets(expr: str) -> str:
        return f"{expr} and on (period) {wanted}"

    def quantile(q: str) -> str:
        return of_targets(once("sales_forecast_revenue", "period", currency="$currency", q=q))

    expected = of_targets(once("sales_forecast_revenue_expected", "period", currency="$currency"))
    return rows(
        Say(21, "Targets and where the period will end ($currency)",
            "Target for the whole company and revenue won since the start of the running period; and the forecast of "
            "the whole period with its 80 % band, which is missing until eight past forecasts can be judged.",
            "No target: fill sales.targets (metric revenue, without a team)"),
        {"period": "Period"},
        Figure("Target", wanted, decimals=1), Figure("Won", attained, decimals=1),
        Figure("Share", ratio(attained, wanted), units.PercentUnit, 0),
        Figure("Expected", expected, decimals=1),
        Figure("80 % from", quantile("0.1"), decimals=1), Figure("80 % to", quantile("0.9"), decimals=1), sort="Target",
        descending=False)


def _together(expr: str) -> str:
    return f'label_replace({expr}, "channel", "{TOGETHER}", "", "")'
