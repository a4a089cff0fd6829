"""The alerts dashboard: what fires, whether people hear of it, and what fires too often."""

from __future__ import annotations

from grafana.source.board import Folded, board, hidden, labels_of
from grafana.source.boards.alerts import delivery, desk, firing
from grafana.source.promql import placed
from grafana.source.sdk import model

FOLDER = "Alerts"


def build() -> model.Dashboard:
    """The dashboard ``sales-alerts``."""
    return board(
        "sales-alerts", "Alerts",
        "For whoever is on call: what fires and since when, whether notices arrive, and which alerts come and go. Job "
        "and instance are those of Alertmanager.",
        [
            (4, [(4, firing.critical()), (4, firing.warning()), (4, firing.info()), (4, firing.oldest()),
                 (4, delivery.failing()), (4, firing.watchdog())]),
            (10, [(24, firing.listed())]),
            (4, [(6, desk.nobody()), (6, desk.to_acknowledge()), (6, desk.to_resolve()), (6, desk.escalated())]),
            (10, [(24, desk.listed())]),
            (8, [(8, desk.over_time()), (8, firing.by_severity()), (8, firing.by_team())]),
            (9, [(12, firing.flapping()), (12, firing.longest())]),
            (8, [(8, delivery.notices()), (8, delivery.failures()), (8, delivery.known())]),
            Folded(40, "How alerts get there", [
                (7, [(8, delivery.latency()), (8, delivery.silences()), (8, delivery.cluster())]),
                (7, [(12, delivery.outbox()), (12, delivery.refused())]),
            ]),
        ],
        [
            labels_of("team", "Team", 'ALERTS{alertstate="firing",cluster=~"$cluster|",tenant=~"$tenant|"}', "team",
                      several=True),
            hidden(labels_of("desk", "Alert desk", placed("sales_desk_info"), "url")),
        ],
        anchor="alertmanager_alerts",
        near={"sales-home": "Executive", "sales-anomalies": "Anomalies", "sales-exporter": "Exporter"}, tags=["alerts"],
        span="now-24h",
    )
