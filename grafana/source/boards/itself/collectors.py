"""The exporter: whether its collectors succeed, how old their numbers are, how many series they make."""

from __future__ import annotations

from grafana.source.board import ANCHOR
from grafana.source.panels import BLUE, ORANGE, RED, TEXT, Figure, Say, linked, rows, stats
from grafana.source.plots import by_label
from grafana.source.promql import selector
from grafana.source.sdk import model, units

SCRAPE = "The exporter is not scraped: name it in prometheus/targets/sales-exporter.yml"
OR_SCRAPE = f"Or the{SCRAPE.removeprefix('The')}"
NOT_RUN = f"No collector has run yet: the first pass is under way. {OR_SCRAPE}"
STEP = "$__rate_interval"
EXPORTERS = f"and on (job, instance) max_over_time({selector(ANCHOR)}[1d])"
"""What other servers say as well, of exporters alone; of one that is down, too."""
SUCCESS = "sales_exporter_collector_last_success_timestamp_seconds"


def answering() -> model.Panel:
    return stats(
        Say(1, "Exporters",
            "Exporters that answered their last scrape, and how many are configured. Two on one database say the same.",
            SCRAPE),
        Figure("answer", f"sum ({_of_exporters('up')})", units.LocaleFormat, 0, ((0, RED), (1, BLUE))),
        Figure("configured", f"count ({_of_exporters('up')})", units.LocaleFormat, 0),
    )


def failing() -> model.Panel:
    success = selector("sales_exporter_collector_success")
    return stats(
        Say(2, "Collectors that fail",
            "Collectors whose last pass failed, of those that run: their numbers stay as they were until a pass "
            "succeeds.",
            NOT_RUN),
        Figure("fail", f"count ({success} == 0) or 0 * count ({success})", units.LocaleFormat, 0,
               ((0, BLUE), (1, RED))),
        Figure("run", f"count ({success})", units.LocaleFormat, 0),
    )


def oldest() -> model.Panel:
    late = f"({_age()}) / ({_interval()})"
    return stats(
        Say(3, "Oldest numbers",
            "Time since the last good pass of the collector that is furthest behind, and that time in units of its "
            "interval: from 3 intervals on orange, from 10 on red.",
            f"No collector has succeeded: the log of the exporter says why. {OR_SCRAPE}"),
        Figure("intervals", f"max ({late})", units.NoUnit, 1, ((0, BLUE), (3, ORANGE), (10, RED))),
        Figure("age", f"max ({_age()})", units.Seconds, 0),
    )


def series() -> model.Panel:
    dropped = f"sum (increase({selector('sales_samples_dropped_total')}[$__range]))"
    return stats(
        Say(5, "Series exported",
            "Series of all exporters now, and samples that were left out within the time range because they repeat a "
            "series or no reader would take them.",
            f"Not counted yet: the first scrape brings the counts. {OR_SCRAPE}"),
        Figure("series", f"sum ({selector('sales_series')})", units.LocaleFormat, 0),
        Figure("samples left out", f"{dropped} or 0 * sum ({selector('sales_series')})", units.LocaleFormat, 0,
               ((0, TEXT), (1, ORANGE))),
    )


def listed() -> model.Panel:
    def by(name: str) -> str:
        return f"max by (collector) ({selector(name)})"

    failed = f"sum by (collector) (increase({selector('sales_exporter_collector_failures_total')}[$__range]))"
    panel = rows(
        Say(6, "Collectors",
            "Each collector: whether its last pass succeeded (1), how old its numbers are, how often it runs, how "
            "long its last pass took, how many passes failed within the time range, and how many series it makes.",
            NOT_RUN),
        {"collector": "Collector"},
        Figure("Succeeded", f"min by (collector) ({selector('sales_exporter_collector_success')})", units.NoUnit, 0,
               ((0, RED), (1, BLUE)), 90),
        Figure("Age", f"max by (collector) ({_age()})", units.Seconds, 0, width=80),
        Figure("Every", by("sales_exporter_collector_interval_seconds"), units.Seconds, 0, width=80),
        Figure("Took", by("sales_exporter_collector_duration_seconds"), units.Seconds, 2, width=90),
        Figure("Failed", f"{failed} or 0 * {by('sales_exporter_collector_success')}", units.LocaleFormat, 0,
               ((0, TEXT), (1, ORANGE)), 70),
        Figure("Series", _of_collectors(), units.LocaleFormat, 0, width=80),
        sort="Took",
    )
    return linked(panel, "Collector", "Its alerts", "/alerting/list?search=SalesCollector")


