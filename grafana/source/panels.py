"""Panels with one look: each says what it shows, how that is defined and what to do when it is empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana.source.sdk import (
    barchart,
    bargauge,
    common,
    kinds,
    model,
    prometheus,
    prometheus_kinds,
    stat,
    statetimeline,
    table,
    timeseries,
    units,
)

BLUE, ORANGE, GREEN, PINK = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, RED, GREY, TEXT = "#56B4E9", "#D55E00", "#8C8C8C", "text"
"""Okabe and Ito's palette, which people with any colour vision tell apart; TEXT is the theme's own."""

T = TypeVar("T")

SOURCE = kinds.DataSourceRef(type_val="prometheus", uid="${datasource}")
POINTS = "suffix: pp"
"""Unit of a difference between two ratios."""


@dataclass(frozen=True, slots=True)
class Say:
    """What a panel tells its reader. ``number`` is its lasting id; ``empty`` says what to configure."""

    number: int
    title: str
    description: str
    empty: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: a value in a stat panel or a column of a table. ``steps`` are (from, colour), ascending."""

    name: str
    expr: str
    unit: str = units.Short
    decimals: int = 1
    steps: tuple[tuple[float, str], ...] = ()
    width: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a time series, with its interval as a band when both bounds are given."""

    name: str
    expr: str
    colour: str
    dashed: bool = False
    lower: str = ""
    upper: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar per group in a diverging chart."""

    name: str
    expr: str
    colour: str


def stats(say: Say, *figures: Figure, interval: str = "") -> model.Panel:
    """The first figure large, the others beside it, each as of now; ``interval`` is the shortest for a rate."""
    panel = (
        stat.Panel().targets([_now(letter, one.expr, one.name) for letter, one in lettered(figures)])
        .graph_mode(kinds.BigValueGraphMode.NONE).color_mode(kinds.BigValueColorMode.VALUE)
        .text_mode(kinds.BigValueTextMode.VALUE_AND_NAME).orientation(kinds.VizOrientation.VERTICAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    for figure in figures[1:]:
        panel.override_by_name(figure.name, [*_number(figure), *_colour(figure)])
    if interval:
        panel.interval(interval)
    return dressed(panel.build(), say, figures[0].unit, figures[0].decimals, figures[0].steps)


def bars(say: Say, expr: str, legend: str, unit: str, *, decimals: int = 0) -> model.Panel:
    """Horizontal bars from zero, one per series, in the order that the query gives."""
    panel = (
        bargauge.Panel().targets([_now("A", expr, legend)]).orientation(kinds.VizOrientation.HORIZONTAL)
        .display_mode(kinds.BarGaugeDisplayMode.BASIC).value_mode(kinds.BarGaugeValueMode.TEXT)
        .name_placement(kinds.BarGaugeNamePlacement.LEFT).show_unfilled(True).min(0)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    return dressed(panel.build(), say, unit, decimals, ((0, BLUE),))


def lines(say: Say, unit: str, *drawn: Line, decimals: int = 1, stacked: bool = False,
          points: int = 0) -> model.Panel:
    """Lines over time, or areas on top of each other; an interval is a shaded band without entry in the legend.

    ``points`` bounds how many points a line has, where a query is dear.
    """
    queries: list[tuple[str, str]] = []
    panel = (
        timeseries.Panel().line_width(2).fill_opacity(0).show_points(kinds.VisibilityMode.NEVER)
        .line_interpolation(kinds.LineInterpolation.LINEAR).span_nulls(False).axis_soft_min(0)
        .legend(common.VizLegendOptions().display_mode(kinds.LegendDisplayMode.LIST)
                .placement(kinds.LegendPlacement.BOTTOM).show_legend(True))
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI))
    )
    for line in drawn:
        queries.append((line.expr, line.name))
        panel.override_by_name(line.name, _stroke(line))
        if line.lower and line.upper:
            low, high = f"{line.name}, 95 % from", f"{line.name}, 95 % to"
            queries += [(line.lower, low), (line.upper, high)]
            panel.override_by_name(low, _edge(line.colour))
            panel.override_by_name(high, [*_edge(line.colour), _property("custom.fillBelowTo", low),
                                          _property("custom.fillOpacity", 20)])
    panel.targets([over_time(letter, *query) for letter, query in lettered(queries)])
    if points:
        panel.max_data_points(points)
    if stacked:
        panel.fill_opacity(60).line_width(1).stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL))
    return dressed(panel.build(), say, unit, decimals)


