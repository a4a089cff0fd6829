"""The funnel dashboard: how far leads come, where they are lost, where they wait, and whether it gets worse."""

from __future__ import annotations

from grafana.source.board import Folded, board, labels_of
from grafana.source.boards.funnel import headline, movement, stays, steps, trends
from grafana.source.promql import selector
from grafana.source.sdk import model

FOLDER = "Sales"


def build() -> model.Dashboard:
    """The dashboard ``sales-funnel``."""
    return board(
        "sales-funnel", "Funnel",
        "How far leads come, where they are lost and where they wait, with intervals. Ratios are sums divided by "
        "sums; times in stages count those who still wait.",
        [
            (4, [(6, headline.new_leads()), (6, headline.won_so_far()), (6, headline.projected()),
                 (6, headline.time_to_win())]),
            (4, [(6, headline.open_leads()), (6, headline.bottleneck()), (6, headline.slower()), (6, headline.back())]),
            (8, [(9, steps.funnel()), (15, steps.rates())]),
            (8, [(12, steps.lost()), (12, trends.arrivals())]),
            (8, [(9, stays.spans()), (15, stays.figures())]),
            (8, [(12, stays.waiting()), (12, trends.open_leads())]),
            (8, [(13, trends.conversion()), (11, trends.maturity())]),
            (8, [(24, steps.channels())]),
            (8, [(12, trends.reached()), (12, trends.cycle())]),
            (6, [(24, headline.recommendations())]),
            Folded(90, "Moves between stages", [(9, [(10, movement.matrix()), (14, movement.astray())])]),
            Folded(91, "Steps over time, mean time in a stage", [(9, [(12, trends.rates()), (12, stays.means())])]),
        ],
        [
            labels_of("window", "Window", selector("sales_funnel_leads"), default="30d"),
            labels_of("horizon", "Horizon", selector("sales_funnel_conversion_ratio"), default="30d"),
            labels_of("channel", "Channel", selector("sales_funnel_leads"), several=True),
        ],
        near={"sales-home": "Executive", "sales-pipeline": "Pipeline", "sales-roi": "Return", "sales-reps": "Reps"},
        tags=["funnel"],
    )
