"""What Prometheus and Alertmanager say about themselves, as far as dashboards ask: kind, and labels of their own."""

from __future__ import annotations

FOREIGN: dict[str, tuple[str, tuple[str, ...]]] = {
    "up": ("gauge", ()),
    "scrape_duration_seconds": ("gauge", ()),
    "scrape_samples_scraped": ("gauge", ()),
    "alertmanager_alerts": ("gauge", ("state",)),
    "alertmanager_config_last_reload_successful": ("gauge", ()),
    "alertmanager_notification_latency_seconds_bucket": ("counter", ("integration", "le")),
    "alertmanager_notifications_failed_total": ("counter", ("integration", "reason")),
    "alertmanager_notifications_total": ("counter", ("integration",)),
    "alertmanager_silences": ("gauge", ("state",)),
    "prometheus_config_last_reload_successful": ("gauge", ()),
    "prometheus_notifications_alertmanagers_discovered": ("gauge", ()),
    "prometheus_notifications_queue_length": ("gauge", ()),
    "prometheus_rule_evaluation_failures_total": ("counter", ("rule_group",)),
    "prometheus_rule_group_interval_seconds": ("gauge", ("rule_group",)),
    "prometheus_rule_group_last_duration_seconds": ("gauge", ("rule_group",)),
    "prometheus_rule_group_last_evaluation_timestamp_seconds": ("gauge", ("rule_group",)),
    "prometheus_tsdb_head_series": ("gauge", ()),
}