def diverging(say: Say, label: str, unit: str, *bars: Bar, decimals: int = 0) -> model.Panel:
    """Bars to both sides of zero, grouped by the values of ``label``; the highest first bar is on top."""
    panel = (
        barchart.Panel().targets([_table(letter, bar.expr) for letter, bar in lettered(bars)])
        .orientation(kinds.VizOrientation.HORIZONTAL).x_field(label).bar_width(0.9).group_width(0.75)
        .show_value(kinds.VisibilityMode.AUTO).axis_centered_zero(True).fill_opacity(90)
        .legend(common.VizLegendOptions().display_mode(kinds.LegendDisplayMode.LIST)
                .placement(kinds.LegendPlacement.BOTTOM).show_legend(True))
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI))
    )
    for bar in bars:
        panel.override_by_name(bar.name, [_fixed(bar.colour)])
    # A horizontal bar chart draws its first row at the bottom.
    panel.transformations([*_merged((label,), [bar.name for bar in bars]), model.DataTransformerConfig(
        id_val="sortBy", options={"fields": {}, "sort": [{"field": bars[0].name}]})])
    return dressed(panel.build(), say, unit, decimals)


def rows(say: Say, labels: dict[str, str], *columns: Figure, sort: str,
         descending: bool = True, interval: str = "") -> model.Panel:
    """A table: ``labels`` maps label names to headings, then a column per figure, sorted by heading ``sort``.

    ``interval`` is the shortest for a rate.
    """
    panel = (
        table.Panel().targets([_table(letter, column.expr) for letter, column in lettered(columns)])
        .show_header(True).cell_height(kinds.TableCellHeight.SM)
        .sort_by([common.TableSortByFieldState().display_name(sort).desc(descending)])
    )
    for column in columns:
        properties = [*_number(column), *_colour(column)]
        if column.width:
            properties.append(_property("custom.width", column.width))
        if column.steps:
            properties.append(_property("custom.cellOptions", {"type": "color-text"}))
        panel.override_by_name(column.name, properties)
    if interval:
        panel.interval(interval)
    panel.transformations(_merged(tuple(labels), [column.name for column in columns], labels))
    return dressed(panel.build(), say, columns[0].unit, columns[0].decimals)


def states(say: Say, expr: str, legend: str, good: str, bad: str) -> model.Panel:
    """A strip per series that is ``good`` where the value is 1 and ``bad`` where it is 0."""
    panel = (
        statetimeline.Panel().targets([over_time("A", expr, legend)])
        .show_value(kinds.VisibilityMode.NEVER).merge_values(True).row_height(0.8).fill_opacity(90)
        .legend(common.VizLegendOptions().display_mode(kinds.LegendDisplayMode.LIST)
                .placement(kinds.LegendPlacement.BOTTOM).show_legend(True))
        .mappings([model.ValueMap(options={
            "0": model.ValueMappingResult(text=bad, color=RED, index=0),
            "1": model.ValueMappingResult(text=good, color=BLUE, index=1),
        })])
    )
    return dressed(panel.build(), say, units.NoUnit, 0, ((0, RED), (1, BLUE)))


