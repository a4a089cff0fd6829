"""Pages that are written from the source: ``python -m sales_exporter.catalogue .`` (`make docs`)."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

from sales_exporter import instrumentation, sidecar
from sales_exporter.collectors import Collector, discover
from sales_exporter.config import (
    ENVIRONMENT,
    NOT_TEXT,
    CollectorSettings,
    IntakeSource,
    NoticeReceiver,
    Section,
    Settings,
    SeverityClass,
    Stage,
)
from sales_exporter.model import Metric

HEAD = """\
# Metrics

This page is generated from the source (`make docs`); a test fails when it differs.

Every series is scraped with the labels `cluster`, `tenant`, `job` and `instance` of the scrape configuration.
A ratio never stands alone: beside `_ratio` there are `_ratio_lower` and `_ratio_upper` (95 %) and the counts that it
comes from. What cannot be computed is absent, never 0. Windows are half-open and end at the moment of evaluation.
What is above a limit is merged into the label value `(other)`; a missing channel is `(none)`.
"""


INSTRUMENTED = """
## Instrumentation

What applications export that use `sales_exporter.instrumentation`; the exporter itself does not. A series shows up with
its first observation. An application that uses OpenTelemetry fills the same panels, where a name is OpenTelemetry's.
"""

JUDGED = """
## Sidecar

What `sales-exporter sidecar` says of the series that it watches, and of itself. Scraped as the job `sidecar`.
"""

WITHOUT_BOUNDS = frozenset({
    "sales_forecast_backtest_coverage_ratio", "sales_forecast_backtest_error_ratio",
    "sales_funnel_cohort_maturity_ratio", "sales_ledger_fill_ratio",
    "sales_model_calibration_error_ratio", "sales_model_estimated_accuracy_error_ratio", "sales_model_mean_score_ratio",
    "sales_pipeline_coverage_ratio",
    "sales_stage_time_share_ratio",
})
"""Ratios that are not estimates of anything, so that no interval belongs to them."""


def document() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, kind in discover().items():
        parts.append("\n".join(section(name, kind)))
    parts.append("\n".join([INSTRUMENTED, *table(instrumented())]))
    parts.append("\n".join([JUDGED, *table(judged())]))
    return "\n".join(parts) + "\n"


def instrumented() -> tuple[Metric, ...]:
    """Every metric that an instrumented application can export, by name."""
    return _constants(instrumentation)


def judged() -> tuple[Metric, ...]:
    """Every metric of the sidecar, by name."""
    return _constants(sidecar)


def _constants(package: ModuleType) -> tuple[Metric, ...]:
    """The metrics that are constants of a package's modules."""
    found: dict[str, Metric] = {}
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        found |= {value.name: value for value in vars(import_module(module.name)).values() if isinstance(value, Metric)}
    return tuple(found[name] for name in sorted(found))


def section(name: str, kind: type[Collector]) -> Iterator[str]:
    """One collector with its metrics and their definitions."""
    yield f"\n## {name}\n"
    reads = ", ".join(f"`{relation}`" for relation in kind.reads) or "nothing of the contract"
    yield f"Every {kind.interval:g} s. Reads {reads}. Switch it off with `--no-collector.{name}`.\n"
    yield from table(kind.metrics)


def table(metrics: Iterable[Metric]) -> Iterator[str]:
    """A row for each metric."""
    yield "| Metric | Type | Labels | Meaning |"
    yield "|---|---|---|---|"
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
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


BEGIN, END = "<!-- configuration: generated -->\n", "<!-- end of configuration -->"


def configuration() -> str:
    """The table of all settings."""
    head = "| Key | Default | Environment variable | Meaning |\n|---|---|---|---|\n"
    return head + "".join(f"{row}\n" for row in _settings(Settings, ""))


def with_configuration(page: str) -> str:
    """A page with the table between its two marks brought up to date."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{configuration()}\n{END}{rest.partition(END)[2]}"


def _settings(section: type[Section], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        key, kind = f"{prefix}{name}", field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from _settings(kind, f"{key}.")
        elif key in _NAMED:
            yield from _named(key, _NAMED[key])
        else:
            variable = "-" if key in NOT_TEXT else f"`{ENVIRONMENT}{key.replace('.', '_').upper()}`"
            default = "-" if name == "dsn" or field.default is None else f"`{_plain(field.get_default())}`"
            yield f"| `{key}` | {cell(default)} | {variable} | {cell(field.description or '')} |"


_NAMED: dict[str, type[Section]] = {
    "collectors": CollectorSettings, "intake.sources": IntakeSource, "sidecar.desk.receivers": NoticeReceiver,
    "sidecar.severity.classes": SeverityClass,
}
"""Sections of which there is one for each name."""


def _named(key: str, section: type[Section]) -> Iterator[str]:
    for inner, setting in section.model_fields.items():
        switch = f"`{ENVIRONMENT}COLLECTOR_<NAME>`" if section is CollectorSettings and inner == "enabled" else "-"
        default = "-" if setting.default is None or setting.is_required() else f"`{_plain(setting.default)}`"
        yield f"| `{key}.<name>.{inner}` | {default} | {switch} | {setting.description} |"


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{part.name} ({part.kind})" if isinstance(part, Stage) else str(part) for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    root = Path(sys.argv[1])
    (root / "docs" / "metrics.md").write_text(document(), encoding="utf-8")
    readme = root / "README.md"
    readme.write_text(with_configuration(readme.read_text(encoding="utf-8")), encoding="utf-8")
