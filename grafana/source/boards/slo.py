"""The SLO dashboard: which objective is missed, how fast budgets burn, and since when."""

from __future__ import annotations

from grafana.source.board import Folded, board, labels_of
from grafana.source.panels import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    RED,
    SKY,
    TEXT,
    Figure,
    Line,
    Say,
    lines,
    rows,
    states,
    stats,
)
from grafana.source.plots import Known, by_label
from grafana.source.promql import ALIVE, alerts, placed
from grafana.source.sdk import model, units

FOLDER = "Platform"
OBJECTIVES = (Known("api_availability .+", BLUE), Known("api_latency .+", ORANGE), Known("data_freshness .+", SKY),
              Known("call_first_response .+", GREEN), Known("scoring_availability .+", PINK))
"""Those that are shipped."""
LEFT = "slo:error_budget_remaining:ratio"
BURN = "slo:burn_rate:ratio"
ABOUT = ("job", "agent_kind", "model")
"""Labels that say what an objective is about; each has at most one of them."""
LOAD = "No objective is recorded: load alert_rules/recording/slo.yml (docs/alerts.md)"
BUDGET = ((-1e9, RED), (0.0, ORANGE), (0.25, BLUE))
PAIRED = (
    Known("5m|1h", RED), Known("30m|6h", ORANGE), Known("2h|1d", BLUE), Known("3d", GREEN), Known("30d", GREY),
    Known("5m|30m|2h", dashed=True),
)
"""Windows of the burn rate: those that an alert needs both of look alike."""
RATES = ((0.0, TEXT), (1.0, ORANGE), (6.0, RED))


def build() -> model.Dashboard:
    """The dashboard ``sales-slo``."""
    return board(
        "sales-slo", "SLO",
        "Service level objectives over 30 days: what is left of each error budget, and how fast it is being spent. A "
        "burn rate of 1 spends exactly the budget in 30 days.",
        [
            (4, [(6, missed()), (6, worst()), (6, fastest()), (6, firing())]),
            (9, [(24, listed())]),
            (9, [(12, budgets()), (12, rates())]),
            (8, [(12, windows()), (12, history())]),
            Folded(40, "How much is judged", [(7, [(12, events()), (12, threshold())])]),
        ],
        [
            labels_of("slo", "Objective", placed(LEFT), several=True),
            labels_of("window", "Window", placed(BURN), default="1h"),
            labels_of("one", "Drawn by window", placed(LEFT), "slo", default="api_availability"),
        ],
        anchor="sales_as_of_timestamp_seconds", without=("job", "instance"),
        near={"sales-api": "API", "sales-alerts": "Alerts"},
        tags=["platform"], span="now-7d",
    )


def of(name: str, **matchers: str) -> str:
    """A recorded series of the chosen objectives with a label ``what`` that says what each is about."""
    joined = ", ".join(f'"{label}"' for label in ABOUT)
    series = placed(name, **{"slo": "~$slo", **matchers})
    return f'label_replace(label_join({series}, "what", "", {joined}), "what", "all", "what", "^$")'


def each(name: str, **matchers: str) -> str:
    """One value for each objective and what it is about."""
    return f"max by (slo, what) ({of(name, **matchers)})"


def missed() -> model.Panel:
    return stats(
        Say(1, "Missed",
            "Objectives whose error budget of the last 30 days is spent, of those that are measured, each "
            "application, agent kind and model by itself.", LOAD),
        Figure("missed", f"count ({each(LEFT)} < 0) or 0 * count ({each(LEFT)})", units.LocaleFormat, 0,
               ((0, BLUE), (1, RED))),
        Figure("measured", f"count ({each(LEFT)})", units.LocaleFormat, 0),
    )


def worst() -> model.Panel:
    return stats(
        Say(2, "Least budget left",
            "What is left of the error budget of 30 days, of the objective that has least: 100 % is untouched, below "
            "0 % the objective is missed. Orange below 25 %.", LOAD),
        Figure("left", f"min ({each(LEFT)})", units.PercentUnit, 0, BUDGET),
    )


def fastest() -> model.Panel:
    return stats(
        Say(3, "Fastest burn",
            "Highest burn rate of the last hour, and of the last six: at 1 the budget lasts 30 days, at 14.4 two "
            "days. Red from 6 on, where somebody is woken if it lasts.", LOAD),
        Figure("1 h", f'max ({each(BURN, window="1h")})', units.NoUnit, 1, RATES),
        Figure("6 h", f'max ({each(BURN, window="6h")})', units.NoUnit, 1, RATES),
    )


