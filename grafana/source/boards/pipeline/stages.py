"""Where the open money and the open leads are."""

from __future__ import annotations

from grafana.source.boards.pipeline import asked
from grafana.source.boards.pipeline.asked import NO_DEALS, by_stage, stay
from grafana.source.panels import ORANGE, TEXT, Figure, Say, bars, rows
from grafana.source.promql import total
from grafana.source.sdk import model, units

HALF_A_YEAR = 180 * 86_400
"""From when the alert SalesStageStuck speaks."""


def value() -> model.Panel:
    return bars(
        Say(9, "Open value by stage ($currency)",
            "Sum of the amounts of open deals in each stage, not weighted by their chances, largest first. (other): "
            "outside of the configured stages.",
            NO_DEALS),
        f"sort_desc({asked.value('stage')})", "{{stage}}", units.Short, decimals=1)


def table() -> model.Panel:
    return rows(
        Say(10, "Stages",
            "By stage: open deals and their value; open leads, the one that is there longest, and the time by which "
            "half and nine of ten have left of those that entered in the window (those still inside count as lasting "
            "longer; empty until so many have left); and the bottleneck score, the leads that the stage holds back.",
            NO_DEALS),
        {"stage": "Stage"},
        Figure("Deals", total("sales_pipeline_deals", "stage"), units.LocaleFormat, 0, width=75),
        Figure("Value", asked.value("stage"), units.Short, 1, width=90),
        Figure("Leads", by_stage("sales_stage_open"), units.LocaleFormat, 0, width=75),
        Figure("Oldest", by_stage("sales_stage_oldest_open_seconds"), units.Seconds, 1,
               ((0.0, TEXT), (HALF_A_YEAR, ORANGE)), width=110),
        Figure("Median stay", stay("0.5"), units.Seconds, 1, width=110),
        Figure("90 % left by", stay("0.9"), units.Seconds, 1, width=110),
        Figure("Held back", by_stage("sales_bottleneck_score"), units.Short, 1, width=95), sort="Value")
