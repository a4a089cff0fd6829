"""The picture of one series: its level inside the expected range, alerts marked; SVG as text.

Lengths across are shares of the width and text has a size of its own, so that the picture is as readable on a phone as
on a screen. Colours follow the reader's choice of dark or light.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from zoneinfo import ZoneInfo

import numpy as np

from sales_exporter.sidecar.backtest.axes import local, short
from sales_exporter.sidecar.backtest.outcome import Watched
from sales_exporter.sidecar.backtest.plot import Plot
from sales_exporter.sidecar.backtest.record import Alert
from sales_exporter.sidecar.fleet.quantities import line, quantity
from sales_exporter.sidecar.fleet.severity import CLASSES

HEIGHT, TOP = 260, 34
"""Of the picture, and of the strip above the plot, in pixels."""
CLOSE_HEIGHT, CLOSE_TOP = 170, 18
"""The same of a close-up."""
TITLE = 30
"""Height of the title of a picture that stands alone."""
_BADGE = 11.0
"""Least distance of two numbers in per cent of the width; nearer ones share a badge. That is 40 pixels on a phone."""
_TIME = 40.0
"""Room that a time beside its number needs on a phone, in per cent of the width."""

COLOURS = """
.chart{--ink:#1f2733;--soft:#5b6675;--grid:#dfe4ea;--band:#3b82c4;--level:#17528f;--paper:#fff;
--critical:#b3261e;--warning:#a65300;--info:#4a5a6a}
@media(prefers-color-scheme:dark){.chart{--ink:#e7ecf2;--soft:#9fabba;--grid:#2c3540;--band:#4e93d6;--level:#9ccbff;
--paper:#14191f;--critical:#ff8a80;--warning:#ffb561;--info:#a9b8c8}}
.chart text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--soft);
font-variant-numeric:tabular-nums}
.chart .title{font-size:14px;font-weight:600;fill:var(--ink)}
.chart .tick{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
.chart .grid{stroke:var(--grid);stroke-width:1;shape-rendering:crispEdges}
.chart .band{fill:var(--band);fill-opacity:.24}
.chart .expected{fill:none;stroke:var(--band);stroke-width:1;stroke-dasharray:2 3;vector-effect:non-scaling-stroke}
.chart .level{fill:none;stroke:var(--level);stroke-width:1.4;stroke-linejoin:round;vector-effect:non-scaling-stroke}
.chart .critical{color:var(--critical)}.chart .warning{color:var(--warning)}.chart .info{color:var(--info)}
.chart .alert line{stroke:currentColor;stroke-width:1;stroke-dasharray:3 3}
.chart .alert .lasts{fill:currentColor;fill-opacity:.1}
.chart .alert .dot{fill:var(--paper);stroke:currentColor;stroke-width:2.5}
.chart .alert .badge{fill:currentColor}
.chart .alert text{fill:var(--paper);font-weight:600;text-anchor:middle}
.chart .alert .time{fill:currentColor;font-weight:600}
.chart .start{text-anchor:start}.chart .alert .start{text-anchor:start}.chart .alert .end{text-anchor:end}
"""


def picture(watched: Watched, until: float, zone: ZoneInfo, currency: str, alone: bool) -> str:
    """An SVG element; ``alone`` for a file of its own, with colours, width and paper. Empty when nothing was seen."""
    course = watched.course
    if course is None:
        return ""
    alerts = marked(watched)
    values = [one.value for one in alerts if one.series == course.series]
    plot = Plot.of(course, until, values, watched.watch.unit, currency, TOP, HEIGHT)
    spoken = escape(f"{heading(watched)}: {_spoken(watched, alerts, zone)}")
    drawn = f"{plot.drawn(zone)}{''.join(_marks(alerts, plot, zone))}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" aria-label="{spoken}"'
    if not alone:
        return f'{head} width="100%" height="{HEIGHT}">{drawn}</svg>'
    name = f"{heading(watched)}{unit_words(watched.watch.unit, currency)}. {caption(watched)}"
    return (f'{head} width="960" height="{HEIGHT + TITLE}"><style>{COLOURS}</style>'
            f'<rect width="100%" height="100%" fill="var(--paper)"/><text class="title" x="2" y="20">{escape(name)}'
            f'</text><svg y="{TITLE}" width="100%" height="{HEIGHT}">{drawn}</svg></svg>')


def heading(watched: Watched) -> str:
    """What is measured, as a title."""
    words = line(watched.watch.words)
    return words[:1].upper() + words[1:]


def unit_words(unit: str, currency: str) -> str:
    """The unit as it follows a title; empty where there is none, and for rates, whose titles say it."""
    if unit.startswith("1/"):
        return ""
    words = {"s": "seconds", "d": "days", "ratio": "per cent", "currency": currency}.get(unit, unit)
    return f", in {words}" if words else ""


def marked(watched: Watched) -> list[Alert]:
    """The alerts that a picture numbers, the oldest first."""
    return sorted((*watched.alerts, *watched.shared), key=lambda one: (one.at, one.series))


def caption(watched: Watched) -> str:
    """What the picture shows, in words."""
    assert watched.course is not None
    name = watched.course.series.text
    which = f"{line(name, 160)}, " if name else ""
    if watched.series == 1:
        return f"{which}the only series" if which else "The only series"
    most = "the one with most alerts" if marked(watched) else "the first"
    return f"{which}{most} of {watched.series:,} series"


def close_up(one: Alert, unit: str, zone: ZoneInfo, currency: str) -> str:
    """The hours around the beginning of an alert, its time shaded; empty when they were not kept."""
    course = one.close
    if course is None:
        return ""
    until = course.start + course.low.size * course.width
    plot = Plot.of(course, until, [one.value], unit, currency, CLOSE_TOP, CLOSE_HEIGHT)
    x = plot.x(one.at)
    wide = plot.x(one.until + course.width) - x
    return (f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" width="100%" height="{CLOSE_HEIGHT}" '
            f'aria-label="The hours around {local(one.at, zone)}"><g class="alert {one.severity}"><rect class="lasts" '
            f'x="{x:.2f}%" y="{CLOSE_TOP}" width="{wide:.2f}%" height="{plot.bottom - CLOSE_TOP}"/></g>'
            f"{plot.drawn(zone)}{_mark(one, plot)}</svg>")


def _mark(one: Alert, plot: Plot) -> str:
    """Line and dot of an alert."""
    x = plot.x(one.at)
    drawn = f'<line x1="{x:.2f}%" x2="{x:.2f}%" y1="{plot.top - 4}" y2="{plot.bottom}"/>'
    if one.series == plot.course.series and np.isfinite(one.value):
        drawn += f'<circle class="dot" cx="{x:.2f}%" cy="{plot.y(one.value):.1f}" r="4.5"/>'
    return f'<g class="alert {one.severity}">{drawn}</g>'


def _marks(alerts: Sequence[Alert], plot: Plot, zone: ZoneInfo) -> Iterator[str]:
    """Lines and dots, and above them the numbers."""
    yield from (_mark(one, plot) for one in alerts)
    places = [plot.x(one.at) for one in alerts]
    groups = _together(places)
    for group in groups:
        x = places[group[0]]
        worst = max((alerts[place].severity for place in group), key=CLASSES.index)
        name = f"{group[0] + 1}" if len(group) == 1 else f"{group[0] + 1}-{group[-1] + 1}"
        half = 6 + 4 * len(name)
        yield (f'<g class="alert {worst}"><rect class="badge" x="{x:.2f}%" y="{TOP - 24}" width="{2 * half}" '
               f'height="20" rx="10" transform="translate(-{half})"/><text x="{x:.2f}%" y="{TOP - 10}">{name}</text>')
        if len(group) == 1 and all(abs(places[other[0]] - x) > _TIME for other in groups if other is not group):
            side, shift = ("start", 15) if x < 50 else ("end", -15)
            yield (f'<text class="time {side}" x="{x:.2f}%" dx="{shift}" y="{TOP - 10}">'
                   f"{short(alerts[group[0]].at, zone)}</text>")
        yield "</g>"


def _together(places: Sequence[float]) -> list[list[int]]:
    """Which marks share a badge: those that are too near to the first of it."""
    groups: list[list[int]] = []
    for place, x in enumerate(places):
        if groups and x - places[groups[-1][0]] < _BADGE:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def _spoken(watched: Watched, alerts: Sequence[Alert], zone: ZoneInfo) -> str:
    """What a reader who does not see the picture is told."""
    if not alerts:
        return "no alerts"
    first = alerts[0]
    more = f", and {len(alerts) - 1} more" if len(alerts) > 1 else ""
    value = f" at {quantity(first.value, watched.watch.unit)}" if first.series.watch == watched.watch.name else ""
    return f"alert on {local(first.at, zone)}{value}{more}"
