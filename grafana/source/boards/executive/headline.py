"""The first two rows: eight numbers that answer whether it pays, each with where it comes from."""

from __future__ import annotations

from grafana.source.panels import BLUE, ORANGE, POINTS, RED, TEXT, Figure, Say, stats
from grafana.source.promql import ALIVE, alerts, growth, outcomes, points, ratio, total
from grafana.source.sdk import model, units

WEEK = "7d"
AGAINST = "vs 7 d ago"
UP_IS_GOOD = ((-1e9, RED), (0, BLUE))
MONEY = {"window": "$window", "currency": "$currency"}


def revenue() -> model.Panel:
    won, before = total("sales_revenue_won", **MONEY), total("sales_revenue_won", offset=WEEK, **MONEY)
    return stats(
        Say(1, "Revenue won, $window ($currency)",
            "Amount of the deals closed as won in the window, in the reporting currency at the rate of "
            "the day they were closed. The change compares it with the same window a week earlier.",
            "No won deals yet: fill sales.deals (status, amount, currency, closed_at)"),
        Figure("won", won, decimals=2),
        Figure(AGAINST, growth(won, before), units.PercentUnit, 1, UP_IS_GOOD),
    )


def spend() -> model.Panel:
    spent, before = total("sales_spend", **MONEY), total("sales_spend", offset=WEEK, **MONEY)
    return stats(
        Say(2, "Spend, $window ($currency)",
            "Spend of all channels on the days of the window, as restated so far. The change compares it "
            "with the same window a week earlier and is neither good nor bad by itself.",
            "No spend: fill sales.spend (spend_day, channel_id, amount, currency)"),
        Figure("spent", spent, decimals=2), Figure(AGAINST, growth(spent, before), units.PercentUnit),
    )


def _return(offset: str = "") -> str:
    won, spent = total("sales_revenue_won", offset=offset, **MONEY), total("sales_spend", offset=offset, **MONEY)
    return f"{ratio(won, spent)} - 1"


def _cohort_return() -> str:
    revenue = total("sales_revenue", model="$attribution", basis="cohort", **MONEY)
    return f"{ratio(revenue, total('sales_spend', **MONEY))} - 1"


def roi() -> model.Panel:
    return stats(
        Say(3, "Return on spend, $window",
            "Revenue won in the window divided by the spend of the same window, minus 1: 0 % means that "
            "the money came back. 'new leads' counts only the revenue so far of leads that entered in the "
            "window ($attribution): it reads low while they are young, the first reads high while spend "
            "grows. The change is in percentage points.",
            "Needs spend and won deals: fill sales.spend, and sales.deals with won deals"),
        Figure("return", _return(), units.PercentUnit, 0, ((-1e9, RED), (0, BLUE))),
        Figure(AGAINST, points(_return(), _return(WEEK)), POINTS, 1, UP_IS_GOOD),
        Figure("new leads", _cohort_return(), units.PercentUnit, 0),
    )


def pipeline() -> model.Panel:
    value = total("sales_pipeline_value", currency="$currency")
    before = total("sales_pipeline_value", currency="$currency", offset=WEEK)
    return stats(
        Say(4, "Open pipeline ($currency)",
            "Sum of the amounts of all open deals, not weighted by their chances, in the reporting "
            "currency at the newest rate. The change compares it with a week earlier.",
            "No open deals: fill sales.deals (status open, stage, amount)"),
        Figure("open", value, decimals=2),
        Figure(AGAINST, growth(value, before), units.PercentUnit, 1, UP_IS_GOOD),
    )


def _won_share(offset: str = "") -> str:
    won = total("sales_deals", result="won", window="$window", offset=offset)
    return ratio(won, total("sales_deals", result="~won|lost", window="$window", offset=offset))


def win_rate() -> model.Panel:
    return stats(
        Say(5, "Win rate, $window",
            "Won deals divided by the deals that were decided (won or lost) in the window; open deals are "
            "in neither. Below 100 decided deals the rate is uncertain by about 10 points to either side.",
            "No decided deals in this window: fill sales.deals (status won or lost, closed_at)"),
        Figure("won", _won_share(), units.PercentUnit, 1),
        Figure(AGAINST, points(_won_share(), _won_share(WEEK)), POINTS, 1, UP_IS_GOOD),
        Figure("decided", total("sales_deals", result="~won|lost", window="$window"), units.LocaleFormat, 0),
    )


def _answered_share(offset: str = "") -> str:
    outbound = {"direction": "outbound", "window": "$window", "offset": offset}
    return ratio(total("sales_call_attempts", outcome="answered", **outbound), total("sales_call_attempts", **outbound))


def answered() -> model.Panel:
    connected = total("sales_call_attempts", direction="outbound", outcome="answered", window="$window")
    return stats(
        Say(6, "Calls connected, $window",
            "Outbound calls of the window that were answered divided by all outbound calls, by people and "
            "AI together. The change compares the same window a week earlier.",
            "No outbound calls in this window: fill sales.calls (direction, started_at, outcome)"),
        Figure("answered", _answered_share(), units.PercentUnit, 1),
        Figure(AGAINST, points(_answered_share(), _answered_share(WEEK)), POINTS, 1, UP_IS_GOOD),
        Figure("connected", connected, units.LocaleFormat, 0),
    )


def accuracy() -> model.Panel:
    accuracy = outcomes("sales_model_accuracy_ratio")
    baseline = outcomes("sales_model_baseline_accuracy_ratio")
    return stats(
        Say(7, "Model accuracy, 30 d",
            "Share of right predictions among those whose outcome became final in the last 30 days, all "
            "models together. 'over baseline' is what that is above always predicting the more frequent "
            "class; at or below 0 the models are worth nothing, however high the accuracy.",
            "No mature labels yet: fill sales.model_predictions and sales.model_outcomes"),
        Figure("accuracy", accuracy, units.PercentUnit, 1),
        Figure("over baseline", points(accuracy, baseline), POINTS, 1, ((-1e9, RED), (1e-9, BLUE))),
        Figure("outcomes", total("sales_model_labels", state="mature"), units.LocaleFormat, 0),
    )


def critical() -> model.Panel:
    return stats(
        Say(8, "Open alerts",
            "Alerts that fire now, by severity. Pending and resolved ones do not count; silenced ones do.",
            "The Watchdog alert does not fire: the alert rules are not loaded or not evaluated"),
        Figure("critical", f"count({alerts('critical')}) or {ALIVE}", units.LocaleFormat, 0, ((0, BLUE), (1, RED))),
        Figure("warning", f"count({alerts('warning')}) or {ALIVE}", units.LocaleFormat, 0, ((0, TEXT), (1, ORANGE))),
    )
