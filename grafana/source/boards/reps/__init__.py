"""The dashboard on reps: who wins more than chance explains, who carries too much, and when the order means nothing."""

from __future__ import annotations

from grafana.source.board import Folded, board, labels_of
from grafana.source.boards.reps import details, headline, ranking, teams, workload
from grafana.source.promql import selector
from grafana.source.sdk import model

FOLDER = "Sales"


def build() -> model.Dashboard:
    """The dashboard ``sales-reps``."""
    return board(
        "sales-reps", "Reps",
        "Who wins more deals than chance explains, people and AI agents alike, with intervals, and who carries how "
        "much. Names are those of sales_rep_info; with business.pseudonymous_reps there are ids alone.",
        [
            (4, [(12, headline.meaning()), (6, headline.win_rate()), (6, headline.load())]),
            (12, [(24, ranking.leaderboard())]),
            (10, [(14, ranking.intervals()), (10, ranking.above())]),
            (10, [(11, ranking.components()), (13, ranking.sizes())]),
            (9, [(8, workload.now()), (16, workload.over_time())]),
            (8, [(14, teams.figures()), (10, teams.calls())]),
            (8, [(12, headline.trend()), (12, teams.call_success())]),
            Folded(90, "One rep: $rep", [
                (8, [(6, details.who()), (9, details.wins()), (9, details.place())]),
                (8, [(12, details.windows()), (12, details.typical())]),
            ]),
        ],
        [
            labels_of("window", "Window", selector("sales_rep_deals"), default="90d"),
            labels_of("currency", "Currency", selector("sales_revenue_won")),
            labels_of("rep", "Rep", selector("sales_rep_info")),
        ],
        near={"sales-home": "Executive", "sales-funnel": "Funnel", "sales-roi": "Return"}, tags=["reps"],
    )
