"""The anomalies dashboard: what is odd now, against what was expected, and what that costs in false alarms."""

from __future__ import annotations

from grafana.source.board import Folded, board, labels_of
from grafana.source.boards.anomalies import headline, judged, outlook
from grafana.source.promql import selector
from grafana.source.sdk import model

FOLDER = "Alerts"


def build() -> model.Dashboard:
    """The dashboard ``sales-anomalies``."""
    return board(
        "sales-anomalies", "Anomalies",
        "What the sidecar finds odd in the series that it watches: each against its own past, all under one budget of "
        "false pages. Capacity and forecasts stand below.",
        [
            (4, [(5, headline.alarming()), (5, headline.oddest()), (5, headline.budget()), (5, headline.judging()),
                 (4, headline.watched())]),
            (8, [(14, judged.odd_now()), (10, judged.findings())]),
            (9, [(16, judged.level()), (8, judged.chosen_score())]),
            (8, [(16, judged.strips()), (8, judged.scores())]),
            (5, [(24, outlook.insights())]),
            Folded(40, "Forecasts and capacity", [
                (8, [(12, outlook.forecast()), (12, outlook.exhaustion())]),
                (7, [(12, outlook.errors()), (12, headline.spent_over_time())]),
            ]),
        ],
        [
            labels_of("watch", "Watch", selector("sales_anomaly_level"), default="revenue"),
            labels_of("series", "Series", selector("sales_anomaly_level", watch="$watch")),
            labels_of("forecast", "Forecast of", selector("sales_forecast"), "watch", default="revenue"),
            labels_of("horizon", "Made before", selector("sales_forecast"), "horizon", default="24h"),
        ],
        anchor="sales_anomaly_threshold",
        near={"sales-home": "Executive", "sales-alerts": "Alerts"}, tags=["alerts"],
        span="now-24h",
    )
