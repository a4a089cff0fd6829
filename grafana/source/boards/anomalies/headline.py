"""The first row: how much is odd, how odd, and whether the judge is awake and within its budget."""

from __future__ import annotations

from grafana.source.boards.anomalies.asked import BEGINS
from grafana.source.panels import BLUE, GREY, ORANGE, RED, TEXT, Figure, Line, Say, lines, stats
from grafana.source.promql import selector
from grafana.source.sdk import model, units

START = "start the sidecar and let Prometheus scrape it (docs/sidecar.md)"


def alarming() -> model.Panel:
    return stats(
        Say(1, "Series that alarm",
            "Series that are so odd that they alarm now, and the findings that stand: an anomaly of several series is "
            "one finding, and drift, advice to retrain and capacity that runs out are findings, too.",
            f"No series is judged: {START}"),
        Figure("alarm", f"sum ({selector('sales_anomaly_active')})", units.LocaleFormat, 0, ((0, BLUE), (1, ORANGE))),
        Figure("findings", f"sum ({selector('sales_finding_active')}) or 0 * sum ({selector('sales_anomaly_active')})",
               units.LocaleFormat, 0, ((0, TEXT), (1, ORANGE))),
    )


def oddest() -> model.Panel:
    return stats(
        Say(2, "Oddest series",
            "Highest score of all judged series: 0 is usual; at 0.5 a series begins to alarm, which is where the "
            "budget of false pages is spent. A score is a rank of the p-value, not a probability.",
            f"No series is judged: {START}"),
        Figure("now", f"max ({selector('sales_anomaly_score')})", units.NoUnit, 2, ((0, BLUE), (BEGINS, ORANGE))),
        Figure("in the range", f"max (max_over_time({selector('sales_anomaly_score')}[$__range]))", units.NoUnit, 2,
               ((0, TEXT), (BEGINS, ORANGE))),
    )


def budget() -> model.Panel:
    spent, stated = selector("sales_false_alarm_budget_spent"), selector("sales_false_alarm_budget_per_week")
    return stats(
        Say(3, "Pages in 7 d",
            "Groups of series that began to alarm in the last seven days, true ones among them, and how many false "
            "ones a week were accepted over everything that is watched. More pages than that in a quiet week are too "
            "many: mark what was real with `sales-exporter incidents`.",
            f"No budget is known: {START}"),
        Figure("pages", f"sum ({spent})", units.LocaleFormat, 0),
        Figure("accepted false", f"sum ({stated})", units.Short, 1),
    )


def judging() -> model.Panel:
    last = selector("sales_sidecar_last_tick_timestamp_seconds")
    interval = selector("sales_sidecar_tick_interval_seconds")
    return stats(
        Say(4, "Last judged",
            "Time since the moment that the last good tick judged, of the shard that is furthest behind; orange from "
            "two, red from five minutes on. 'every' is how often it judges.",
            f"Not judged yet: the past is still being read, or {START}"),
        Figure("ago", f"max (time() - {last})", units.Seconds, 0, ((0, BLUE), (120, ORANGE), (300, RED))),
        Figure("every", f"max ({interval})", units.Seconds, 0),
    )


def watched() -> model.Panel:
    def of(state: str) -> str:
        return f"sum ({selector('sales_sidecar_series', state=state)})"

    return stats(
        Say(5, "Watched",
            "Series that are judged, that are still learning and cannot page yet, and that were refused because a "
            "watch has more than it may have.",
            f"Nothing is watched: {START}"),
        Figure("judged", of("judged"), units.LocaleFormat, 0),
        Figure("learning", of("learning"), units.LocaleFormat, 0),
        Figure("refused", of("refused"), units.LocaleFormat, 0, ((0, TEXT), (1, ORANGE))),
    )


def spent_over_time() -> model.Panel:
    return lines(
        Say(24, "Budget of false pages",
            "Pages of the last seven days at each moment, against the false ones that were accepted a week.",
            f"No budget is known: {START}"),
        units.LocaleFormat,
        Line("Pages, 7 d", f"sum ({selector('sales_false_alarm_budget_spent')})", BLUE),
        Line("Accepted false ones", f"sum ({selector('sales_false_alarm_budget_per_week')})", GREY, dashed=True),
        decimals=1,
    )
