"""The first row: are we serving, how fast, how broken; and since when."""

from __future__ import annotations

from grafana.source.boards.api.asked import (
    REQUESTS,
    enough,
    failed_share,
    level,
    quantile,
    rate,
)
from grafana.source.firing import firing as alerts_on
from grafana.source.panels import BLUE, ORANGE, RED, Figure, Say, stats
from grafana.source.sdk import model, units

WINDOW = "5m"
"""Shortest time that the first row looks back: a minute of a small application says nothing."""
SHARE = ((0.0, BLUE), (0.01, ORANGE), (0.05, RED))
SLOW = ((0.0, BLUE), (0.5, ORANGE), (1.0, RED))
CONFIGURE = "instrument the application (docs/instrumentation.md) and let Prometheus scrape it"
RECENT = "of the last five minutes (more when the time range is long)"


def serving() -> model.Panel:
    each = rate(f"{REQUESTS}_count", "job", "instance")
    return stats(
        Say(1, "Requests",
            f"Finished requests per second {RECENT}, of all instances together, and how many instances answered any. "
            "Streams and websockets are not among them.",
            f"No request lately: if there should be, {CONFIGURE}"),
        Figure("per second", rate(f"{REQUESTS}_count"), units.RequestsPerSecond, 2),
        Figure("instances", f"count({each} > 0)", units.LocaleFormat, 0),
        interval=WINDOW,
    )


def broken() -> model.Panel:
    return stats(
        Say(2, "Error ratio",
            f"Requests {RECENT} that failed, divided by all: status 5xx, or an error that the application did not "
            "handle. A client that went away (499) is no error of ours. Empty below 20 requests. From 1 % orange, "
            "from 5 % red, as the alert.",
            "Fewer than 20 requests lately: no share can be told"),
        Figure("failed", f"{failed_share()} and {enough()}", units.PercentUnit, 2, SHARE),
        Figure("in the range", failed_share(over="$__range"), units.PercentUnit, 2),
        interval=WINDOW,
    )


def slow() -> model.Panel:
    return stats(
        Say(3, "Latency",
            f"Time from the start of a request to the last byte of its answer, {RECENT}: 19 of 20 requests took p95 "
            "or less, half of them p50. Interpolated within a bucket, and never above 10 s, the last bound. "
            "From 0.5 s orange, from 1 s red, as the alert.",
            f"No request lately: if there should be, {CONFIGURE}"),
        Figure("p95", quantile(0.95, REQUESTS), units.Seconds, 1, SLOW),
        Figure("p50", quantile(0.5, REQUESTS), units.Seconds, 1),
        interval=WINDOW,
    )


def first_byte() -> model.Panel:
    name = "http_server_time_to_first_byte_seconds"
    return stats(
        Say(4, "Time to first byte",
            f"Time from the start of a request to the first byte of its answer, {RECENT}, streamed answers among them: "
            "how long people look at nothing. Half took p50 or less, 19 of 20 took p95 or less.",
            "Not measured: only our middleware does, OpenTelemetry does not (docs/instrumentation.md)"),
        Figure("p95", quantile(0.95, name), units.Seconds, 1),
        Figure("p50", quantile(0.5, name), units.Seconds, 1),
        interval=WINDOW,
    )


def active() -> model.Panel:
    return stats(
        Say(5, "Active requests",
            "Requests that are being answered now, of all routes: the load that no finished request shows yet. 'most' "
            "is the highest number of one instance in the time range. A level that climbs while the rate does not is "
            "an application that hangs.",
            f"Active requests are not told: {CONFIGURE}"),
        Figure("now", level("http_server_active_requests", routes=False), units.LocaleFormat, 0),
        Figure("most", _most("http_server_active_requests"), units.LocaleFormat, 0),
    )


def lasting() -> model.Panel:
    return stats(
        Say(6, "Open connections",
            "Streamed answers that are being sent and websockets that are open now, of the chosen routes.",
            "No stream and no websocket: none so far, or not measured, as only our middleware counts them"),
        Figure("streams", level("http_server_streams_open"), units.LocaleFormat, 0),
        Figure("websockets", level("websocket_server_connections_open"), units.LocaleFormat, 0),
    )


def firing() -> model.Panel:
    return alerts_on(7, "applications", "applications, their instrumentation and their recorders",
                     alertname="~SalesApi.+|SalesInstrumentation.+|SalesRecorder.+")


def _most(name: str) -> str:
    # The gauge has series by method and scheme; a maximum over time of their sum needs a subquery.
    return f"max(max_over_time({level(name, 'job', 'instance', routes=False)}[$__range:$__rate_interval]))"
