"""The exporter's own dashboard: can the numbers be trusted, and what does it cost to have them."""

from __future__ import annotations

from grafana.source.board import ANCHOR, Folded, board
from grafana.source.boards.itself import collectors, ledger, machine, servers
from grafana.source.sdk import model

FOLDER = "Platform"


def build() -> model.Dashboard:
    """The dashboard ``sales-exporter``."""
    return board(
        "sales-exporter", "Exporter",
        "The monitoring itself: exporter, ledger, database, sidecar, intake and Prometheus. When something here is "
        "wrong, numbers elsewhere are old, missing or dear.",
        [
            (4, [(4, collectors.answering()), (4, collectors.failing()), (4, collectors.oldest()), (4, ledger.exact()),
                 (4, collectors.series()), (4, servers.judging())]),
            (9, [(16, collectors.listed()), (8, servers.firing())]),
            (8, [(8, collectors.durations()), (8, ledger.lag()), (8, collectors.scrapes())]),
            (8, [(12, collectors.groups()), (12, collectors.left_out())]),
            Folded(50, "Ledger", [
                (8, [(12, ledger.listed()), (12, ledger.folded())]),
                (7, [(8, ledger.audits()), (8, ledger.size()), (8, ledger.violations())]),
            ]),
            Folded(51, "Sidecar", [
                (7, [(8, servers.ticks()), (8, servers.queries()), (8, servers.watched())]),
            ]),
            Folded(52, "Webhook intake", [
                (7, [(8, servers.events()), (8, servers.spool()), (8, servers.dead_letters())]),
            ]),
            Folded(53, "Prometheus", [
                (8, [(12, servers.rule_groups()), (6, servers.rule_lag()), (6, servers.head())]),
            ]),
            Folded(55, "Machine", [
                (8, [(6, machine.busy()), (12, machine.disks()), (6, machine.traffic())]),
            ]),
            Folded(54, "Process", [
                (7, [(8, collectors.processor()), (8, collectors.memory()), (8, collectors.files())]),
            ]),
        ],
        anchor=ANCHOR, near={"sales-home": "Executive", "sales-api": "API", "sales-alerts": "Alerts"},
        tags=["platform"], span="now-6h",
    )
