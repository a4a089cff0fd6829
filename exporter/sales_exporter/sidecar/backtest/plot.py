"""The plot of a picture: axes, range and level of one course, as SVG; lengths across are shares of the width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from zoneinfo import ZoneInfo

import numpy as np

from sales_exporter.sidecar.backtest.axes import Scale, days, scale
from sales_exporter.sidecar.backtest.course import Course, Single

_ACROSS = 1000.0
BOTTOM = 24
"""Height of the strip below the plot, in pixels."""


@dataclass(frozen=True, slots=True)
class Plot:
    """Where moments and values lie in a picture of a height, with a strip above the plot and one below."""

    course: Course
    until: float
    axis: Scale
    top: int
    height: int

    @classmethod
    def of(cls, course: Course, until: float, values: Sequence[float], unit: str, currency: str, top: int,
           height: int) -> Plot:
        """With an axis on which the course and these values fit, and a tick every fifty pixels or so."""
        axis = _axis(course, values, unit, currency, round((height - top - BOTTOM) / 50))
        return cls(course, until, axis, top, height)

    @property
    def bottom(self) -> int:
        """Of the plot, from above."""
        return self.height - BOTTOM

    def x(self, at: float) -> float:
        """Where a moment lies, in per cent of the width."""
        start = self.course.start
        return 100 * min(max((at - start) / (self.until - start), 0.0), 1.0)

    def y(self, value: float) -> float:
        """Where a value lies, in pixels from above."""
        return self.top + (self.bottom - self.top) * (1 - self.axis.share(value))

    def drawn(self, zone: ZoneInfo) -> str:
        """Grid, curves and the names of ticks and days."""
        size = self.bottom - self.top
        return "".join((
            *self._grid(zone),
            f'<svg x="0" y="{self.top}" width="100%" height="{size}" viewBox="0 0 {_ACROSS:.0f} {size}" '
            'preserveAspectRatio="none">', *self._curves(), "</svg>", *self._labels()))

    def _grid(self, zone: ZoneInfo) -> Iterator[str]:
        for value, _ in self.axis.ticks:
            y = self.y(value)
            yield f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>'
        for at, name in days(self.course.start, self.until, zone):
            x = self.x(at)
            yield f'<line class="grid" x1="{x:.2f}%" x2="{x:.2f}%" y1="{self.top}" y2="{self.bottom + 5}"/>'
            # Near the right edge there is no room for a name.
            if x < 90:
                yield f'<text class="start" x="{x:.2f}%" dx="4" y="{self.height - 7}">{name}</text>'

    def _labels(self) -> Iterator[str]:
        """Names of the ticks, above their lines, over the curves; the topmost may lie above the picture."""
        for value, name in self.axis.ticks:
            if self.y(value) > 14:
                yield f'<text class="tick" x="2" y="{self.y(value) - 4:.1f}">{escape(name)}</text>'

    def _curves(self) -> Iterator[str]:
        course, axis, size = self.course, self.axis, self.bottom - self.top
        middle = (np.arange(course.low.size) + 0.5) * course.width
        x = _ACROSS * np.clip(middle / (self.until - course.start), 0, 1)
        lower, upper, low, high, expected = (
            size * (1 - np.clip((values - axis.bottom) / (axis.top - axis.bottom), 0, 1))
            for values in (course.lower, course.upper, course.low, course.high, course.expected))
        for piece in _runs(lower + upper):
            there = [*zip(x[piece], upper[piece], strict=True)]
            back = [*zip(x[piece], lower[piece], strict=True)][::-1]
            yield f'<path class="band" d="{_path([*there, *back])}Z"/>'
        for piece in _runs(expected):
            yield f'<path class="expected" d="{_path([*zip(x[piece], expected[piece], strict=True)])}"/>'
        for piece in _runs(low):
            yield f'<path class="level" d="{_path(_zigzag(x[piece], low[piece], high[piece]))}"/>'


def _axis(course: Course, more: Sequence[float], unit: str, currency: str, count: int) -> Scale:
    """An axis for all values; of the range only what does not make them a flat line."""
    values = np.concatenate((course.low, course.high, more))
    values = values[np.isfinite(values)]
    if not values.size:
        values = np.zeros(1)
    least, most = float(values.min()), float(values.max())
    room = max(most - least, 1e-3 * max(abs(least), abs(most)))
    lower, upper = course.lower[np.isfinite(course.lower)], course.upper[np.isfinite(course.upper)]
    if lower.size and upper.size:
        least = min(least, max(float(np.quantile(lower, 0.02)), least - room))
        most = max(most, min(float(np.quantile(upper, 0.98)), most + room))
    return scale(least, most, unit, currency, count)


def _runs(values: Single) -> Iterator[slice]:
    """Where there are values, without a gap."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], np.isfinite(values), [False])).astype(np.int8)))
    for begin, end in edges.reshape(-1, 2).tolist():
        yield slice(begin, end)


def _zigzag(x: Single, low: Single, high: Single) -> list[tuple[float, float]]:
    """Through both ends of each column, the nearer one first: no peak is lost."""
    points: list[tuple[float, float]] = []
    for at, one, other in zip(x.tolist(), low.tolist(), high.tolist(), strict=True):
        ends = (one, other) if not points or abs(points[-1][1] - one) <= abs(points[-1][1] - other) else (other, one)
        points += [(at, end) for end in (ends if one != other else ends[:1])]
    return points


def _path(points: Sequence[tuple[float, float]]) -> str:
    if len(points) == 1:
        # A lone sample is a short stroke, else it could not be seen.
        points = [(points[0][0] - 1, points[0][1]), (points[0][0] + 1, points[0][1])]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