def durations() -> model.Panel:
    return by_label(
        Say(8, "Length of passes",
            "How long the last pass of each collector took, the slowest of the exporters. A pass that nears its "
            "interval skips the next.",
            NOT_RUN),
        units.Seconds,
        (f"max by (collector) ({selector('sales_exporter_collector_duration_seconds')})", "{{collector}}"),
        decimals=2,
    )


def scrapes() -> model.Panel:
    return by_label(
        Say(10, "Length of scrapes",
            "How long Prometheus took to read each exporter. Passes run beside scrapes, which wait for no database.",
            SCRAPE),
        units.Seconds, (f"max by (instance) ({_of_exporters('scrape_duration_seconds')})", "{{instance}}"),
        decimals=3,
        many=False,
    )


def groups() -> model.Panel:
    return by_label(
        Say(11, "Series by collector",
            "What each collector exports, the largest of the exporters. A jump is a new label value.",
            f"Not counted yet: the first scrape brings the counts. {OR_SCRAPE}"),
        units.LocaleFormat, (f"max by (group) ({selector('sales_series')})", "{{group}}"), decimals=0,
    )


def left_out() -> model.Panel:
    folded = f"sum by (label) (increase({selector('sales_label_overflow_total')}[{STEP}]))"
    skipped = f"sum by (collector) (increase({selector('sales_exporter_collector_skipped_total')}[{STEP}])) > 0"
    return by_label(
        Say(12, "Merged and skipped",
            "Series that were merged into (other) because of the limits, by label, and passes that did not start "
            "because the one before still ran, by collector.",
            "Nothing was merged and no pass was skipped within the time range"),
        units.LocaleFormat, (folded, "label {{label}}"), (skipped, "skipped {{collector}}"), decimals=0,
    )


def processor() -> model.Panel:
    return by_label(
        Say(41, "Processor", "Processor time of each exporter in cores: 1 is one core all the time.", SCRAPE),
        units.Short,
        (f"sum by (instance) (rate({selector('process_cpu_seconds_total')}[{STEP}]) {EXPORTERS})", "{{instance}}"),
        decimals=2, many=False,
    )


def memory() -> model.Panel:
    return by_label(
        Say(42, "Memory", "Resident memory of each exporter. It grows with the cells of the ledger, not with time.",
            SCRAPE),
        units.BytesIEC, (f"max by (instance) ({_of_exporters('process_resident_memory_bytes')})", "{{instance}}"),
        decimals=0, many=False,
    )


def files() -> model.Panel:
    share = f"max by (instance) ({selector('process_open_fds')} / {_of_exporters('process_max_fds')})"
    return by_label(
        Say(43, "File descriptors", "Open file descriptors of each exporter, as a share of those that it may hold.",
            SCRAPE),
        units.PercentUnit, (share, "{{instance}}"), decimals=2, many=False,
    )


def _of_exporters(name: str) -> str:
    return f"{selector(name)} {EXPORTERS}"


def _age() -> str:
    return f"time() - {selector(SUCCESS)}"


def _interval() -> str:
    return selector("sales_exporter_collector_interval_seconds")


def _of_collectors() -> str:
    return f'max by (collector) (label_replace({selector("sales_series")}, "collector", "$1", "group", "(.*)"))'
