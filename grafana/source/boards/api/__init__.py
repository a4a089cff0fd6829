"""The API dashboard: applications that use our middleware, or OpenTelemetry's names."""

from __future__ import annotations

from grafana.source.board import board, labels_of
from grafana.source.boards.api import headline, lasting, routes, within
from grafana.source.boards.api.asked import REQUESTS
from grafana.source.promql import selector
from grafana.source.sdk import model

FOLDER = "Platform"


def build() -> model.Dashboard:
    """The dashboard ``sales-api``."""
    return board(
        "sales-api", "API",
        "Applications that use our middleware or OpenTelemetry's names: are we serving, how fast, how broken. "
        "Ratios are sums divided by sums; quantiles come from summed buckets.",
        [
            (4, [(4, headline.serving()), (4, headline.broken()), (4, headline.slow()), (4, headline.first_byte()),
                 (4, headline.active()), (4, headline.lasting())]),
            (8, [(12, routes.by_route()), (12, routes.broken_routes())]),
            (8, [(8, routes.latency()), (8, routes.heatmap()), (8, routes.statuses())]),
            (9, [(17, routes.slowest()), (7, headline.firing())]),
            (7, [(8, routes.first_bytes()), (8, routes.traffic()), (8, routes.sizes())]),
            (7, [(8, lasting.streams_open()), (8, lasting.stream_messages()), (8, lasting.stream_lengths())]),
            (7, [(8, lasting.sockets_open()), (8, lasting.socket_messages()), (8, lasting.closings())]),
            *within.folded(),
        ],
        [labels_of("route", "Route", selector(f"{REQUESTS}_count"), "http_route", several=True)],
        anchor=f"{REQUESTS}_count", tags=["api"], span="now-3h",
        near={"sales-home": "Executive", "sales-calls": "Calls", "sales-models": "Models"},
    )
