"""What stays open: streamed answers and websockets. OpenTelemetry has no names for them, so these are ours."""

from __future__ import annotations

from grafana.source.boards.api.asked import count, level, quantile, rate
from grafana.source.panels import BLUE, ORANGE, SKY, Line, Say, lines
from grafana.source.plots import by_label
from grafana.source.sdk import model, units

STREAM, SOCKET = "http_server_stream_duration_seconds", "websocket_server_connection_duration_seconds"
NO_STREAM = "No streamed answer in this time range, or not measured: only our middleware does (docs/instrumentation.md)"
NO_SOCKET = "No websocket in this time range, or not measured: only our middleware does (docs/instrumentation.md)"


def streams_open() -> model.Panel:
    return by_label(
        Say(20, "Open streams",
            "Streamed answers that are being sent, by route: server-sent events (sse), and answers of unknown length "
            "that come in pieces (chunked).", NO_STREAM),
        units.LocaleFormat, (level("http_server_streams_open", "http_route", "kind"), "{{http_route}} {{kind}}"),
        decimals=0, many=False)


def stream_messages() -> model.Panel:
    messages = rate("http_server_stream_messages_total", "http_route", "kind")
    return by_label(
        Say(21, "Stream messages",
            "Pieces of streamed answers that were sent per second, by route. Open streams without messages are "
            "clients that wait.", NO_STREAM),
        units.MessagesPerSecond, (messages, "{{http_route}} {{kind}}"), many=False)


def stream_lengths() -> model.Panel:
    return lines(
        Say(22, "Stream duration",
            "Time from the start of a request to the end of its streamed answer, of those that ended: half, and 19 of "
            "20, lasted this or less.", NO_STREAM),
        units.Seconds, Line("p50", quantile(0.5, STREAM), SKY), Line("p95", quantile(0.95, STREAM), BLUE))


def sockets_open() -> model.Panel:
    return by_label(
        Say(23, "Open websockets",
            "Websockets that are open, by route. All gone at once: look at the close codes.", NO_SOCKET),
        units.LocaleFormat, (level("websocket_server_connections_open", "http_route"), "{{http_route}}"),
        decimals=0, many=False)


def socket_messages() -> model.Panel:
    def moved(direction: str) -> str:
        return rate("websocket_server_messages_total", direction=direction)

    return lines(
        Say(24, "Websocket messages",
            "Messages per second over all websockets of the chosen routes, by direction.", NO_SOCKET),
        units.MessagesPerSecond, Line("sent", moved("sent"), BLUE), Line("received", moved("received"), ORANGE))


def closings() -> model.Panel:
    return by_label(
        Say(25, "Websockets closed, by code",
            "Websockets that ended between two points of the plot, by close code (RFC 6455): 1000 as meant, 1001 going "
            "away, 1006 cut off, 1011 an error of ours; 'refused' was never accepted.", NO_SOCKET),
        units.LocaleFormat, (count(f"{SOCKET}_count", "close_code"), "{{close_code}}"), decimals=0, interval="1m",
        many=False)