def firing() -> model.Panel:
    now = alerts("critical|warning", alertname="~Sales.+BudgetBurn")
    return stats(
        Say(4, "Burn alerts",
            "Alerts on budgets that burn too fast, by whether somebody is woken (critical) or not.",
            "The Watchdog alert does not fire: the alert rules are not loaded or not evaluated"),
        Figure("firing", f"count({now}) or {ALIVE}", units.LocaleFormat, 0, ((0, BLUE), (1, RED))),
    )


def listed() -> model.Panel:
    def burn(window: str) -> Figure:
        return Figure(f"Burn {window}", each(BURN, window=window), units.NoUnit, 2, RATES, 90)

    kept = f"1 - (1 - {each(LEFT)}) * on (slo) group_left () (1 - max by (slo) ({_objective()}))"
    return rows(
        Say(5, "Objectives, worst first",
            "Each objective: the share that is to be good, the share that was over 30 days (as far as data goes "
            "back), what is left of the budget, and the burn rates of four windows. An alert needs a long and a short "
            "window above its rate.", LOAD),
        {"slo": "Objective", "what": "Of"},
        Figure("To be", f"{each(LEFT)} * 0 + on (slo) group_left () max by (slo) ({_objective()})", units.PercentUnit,
               1, width=80),
        Figure("Was", kept, units.PercentUnit, 2, width=90),
        Figure("Left", each(LEFT), units.PercentUnit, 0, BUDGET, 80),
        burn("1h"), burn("6h"), burn("1d"), burn("3d"),
        Figure("Events", each("slo:events:increase", window="30d"), units.LocaleFormat, 0, width=100),
        sort="Left", descending=False,
    )


def budgets() -> model.Panel:
    return by_label(
        Say(6, "Budget left",
            "What was left of the budget of the 30 days before each moment. It recovers as bad days leave the window.",
            LOAD),
        units.PercentUnit, (each(LEFT), "{{slo}} {{what}}"), decimals=0, many=False, known=OBJECTIVES,
        high=1,
    )


def rates() -> model.Panel:
    return by_label(
        Say(7, "Burn rate, $window",
            "How many times as fast as it lasts the budget was spent in the window before each moment.",
            LOAD),
        units.NoUnit, (each(BURN, window="$window"), "{{slo}} {{what}}"), decimals=1, many=False, known=OBJECTIVES,
    )


def windows() -> model.Panel:
    return by_label(
        Say(8, "Burn of $one by window",
            "The burn rate of one objective over every window, the worst of what it is about: short windows show "
            "whether it goes on, long ones what it cost. The two windows of an alert have one colour, the short one is "
            "dashed; that of 3d is 6h.", LOAD),
        units.NoUnit, (f"max by (window) ({placed(BURN, slo='$one')})", "{{window}}"), decimals=1, many=False,
        known=PAIRED,
    )


def history() -> model.Panel:
    fired = alerts("critical|warning", alertname="~Sales.+BudgetBurn")
    return states(
        Say(9, "When budgets burned too fast",
            "When an alert on the burn rate of an objective fired within the time range, by objective and severity.",
            "No burn alert fired within the time range"),
        f"0 * max by (slo, severity) ({fired})", "{{slo}}, {{severity}}", "quiet", "burned",
    )


def events() -> model.Panel:
    return by_label(
        Say(21, "Events judged in 30 d", "Requests, calls or minutes that each objective rests on.", LOAD),
        units.LocaleFormat, (each("slo:events:increase", window="30d"), "{{slo}} {{what}}"), decimals=0, many=False,
        known=OBJECTIVES,
    )


def threshold() -> model.Panel:
    burn = f"max ({placed(BURN, slo='$one', window='1h')})"
    return lines(
        Say(22, "$one against its limits",
            "The burn rate of the last hour of one objective, with the rates from which on somebody is told (1 and 3, "
            "over days) and woken (6 over six hours, 14.4 over one).", LOAD),
        units.NoUnit, Line("Burn, 1 h", burn, BLUE), Line("Wakes (14.4)", f"0 * {burn} + 14.4", RED, dashed=True),
        Line("Told (1)", f"0 * {burn} + 1", GREY, dashed=True), decimals=1,
    )


def _objective() -> str:
    # The same for every cluster and tenant: it stands in the file of objectives.
    return 'slo:objective:ratio{slo=~"$slo"}'
