"""Whether people hear of it: notices, failures, silences, and the way from rules and sidecar to Alertmanager."""

from __future__ import annotations

from grafana.source.panels import BLUE, GREY, ORANGE, RED, SKY, TEXT, Figure, Line, Say, lines, stats
from grafana.source.plots import by_label
from grafana.source.promql import placed, selector
from grafana.source.sdk import model, units

STEP = "$__rate_interval"
SCRAPE = "Alertmanager is not scraped: name it in prometheus/targets/alertmanager.yml"
PUSH = "The sidecar pushes no alerts, or is not scraped (docs/sidecar.md)"


def _share(window: str) -> str:
    failed = f"sum (increase({selector('alertmanager_notifications_failed_total')}[{window}]))"
    return f"{failed} / (sum (increase({selector('alertmanager_notifications_total')}[{window}])) > 0)"


def failing() -> model.Panel:
    return stats(
        Say(5, "Notices that failed",
            "Attempts to notify that failed of all attempts in the last hour, all integrations together, and in the "
            "time range. Alertmanager tries again; above 1 % somebody may not have heard.",
            "No notice was sent lately: none was due, or no receiver has an integration (docs/alerts.md)"),
        Figure("last hour", _share("1h"), units.PercentUnit, 1, ((0, BLUE), (0.01, ORANGE), (0.1, RED))),
        Figure("in the range", _share("$__range"), units.PercentUnit, 1),
    )


def notices() -> model.Panel:
    sent = f"sum by (integration) (increase({selector('alertmanager_notifications_total')}[{STEP}]))"
    used = f"sum by (integration) (increase({selector('alertmanager_notifications_total')}[$__range] @ end())) > 0"
    return by_label(
        Say(12, "Notices",
            "Attempts to notify between two points, by integration; those that were used within the time range.",
            "No notice was sent within the time range, or no receiver has an integration (docs/alerts.md)"),
        units.LocaleFormat, (f"{sent} and on (integration) {used}", "{{integration}}"), decimals=0, many=False,
    )


def failures() -> model.Panel:
    failed = f"sum by (integration) (increase({selector('alertmanager_notifications_failed_total')}[{STEP}]))"
    used = f"sum by (integration) (increase({selector('alertmanager_notifications_total')}[$__range] @ end())) > 0"
    return by_label(
        Say(13, "Failed notices", "Attempts to notify that failed between two points, by integration.",
            "No notice was sent within the time range, so none failed"),
        units.LocaleFormat, (f"{failed} and on (integration) {used}", "{{integration}}"), decimals=0, many=False,
    )


def known() -> model.Panel:
    return lines(
        Say(14, "Alerts in Alertmanager",
            "Alerts that Alertmanager holds: active ones, and those that a silence or a worse alert mutes. The "
            "largest of its instances; they hold the same.", SCRAPE),
        units.LocaleFormat, Line("Active", f"max ({_of('active')})", ORANGE),
        Line("Muted", f"max ({_of('suppressed')})", GREY), decimals=0,
    )


def _of(state: str) -> str:
    return selector("alertmanager_alerts", state=state)


def latency() -> model.Panel:
    buckets = f"sum by (le) (rate({selector('alertmanager_notification_latency_seconds_bucket')}[{STEP}]))"
    return lines(
        Say(21, "Time to deliver",
            "How long handing a notice to its integration took: half of them p50 or less, 19 of 20 p95 or less.",
            "No notice was sent within the time range"),
        units.Seconds, Line("p50", f"histogram_quantile(0.5, {buckets}) >= 0", BLUE),
        Line("p95", f"histogram_quantile(0.95, {buckets}) >= 0", ORANGE, dashed=True), decimals=2,
    )


def silences() -> model.Panel:
    def of(state: str) -> str:
        return f"max ({selector('alertmanager_silences', state=state)})"

    return lines(
        Say(22, "Silences",
            "Silences in force, and those that will be: a silence that ends may let a notice through.", SCRAPE),
        units.LocaleFormat, Line("Active", of("active"), ORANGE), Line("Pending", of("pending"), SKY, dashed=True),
        decimals=0,
    )


def cluster() -> model.Panel:
    return stats(
        Say(23, "Alertmanagers",
            "Alertmanagers that answer scrapes, how many Prometheus sends to, and whether the newest configuration is "
            "in force in all of them (1) or not (0).", SCRAPE),
        Figure("answer", f"sum ({selector('up')} and on (job, instance) {_of('active')})", units.LocaleFormat, 0,
               ((0, RED), (1, BLUE))),
        Figure("known to Prometheus", f"max ({placed('prometheus_notifications_alertmanagers_discovered')})",
               units.LocaleFormat, 0, ((0, RED), (1, TEXT))),
        Figure("configured", f"min ({selector('alertmanager_config_last_reload_successful')})", units.LocaleFormat, 0,
               ((0, RED), (1, TEXT))),
    )


def outbox() -> model.Panel:
    return lines(
        Say(24, "The sidecar's outbox",
            "Alerts of the sidecar that last, those that an Alertmanager has not taken yet, and those that it "
            "refused. Pending ones are sent again; parked ones every ten minutes.", PUSH),
        units.LocaleFormat, Line("Open", f"sum ({placed('sales_outbox_open_alerts')})", BLUE),
        Line("Pending", f"sum ({placed('sales_outbox_pending_alerts')})", ORANGE),
        Line("Parked", f"sum ({placed('sales_outbox_parked_alerts')})", RED, dashed=True), decimals=0,
    )


def refused() -> model.Panel:
    failed = f"sum by (reason) (increase({placed('sales_alert_push_failures_total')}[{STEP}]))"
    return by_label(
        Say(25, "Pushes that failed",
            "Requests that an Alertmanager did not answer or take, and alerts that it refused, by reason.", PUSH),
        units.LocaleFormat, (failed, "{{reason}}"), decimals=0, many=False,
    )
