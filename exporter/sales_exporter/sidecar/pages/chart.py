"""The chart of a case: the value inside the range in which it was expected, the time of the alert shaded."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sales_exporter.sidecar.backtest.axes import local
from sales_exporter.sidecar.backtest.course import Course
from sales_exporter.sidecar.backtest.plot import Plot
from sales_exporter.sidecar.pages.markup import Html, tag

HEIGHT, TOP = 220, 14
"""Of the chart, and of the strip above the plot, in pixels."""


@dataclass(frozen=True, slots=True)
class Band:
    """A series in its expected range over a time, and what it is measured in."""

    course: Course
    until: float
    unit: str
    currency: str
    words: str
    """What is measured."""


def chart(band: Band, began: float, ended: float, severity: str, zone: ZoneInfo) -> Html:
    """A figure. ``began`` and ``ended`` are those of the alert, of which the part in the picture is marked."""
    plot = Plot.of(band.course, band.until, [], band.unit, band.currency, TOP, HEIGHT)
    left, right = plot.x(began), plot.x(ended)
    shade = (f'<g class="alert {severity}"><rect class="lasts" x="{left:.2f}%" y="{TOP}" '
             f'width="{max(right - left, 0.4):.2f}%" height="{plot.bottom - TOP}"/><line x1="{left:.2f}%" '
             f'x2="{left:.2f}%" y1="{TOP - 6}" y2="{plot.bottom}"/></g>')
    spoken = (f"{band.words} from {local(band.course.start, zone)} to {local(band.until, zone)}, inside its expected "
              "range")
    drawn = tag("svg", Html(shade + plot.drawn(zone)), class_="chart", role="img", aria_label=spoken, width="100%",
                height=str(HEIGHT))
    keys = tag("span", tag("span", "Value", class_="key level"), tag("span", "Expected range", class_="key band"),
               tag("span", "This alert", class_=f"key lasts {severity}"), class_="keys")
    name = band.course.series.text
    caption = tag("figcaption", tag("b", band.words[:1].upper() + band.words[1:]),
                  tag("span", name, class_="soft") if name else None, keys)
    return tag("figure", caption, drawn, class_="card", id="chart", data_live=True)


def missing(why: str) -> Html:
    """What is said where a chart would be."""
    return tag("figure", tag("p", why, class_="soft"), class_="card", id="chart", data_live=True)
