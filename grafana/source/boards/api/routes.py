"""Which routes are used, which are slow and which fail; how answers end and how large bodies are."""

from __future__ import annotations

from grafana.source.boards.api.asked import RANGE, REQUESTS, count, enough, failed_share, failures, quantile, rate, top
from grafana.source.boards.api.headline import CONFIGURE, SHARE, SLOW, WINDOW
from grafana.source.panels import BLUE, GREY, ORANGE, PINK, RED, SKY, Figure, Line, Say, lines, linked, rows
from grafana.source.plots import POINTS, buckets, by_label
from grafana.source.sdk import model, units

SENT, RECEIVED = "http_server_response_body_size_bytes", "http_server_request_body_size_bytes"
NOTHING = f"No request in this time range: if there should be, {CONFIGURE}"
AS_TEMPLATES = ("Routes are templates of the application, such as /leads/{lead_id}; paths without one are 'unmatched', "
                "and routes above the limit '(other)'.")


def by_route() -> model.Panel:
    busiest = top("http_route", count(f"{REQUESTS}_count", "http_route", over=RANGE))
    return by_label(
        Say(10, "Requests by route",
            f"Finished requests per second of the ten busiest routes of the time range. {AS_TEMPLATES}", NOTHING),
        units.RequestsPerSecond, (f"{rate(f'{REQUESTS}_count', 'http_route')} {busiest}", "{{http_route}}"), decimals=2)


def broken_routes() -> model.Panel:
    worst = top("http_route", f"({failures('http_route', over=RANGE)} > 0)")
    return by_label(
        Say(11, "Error ratio by route",
            "Failed requests (5xx or an unhandled error, not 499) divided by all of the route, of the ten routes with "
            "the most failures in the time range. A point needs 20 requests in five minutes (or in one step, "
            "if longer).",
            "No route failed with enough requests in this time range"),
        units.PercentUnit,
        (f"({failed_share('http_route')} and {enough('http_route')}) {worst}", "{{http_route}}"), interval=WINDOW)


def latency() -> model.Panel:
    return lines(
        Say(12, "Latency quantiles",
            "Time from the start of a request to the last byte of its answer: half, 19 of 20, and 99 of 100 of the "
            "requests took this or less. Quantiles of all routes and instances together, from summed buckets.",
            NOTHING),
        units.Seconds,
        Line("p50", quantile(0.5, REQUESTS), SKY), Line("p95", quantile(0.95, REQUESTS), BLUE),
        Line("p99", quantile(0.99, REQUESTS), PINK), points=POINTS)


def heatmap() -> model.Panel:
    return buckets(
        Say(13, "Latency distribution",
            "How many requests took how long, by the buckets of the histogram: darker is more. Two bands are two "
            "kinds of requests, which no quantile shows.", NOTHING),
        count(f"{REQUESTS}_bucket", "le"), units.Seconds)


def statuses() -> model.Panel:
    def answered(pattern: str) -> str:
        return rate(f"{REQUESTS}_count", http_response_status_code=pattern)

    return lines(
        Say(14, "Answers by status",
            "Finished requests per second by the class of their status. 499 is a client that went away before the end "
            "of its answer; an answer without any status counts as broken, with the 5xx.",
            NOTHING),
        units.RequestsPerSecond,
        Line("5xx", answered("~5..|unknown|"), RED), Line("4xx", answered("~4([0-8].|9[0-8])"), ORANGE),
        Line("499 client gone", answered("499"), GREY), Line("3xx", answered("~3.."), SKY),
        Line("2xx", answered("~[12].."), BLUE), decimals=2, stacked=True)


def slowest() -> model.Panel:
    by, total = ("job", "http_route"), f"{REQUESTS}_count"
    panel = rows(
        Say(15, "Routes, slowest first",
            "Requests of the last fifteen minutes (more when the time range is long) by application and route: how "
            "long they took, how many there were and which share failed. Quantiles of few requests jump about: look at "
            "the count too. A click on a route shows this page for it alone.",
            f"No request lately: if there should be, {CONFIGURE}"),
        {"http_route": "Route", "job": "Job"},
        Figure("p95", quantile(0.95, REQUESTS, *by), units.Seconds, 1, SLOW, width=90),
        Figure("p50", quantile(0.5, REQUESTS, *by), units.Seconds, 1, width=90),
        Figure("Per second", rate(total, *by), units.RequestsPerSecond, 2, width=110),
        Figure("Requests", f"{count(total, *by)} > 0", units.LocaleFormat, 0, width=100),
        Figure("Failed", failed_share(*by), units.PercentUnit, 2, SHARE, width=90),
        sort="p95", interval="15m")
    return linked(panel, "Route", "Only this route",
                  "/d/sales-api?var-cluster=$cluster&var-tenant=$tenant&var-route=${__value.text}&${__url_time_range}")


def first_bytes() -> model.Panel:
    name = "http_server_time_to_first_byte_seconds"
    slow = top("http_route", f"{quantile(0.95, name, 'http_route', over=RANGE)}", 5)
    return by_label(
        Say(16, "Time to first byte by route, p95",
            "From the start of a request to the first byte of its answer, streamed answers among them: 19 of 20 took "
            "this or less. The five slowest routes of the time range.",
            "Not measured: only our middleware does, OpenTelemetry does not (docs/instrumentation.md)"),
        units.Seconds, (f"({quantile(0.95, name, 'http_route')}) {slow}", "{{http_route}}"), interval="1m",
        many=False)


def traffic() -> model.Panel:
    return lines(
        Say(17, "Traffic",
            "Bytes per second of request bodies that the application read and of response bodies that were sent, "
            "streams among them, headers not.", NOTHING),
        units.BytesPerSecondIEC,
        Line("sent", rate(f"{SENT}_sum"), BLUE), Line("received", rate(f"{RECEIVED}_sum"), ORANGE))


def sizes() -> model.Panel:
    return lines(
        Say(18, "Body sizes, p95",
            "19 of 20 bodies are this large or smaller. The buckets are powers of ten, so this tells kilobytes from "
            "megabytes and no more.", NOTHING),
        units.BytesIEC,
        Line("sent", quantile(0.95, SENT), BLUE), Line("received", quantile(0.95, RECEIVED), ORANGE), decimals=0)
