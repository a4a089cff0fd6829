"""The dashboard of the calls: how many are answered, who succeeds, how quickly the agent speaks, and what it costs."""

from __future__ import annotations

from grafana.source.board import board, labels_of
from grafana.source.boards.calls import cost, headline, live, reached, talk
from grafana.source.firing import firing
from grafana.source.promql import selector
from grafana.source.sdk import model

FOLDER = "Calls"


def build() -> model.Dashboard:
    """The dashboard ``sales-calls``."""
    return board(
        "sales-calls", "Calls",
        "Calls by people and by AI agents: how many are answered, how they end, how quickly somebody speaks, and what "
        "a success costs. Ratios are sums divided by sums; intervals are 95 %.",
        [
            (4, [(6, headline.attempts()), (6, headline.answered()), (6, headline.success()), (6, headline.price())]),
            (4, [(6, headline.first_response()), (6, headline.failed()), (6, headline.transferred()),
                 (6, headline.not_judged())]),
            (8, [(8, reached.outcomes()), (16, reached.over_time())]),
            (8, [(12, reached.answer()), (12, reached.success())]),
            (9, [(12, reached.directions()), (12, reached.denominators())]),
            (8, [(12, talk.response()), (12, talk.responses())]),
            (8, [(12, talk.lengths()), (12, talk.talked())]),
            (8, [(12, cost.per_success()), (12, cost.spent())]),
            (7, [(8, reached.failing()), (8, cost.unjudged()), (8, firing(20, "calls", service="calls"))]),
            live.folded(),
            cost.missing(),
        ],
        [
            labels_of("window", "Window", selector("sales_call_attempts"), default="30d"),
            labels_of("currency", "Currency", selector("sales_call_cost")),
        ],
        near={"sales-home": "Executive", "sales-pipeline": "Pipeline", "sales-api": "API"}, tags=["calls"],
    )
