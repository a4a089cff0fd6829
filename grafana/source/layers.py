"""Marks on every time axis: what began to fire, and what people changed before it."""

from __future__ import annotations

from grafana.source.panels import BLUE, GREEN, GREY, RED, SOURCE
from grafana.source.promql import alerts, placed
from grafana.source.sdk import dashboard

STEP = "60s"
MARK = "10m"
"""Length of a mark: longer than a step of the longest range that people look at (Grafana asks for 11,000 at most)."""
FRESH = "1h"
"""How long something is new. It must have been missing so long, too: a gap in the data makes nothing new."""


def layers() -> list[dashboard.AnnotationQuery]:
    """Alerts are shown; the others are switched on at the top of the page when somebody asks what had changed."""
    return [
        _layer("Alerts", RED, _began(), "{{alertname}}", "{{severity}}, team {{team}}", "severity,team,category",
               shown=True),
        _layer("Restarts", GREY, _restarted(), "{{job}} started", "{{instance}}", "job"),
        _layer("Model releases", BLUE, _appeared("sales_model_labels", "model", "version"),
               "{{model}} {{version}}", "First predictions of this version", "model"),
        _layer("Campaign starts", GREEN, _appeared("sales_campaign_spend", "campaign", "channel"),
               "{{campaign}}", "First spend, on {{channel}}", "channel"),
    ]


def _began() -> str:
    # Where an alert began: what fires for days would colour the whole of every panel.
    by = "alertname, severity, team, category"
    firing = alerts("critical|warning")
    return f"count by ({by}) ({firing}) unless count by ({by}) ({firing} offset {MARK})"


def _restarted() -> str:
    # A deployment is a start.
    return f"time() - max by (job, instance) ({placed('process_start_time_seconds')}) < 600"


def _appeared(name: str, *labels: str) -> str:
    by = ", ".join(labels)
    before = placed(name, offset=FRESH)
    return (f"max by ({by}) ({placed(name)}) > 0 unless on ({by}) {before} "
            f"and on () count({before}) > 0")


def _layer(name: str, colour: str, expr: str, title: str, text: str, tags: str, *,
           shown: bool = False) -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery().name(name).datasource(SOURCE).enable(shown).hide(False).icon_color(colour)
        .expr(expr).title_format(title).text_format(text).tag_keys(tags).step(STEP).placement("")
    )
