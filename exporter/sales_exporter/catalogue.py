"""docs/metrics.md, written from the metrics themselves: ``python -m sales_exporter.catalogue docs/metrics.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from sales_exporter.collectors import Collector, discover
from sales_exporter.model import Metric

HEAD = """\
# Metrics

This page is generated from the source (`make docs`); a test fails when it differs.

Every series is scraped with the labels `cluster`, `tenant`, `job` and `instance` of the scrape configuration.
A ratio never stands alone: beside `_ratio` there are `_ratio_lower` and `_ratio_upper` (95 %) and the counts that it
comes from. What cannot be computed is absent, never 0. Windows are half-open and end at the moment of evaluation.
What is above a limit is merged into the label value `(other)`; a missing channel is `(none)`.
"""


WITHOUT_BOUNDS = frozenset({
    "sales_model_calibration_error_ratio", "sales_model_mean_score_ratio", "sales_pipeline_coverage_ratio",
    "sales_stage_time_share_ratio",
})
"""Ratios that are not estimates of anything, so that no interval belongs to them."""


def document() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, kind in discover().items():
        parts.append("\n".join(section(name, kind)))
    return "\n".join(parts)


def section(name: str, kind: type[Collector]) -> Iterator[str]:
    """One collector with its metrics and their definitions."""
    yield f"\n## {name}\n"
    reads = ", ".join(f"`{relation}`" for relation in kind.reads) or "nothing of the contract"
    yield f"Every {kind.interval:g} s. Reads {reads}. Switch it off with `--no-collector.{name}`.\n"
    yield "| Metric | Type | Labels | Meaning |"
    yield "|---|---|---|---|"
    for metric in kind.metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "–"
        yield f"| `{metric.name}` | {metric.kind} | {labels} | {cell(meaning(metric))} |"


def meaning(metric: Metric) -> str:
    """Help text and definition in one."""
    what = metric.definition
    if what is None:
        return metric.help
    parts = {"Counts": what.unit, "Enters": what.entry, "Order": what.order, "Window": what.window,
             "Credit": what.attribution, "Unfinished": what.unfinished}
    return metric.help + "".join(f"<br>*{name}:* {text}" for name, text in parts.items() if text)


def cell(text: str) -> str:
    """Text that cannot end a table's cell."""
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), encoding="utf-8")
