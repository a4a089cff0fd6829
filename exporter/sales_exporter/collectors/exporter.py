"""The exporter about itself: passes, series, what was merged or held back, and how each number is defined."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator

from sales_exporter import __version__
from sales_exporter.collectors import Collector, Context, discover
from sales_exporter.config import Business
from sales_exporter.model import Sample, counter, gauge

AS_OF = gauge("sales_as_of_timestamp_seconds", "The moment that the business gauges are evaluated at.")
REPLAY = gauge("sales_replay", "1 when a moment of the past is shown (--as-of), else 0.")
BUILD = gauge("sales_exporter_build_info", "1, with version and Python version.", "version", "python_version")
SUCCESS = gauge("sales_exporter_collector_success", "Whether the last pass of the collector succeeded.", "collector")
DURATION = gauge("sales_exporter_collector_duration_seconds", "Length of the collector's last pass.", "collector")
LAST = gauge("sales_exporter_collector_last_success_timestamp_seconds", "End of the last pass that succeeded.",
             "collector")
INTERVAL = gauge("sales_exporter_collector_interval_seconds", "Seconds between two passes.", "collector")
FAILURES = counter("sales_exporter_collector_failures_total", "Passes that failed, by reason.", "collector", "reason")
SKIPPED = counter("sales_exporter_collector_skipped_total", "Passes that did not start because the one before ran.",
                  "collector")
SERIES = gauge("sales_series", "Series exported now, by group.", "group")
OVERFLOW = counter("sales_label_overflow_total", "Series merged into (other) or left out because of the limits.",
                   "label")
DROPPED = counter("sales_samples_dropped_total", "Samples left out because they repeat a series or no reader would "
                  "take them.", "reason")
DIPS = counter("sales_running_total_dips_total", "Falls of running totals that were held back for one pass.")
RELOADED = gauge("sales_exporter_config_last_reload_successful", "Whether the configuration in force is the newest.")
RELOADED_AT = gauge("sales_exporter_config_last_reload_success_timestamp_seconds",
                    "When the configuration in force was read.")
DEFINITION = gauge("sales_metric_definition_info", "1, with the definition of a business number word for word. A "
                   "changed hash is a changed definition.", "metric", "unit", "entry", "order", "window", "hash")


class Self(Collector):
    """Reports on all collectors, itself included, as of its own last pass."""

    name = "exporter"
    interval = 10.0
    after_others = True
    metrics = (AS_OF, REPLAY, BUILD, SUCCESS, DURATION, LAST, INTERVAL, FAILURES, SKIPPED, SERIES, OVERFLOW, DROPPED,
               DIPS, RELOADED, RELOADED_AT, DEFINITION)

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """Everything is known already; nothing is read."""
        return [*general(ctx), *passes(ctx), *series(ctx), *definitions(ctx.business)]


def general(ctx: Context) -> Iterator[Sample]:
    """Version, moment of evaluation and configuration."""
    yield AS_OF(ctx.now)
    yield REPLAY(float(ctx.replay))
    yield BUILD(1, version=__version__, python_version=platform.python_version())
    good, when = ctx.reload
    yield RELOADED(float(good))
    yield RELOADED_AT(when)
    yield DIPS(ctx.dips)


def passes(ctx: Context) -> Iterator[Sample]:
    """How the last pass of each collector went."""
    for name, state in ctx.passes.items():
        yield INTERVAL(state.interval, collector=name)
        yield SKIPPED(state.skipped, collector=name)
        if state.success is not None:
            yield SUCCESS(float(state.success), collector=name)
            yield DURATION(state.duration, collector=name)
        if state.last_success is not None:
            yield LAST(state.last_success, collector=name)
        for reason, count in sorted(state.failures.items()):
            yield FAILURES(count, collector=name, reason=reason)


def series(ctx: Context) -> Iterator[Sample]:
    """Series by group, and what the limits took."""
    for name, state in ctx.passes.items():
        yield SERIES(state.series, group=name)
    for label, count in sorted(ctx.overflow.items()):
        yield OVERFLOW(count, label=label)
    for reason, count in sorted(ctx.dropped.items()):
        yield DROPPED(count, reason=reason)


def definitions(business: Business) -> Iterator[Sample]:
    """One row for each metric that has a definition, with the hash of everything it depends on."""
    context = (business.reporting_timezone, business.reporting_currency, *business.stage_names)
    for kind in discover().values():
        for metric in kind.metrics:
            what = metric.definition
            if what is not None:
                yield DEFINITION(1, metric=metric.name, unit=what.unit, entry=what.entry, order=what.order,
                                 window=what.window, hash=what.digest(*context))
