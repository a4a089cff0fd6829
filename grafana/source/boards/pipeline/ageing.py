"""How long deals wait, whether that has become longer, and what the numbers rest on."""

from __future__ import annotations

from grafana.source.board import Folded
from grafana.source.boards.pipeline.asked import NO_DEALS, NO_STAGES, by_stage, stay
from grafana.source.panels import BLUE, GREY, ORANGE, SKY, TEXT, Figure, Line, Say, bars, rows
from grafana.source.plots import by_label
from grafana.source.promql import total
from grafana.source.sdk import model, units
from grafana.source.shapes import ranges


def spans() -> model.Panel:
    return ranges(
        Say(15, "Median stay by stage, $window",
            "Time by which half of the leads have left a stage, of those that entered it in the window, with its 95 % "
            "bounds (Kaplan-Meier: those still inside count as lasting longer). From the lower bound to the median in "
            "one colour, on to the upper bound in the next; the medians are in the table above.",
            "Too few have left yet: fill sales.stage_transitions, or choose a longer window"),
        "stage", units.Seconds, Line("lower bound", stay("0.5", "_lower"), GREY),
        Line("up to the median", stay("0.5"), BLUE), Line("up to the upper bound", stay("0.5", "_upper"), SKY),
        sort="lower bound")


def slowdown() -> model.Panel:
    return rows(
        Say(16, "Has a stage become slower?",
            "The last 7 complete days against the 84 before, by the test of the alert SalesStageSlower: the chance to "
            "see ends come as late if nothing had changed, over all stages together (Holm). Slower is 1 when that was "
            "below 0.01 on two days running. Exits: visits that ended in either period.",
            "Needs twelve weeks of sales.stage_transitions; the test runs once a day"),
        {"stage": "Stage"},
        Figure("Slower", by_stage("sales_stage_slowdown_active"), units.NoUnit, 0, ((0.0, TEXT), (1.0, ORANGE)),
               width=75),
        Figure("p", by_stage("sales_stage_slowdown_p_value"), units.Short, 3, ((0.0, ORANGE), (0.01, TEXT)),
               width=75),
        Figure("Exits, 7 d", by_stage("sales_stage_slowdown_exits", period="recent"), units.LocaleFormat, 0, width=100),
        Figure("Exits before", by_stage("sales_stage_slowdown_exits", period="before"), units.LocaleFormat, 0,
               width=110),
        sort="p", descending=False)


def waiting() -> model.Panel:
    return by_label(
        Say(24, "Open leads by stage",
            "Leads that are in each open stage. A stage that grows while the others do not is where work piles up.",
            NO_STAGES),
        units.LocaleFormat, (by_stage("sales_stage_open"), "{{stage}}"), decimals=0, many=False,
        by_name=False)


def bottleneck() -> model.Panel:
    return bars(
        Say(20, "Leads held back by stage",
            "Bottleneck score: time that leads spent in the stage in 30 days for each that left it, times how many "
            "entered a day. By Little's law the leads that the stage keeps waiting, most first.",
            NO_STAGES),
        f"sort_desc({by_stage('sales_bottleneck_score')})", "{{stage}}", units.Short, decimals=1)


def folded() -> Folded:
    """A closed row: counts behind the numbers."""
    return Folded(101, "What the numbers are made of", [(7, [(8, without_rate()), (16, visits())])])


def without_rate() -> model.Panel:
    missing = ((0.0, TEXT), (1.0, ORANGE))
    return rows(
        Say(30, "Deals without exchange rate",
            "Deals whose value is unknown in the reporting currency, because fx_rates has no rate: of the closing day "
            "when won (in the window), of the last 7 days while open. They are in no sum of money.",
            NO_DEALS),
        {"result": "Result"},
        Figure("Without rate", f"{total('sales_deals_without_rate', 'result', result='won', window='$window')} or "
                               f"{total('sales_deals_without_rate', 'result', result='open')}",
               units.LocaleFormat, 0, missing),
        Figure("Deals", f"{total('sales_deals', 'result', result='won', window='$window')} or "
                        f"{total('sales_deals', 'result', result='open')}", units.LocaleFormat, 0),
        sort="Result")


def visits() -> model.Panel:
    def finished(q: str) -> str:
        return by_stage("sales_stage_duration_seconds", q=q, estimator="exited_only", window="$window")

    return rows(
        Say(31, "Visits behind the stays, $window",
            "Visits of each stage that began and that ended in the window, the share of all time that leads spent "
            "there, and, for comparison, the median of finished visits alone, which reads too short while slow ones "
            "are still inside.",
            NO_STAGES),
        {"stage": "Stage"},
        Figure("Began", by_stage("sales_stage_entries", window="$window"), units.LocaleFormat, 0),
        Figure("Ended", by_stage("sales_stage_exits", window="$window"), units.LocaleFormat, 0),
        Figure("Time share", by_stage("sales_stage_time_share_ratio"), units.PercentUnit, 0),
        Figure("Median, finished", finished("0.5"), units.Seconds, 1),
        sort="Time share")
