"""The dashboard of the pipeline: what is open, what it will bring, whether the target is in reach, and what waits."""

from __future__ import annotations

from grafana.source.board import board, labels_of
from grafana.source.boards.pipeline import ageing, closing, headline, outlook, stages
from grafana.source.firing import firing
from grafana.source.promql import selector
from grafana.source.sdk import model

FOLDER = "Sales"


def build() -> model.Dashboard:
    """The dashboard ``sales-pipeline``."""
    return board(
        "sales-pipeline", "Pipeline",
        "Open deals and what they will bring: value by stage, targets, forecast with its record, and where deals "
        "wait. Ratios are sums divided by sums; intervals are 95 % unless the panel says otherwise.",
        [
            (4, [(6, headline.value()), (6, headline.weighted()), (6, headline.coverage()), (6, headline.attained())]),
            (4, [(6, headline.month()), (6, headline.win_rate()), (6, headline.velocity()),
                 (6, headline.deal_value())]),
            (8, [(8, stages.value()), (16, stages.table())]),
            (8, [(12, outlook.values()), (12, outlook.forecast())]),
            (5, [(12, outlook.targets()), (12, outlook.record())]),
            (8, [(12, ageing.spans()), (12, ageing.slowdown())]),
            (7, [(8, closing.results()), (8, closing.win_rate()), (8, closing.speed())]),
            (7, [(8, ageing.waiting()), (8, ageing.bottleneck()), (8, closing.cycle())]),
            (8, [(16, outlook.recommendations()), (8, firing(23, "the pipeline", service="pipeline"))]),
            ageing.folded(),
        ],
        [
            labels_of("window", "Window", selector("sales_deals"), default="30d"),
            labels_of("currency", "Currency", selector("sales_pipeline_value")),
        ],
        near={"sales-home": "Executive", "sales-funnel": "Funnel", "sales-calls": "Calls"}, tags=["pipeline"],
    )
