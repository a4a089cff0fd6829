"""A replay as the series that Prometheus would have written: ALERTS, ALERTS_FOR_STATE and what is recorded. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from sales_exporter.rules.firing import Episode, Grid, Labels
from sales_exporter.rules.replay import Column, Outcome, Span


def lines(outcomes: Iterable[Outcome], columns: Sequence[Column], span: Span) -> Iterator[str]:
    """OpenMetrics lines, the closing one included, for ``promtool tsdb create-blocks-from openmetrics``."""
    grid = span.grid(0)
    for outcome in outcomes:
        name = ("alertname", outcome.alert.name)
        for episode in outcome.episodes:
            yield from _active(episode, (name, *episode.labels), grid)
    for column in columns:
        head = f"{column.name}{_text(column.labels)} "
        for place in np.flatnonzero(~np.isnan(column.values)).tolist():
            yield f"{head}{_number(float(column.values[place]))} {grid.at(place):.3f}\n"
    yield "# EOF\n"


def _active(episode: Episode, labels: Labels, grid: Grid) -> Iterator[str]:
    """Two series; the last sample is one step before the alert is over."""
    pending, firing = (_text((*labels, ("alertstate", state))) for state in ("pending", "firing"))
    since = _text(labels)
    for place in range(max(0, _place(episode.since, grid)), min(grid.count, _place(episode.until, grid))):
        at = grid.at(place)
        state = firing if episode.fired is not None and at >= episode.fired else pending
        yield f"ALERTS{state} 1 {at:.3f}\n"
        yield f"ALERTS_FOR_STATE{since} {episode.since:.3f} {at:.3f}\n"


def _place(moment: float | None, grid: Grid) -> int:
    return grid.count if moment is None else round((moment - grid.start) / grid.step)


def _number(value: float) -> str:
    return repr(value) if np.isfinite(value) else ("+Inf" if value > 0 else "-Inf")


def _text(labels: Iterable[tuple[str, str]]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
