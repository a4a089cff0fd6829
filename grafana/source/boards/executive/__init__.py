"""The home dashboard: what came in, what it cost, where it is stuck, what will come, and whether the numbers hold."""

from __future__ import annotations

from grafana.source.board import board, labels_of
from grafana.source.boards.executive import business, headline, outlook, quality
from grafana.source.promql import selector
from grafana.source.sdk import model

FOLDER = "Executive"


def build() -> model.Dashboard:
    """The dashboard ``sales-home``."""
    return board(
        "sales-home", "Executive",
        "Return on AI sales automation: revenue, spend, funnel, people, calls and models, with the state "
        "of the data behind them. Ratios are sums divided by sums; intervals are 95 %.",
        [
            (4, [(6, headline.revenue()), (6, headline.spend()), (6, headline.roi()),
                 (6, headline.pipeline())]),
            (4, [(6, headline.win_rate()), (6, headline.answered()), (6, headline.accuracy()),
                 (6, headline.critical())]),
            (7, [(8, business.funnel()), (8, business.steps()), (8, business.stage_value())]),
            (8, [(10, outlook.conversion()), (14, outlook.recommendations())]),
            (9, [(12, business.trend()), (12, business.roi_by_channel())]),
            (8, [(12, outlook.forecast()), (12, outlook.hit_rate())]),
            (7, [(12, business.stages()), (12, business.velocity())]),
            (8, [(12, quality.call_success()), (12, quality.model_accuracy())]),
            (9, [(14, quality.reps()), (10, quality.firing())]),
            (9, [(6, quality.freshness()), (18, quality.collectors())]),
        ],
        [
            labels_of("window", "Window", selector("sales_deals"), default="30d"),
            labels_of("currency", "Currency", selector("sales_revenue_won")),
            labels_of("horizon", "Horizon", selector("sales_funnel_conversion_ratio"), default="30d"),
            labels_of("attribution", "Attribution", selector("sales_revenue"), "model", default="last"),
        ],
        near={"sales-funnel": "Funnel", "sales-pipeline": "Pipeline", "sales-roi": "Return", "sales-reps": "Reps",
              "sales-calls": "Calls", "sales-models": "Models", "sales-api": "API"},
        tags=["executive"],
    )