def linked(panel: model.Panel, field: str, title: str, url: str) -> model.Panel:
    """The panel with a data link on the values of one field."""
    assert panel.field_config is not None
    panel.field_config.overrides.append(model.DashboardFieldConfigSourceOverrides(
        matcher=model.MatcherConfig(id_val="byName", options=field),
        properties=[_property("links", [{"title": title, "url": url}])]))
    return panel


def dressed(panel: model.Panel, say: Say, unit: str, decimals: int,
            steps: tuple[tuple[float, str], ...] = ()) -> model.Panel:
    """The panel with its texts, unit, decimals and colours."""
    panel.id_val, panel.title, panel.description = say.number, say.title, say.description
    panel.datasource = SOURCE
    config = panel.field_config = panel.field_config or model.FieldConfigSource()
    defaults = config.defaults = config.defaults or model.FieldConfig()
    defaults.unit, defaults.decimals, defaults.no_value = unit, decimals, say.empty
    defaults.thresholds = _thresholds(steps)
    if steps or panel.type_val == "stat":
        defaults.color = model.FieldColor(mode=model.FieldColorModeId.THRESHOLDS)
    return panel


def _thresholds(steps: tuple[tuple[float, str], ...]) -> model.ThresholdsConfig:
    # The first step of Grafana has no value: it holds from minus infinity up.
    first, *others = steps or ((0.0, TEXT),)
    return model.ThresholdsConfig(mode=model.ThresholdsMode.ABSOLUTE, steps=[
        model.Threshold(value=None, color=first[1]),
        *(model.Threshold(value=value, color=colour) for value, colour in others)])


def _merged(labels: tuple[str, ...], names: list[str],
            headings: dict[str, str] | None = None) -> list[model.DataTransformerConfig]:
    renamed = {"Value" if len(names) == 1 else f"Value #{letter}": name for letter, name in lettered(names)}
    order = [*labels, *renamed]
    return [
        model.DataTransformerConfig(id_val="merge", options={}),
        model.DataTransformerConfig(id_val="organize", options={
            "excludeByName": {"Time": True},
            "indexByName": {name: index for index, name in enumerate(order)},
            "renameByName": {**renamed, **(headings or {})},
        }),
    ]


def _number(figure: Figure) -> list[model.DynamicConfigValue]:
    return [_property("unit", figure.unit), _property("decimals", figure.decimals)]


def _colour(figure: Figure) -> list[model.DynamicConfigValue]:
    if not figure.steps:
        return [_fixed(TEXT)]
    steps = _thresholds(figure.steps).to_json()
    return [_property("thresholds", steps), _property("color", {"mode": "thresholds"})]


def _stroke(line: Line) -> list[model.DynamicConfigValue]:
    style = {"fill": "dash", "dash": [8, 6]} if line.dashed else {"fill": "solid"}
    return [_fixed(line.colour), _property("custom.lineStyle", style)]


def _edge(colour: str) -> list[model.DynamicConfigValue]:
    hidden = {"legend": True, "tooltip": False, "viz": False}
    return [_fixed(colour), _property("custom.lineWidth", 0), _property("custom.hideFrom", hidden)]


def _fixed(colour: str) -> model.DynamicConfigValue:
    return _property("color", {"mode": "fixed", "fixedColor": colour})


def _property(name: str, value: object) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val=name, value=value)


def _now(letter: str, expr: str, legend: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(letter).expr(expr).legend_format(legend).instant().datasource(SOURCE)


def over_time(letter: str, expr: str, legend: str) -> prometheus.Dataquery:
    """A range query."""
    return prometheus.Dataquery().ref_id(letter).expr(expr).legend_format(legend).range().datasource(SOURCE)


def _table(letter: str, expr: str) -> prometheus.Dataquery:
    return _now(letter, expr, "").format(prometheus_kinds.PromQueryFormat.TABLE)


def lettered(items: Sequence[T]) -> list[tuple[str, T]]:
    """The items with the letters of their queries."""
    return [(chr(ord("A") + index), item) for index, item in enumerate(items)]
