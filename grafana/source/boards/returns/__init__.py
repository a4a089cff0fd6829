"""The dashboard on return: what came back of what was spent, how sure that is, and where to spend the next."""

from __future__ import annotations

from grafana.source.board import Folded, board, choice_of, labels_of
from grafana.source.boards.returns import campaigns, channels, credit, headline, money, plans
from grafana.source.promql import selector
from grafana.source.sdk import model

FOLDER = "Sales"
FACTORS = ("0.5", "0.75", "0.9", "1", "1.1", "1.25", "1.5", "2")


def build() -> model.Dashboard:
    """The dashboard ``sales-roi``."""
    return board(
        "sales-roi", "Return on spend",
        "What came back of what was spent, by channel and campaign, with intervals: revenue, spend, return, cost per "
        "won deal, and how far the ways to give credit disagree. Ratios are sums divided by sums.",
        [
            (4, [(6, headline.revenue()), (6, headline.spent()), (6, headline.returned()), (6, headline.cost())]),
            (4, [(6, headline.left()), (6, headline.call_cost()), (6, headline.unassigned()), (6, headline.target())]),
            (9, [(12, channels.returns()), (12, campaigns.returns())]),
            (8, [(12, money.trend()), (12, money.spend_by_channel())]),
            (8, [(24, channels.figures())]),
            (9, [(10, credit.disagreement()), (14, credit.models())]),
            (8, [(8, plans.deal_value()), (16, plans.what_if())]),
            (9, [(24, campaigns.figures())]),
            (8, [(12, money.over_time()), (12, money.by_age())]),
            (7, [(13, plans.targets()), (11, channels.best())]),
            (6, [(24, headline.recommendations())]),
            Folded(90, "Calls, deal values, revenue without a channel",
                   [(8, [(10, money.calls()), (8, money.deal_values()), (6, credit.without_channel())])]),
        ],
        [
            labels_of("window", "Window", selector("sales_deals"), default="90d"),
            labels_of("currency", "Currency", selector("sales_revenue_won")),
            labels_of("attribution", "Attribution", selector("sales_revenue"), "model", default="last"),
            choice_of("deal_value", "Deals worth, times", FACTORS, default="1.25"),
        ],
        near={"sales-home": "Executive", "sales-funnel": "Funnel", "sales-reps": "Reps"}, tags=["roi"], refresh="5m",
    )
