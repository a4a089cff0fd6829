"""What goes on within an application, in rows that are closed at first: models, recorders, the instrumentation."""

from __future__ import annotations

from collections.abc import Iterator

from grafana.source.api.asked import count, rate
from grafana.source.board import Folded
from grafana.source.panels import Say
from grafana.source.plots import by_label
from grafana.source.sdk import model, units


def folded() -> Iterator[Folded]:
    """The closed rows."""
    yield Folded(103, "Instrumentation", [(7, [(12, surprises()), (12, overflow())])])


def surprises() -> model.Panel:
    return by_label(
        Say(60, "Surprises within the instrumentation",
            "Errors within our own code, by the place where they came up, between two points of the plot. The "
            "application was left alone each time, but the numbers above are wrong by as much.",
            "No surprise in this time range: all is well, or no application uses our instrumentation"),
        units.LocaleFormat, (f"{count('instrumentation_errors_total', 'where', routes=False)} > 0", "{{where}}"),
        decimals=0, interval="1m", many=False)


def overflow() -> model.Panel:
    return by_label(
        Say(61, "Observations counted as (other)",
            "Observations per second that went to the label value (other), because the metric has as many label sets "
            "as it may have. Sums stay right; single routes are missing.",
            "Nothing is folded: every series is there"),
        units.CountsPerSecond,
        (f"{rate('instrumentation_label_overflow_total', 'metric', routes=False)} > 0", "{{metric}}"),
        decimals=2, interval="1m", many=False)
