"""Panels with one look: each says what it shows, how that is defined and what to do when it is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana.source.sdk import (
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
from sales_exporter.grafana.look import LARGE

BLUE, ORANGE, GREEN, PINK = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, RED, GREY, TEXT = "#56B4E9", "#D55E00", "#8C8C8C", "text"
"""Okabe and Ito's palette, which people with any colour vision tell apart; TEXT is the theme's own."""

LEAST_SHARE = 0.01
"""A share that is always 0 would be drawn on an axis up to 10,000 %."""

T = TypeVar("T")

SOURCE = kinds.DataSourceRef(type_val="prometheus", uid="${datasource}")
POINTS = "suffix: pp"
"""Unit of a difference between two ratios."""
LETTER, MARGIN, ARROW = 7, 20, 18
"""Pixels of a table's heading: a letter, the room beside it, and the arrow of the column that is sorted."""
COLUMN, SPAN, NAME = 68, 84, 96
"""Pixels that a column has at least: one of figures, one of durations, and one of names, below which a table scrolls to
the side."""


@dataclass(frozen=True, slots=True)
class Say:
    """What a panel tells its reader. ``number`` is its lasting id; ``empty`` says in few words what is missing and,
    after a colon, what to configure."""

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
    level: int = 95
    """Percent of cases that the interval is to hold."""


def stats(say: Say, *figures: Figure, interval: str = "") -> model.Panel:
    """The first figure large, the others beside it, each as of now; ``interval`` is the shortest for a rate."""
    panel = (
        stat.Panel().targets([now(letter, one.expr, one.name) for letter, one in lettered(figures)])
        .graph_mode(kinds.BigValueGraphMode.NONE).color_mode(kinds.BigValueColorMode.VALUE)
        .text_mode(kinds.BigValueTextMode.VALUE_AND_NAME).orientation(kinds.VizOrientation.VERTICAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    for figure in figures[1:]:
        panel.override_by_name(figure.name, [*_number(figure), *_colour(figure)])
    if len(figures) == 1 and "{{" not in figures[0].name:
        # The title names it.
        panel.text_mode(kinds.BigValueTextMode.VALUE)
    if interval:
        panel.interval(interval)
    return dressed(panel.build(), say, figures[0].unit, figures[0].decimals, figures[0].steps)


def bars(say: Say, expr: str, legend: str, unit: str, *, decimals: int = 0, high: float | None = None) -> model.Panel:
    """Horizontal bars from zero, one per series, as the query orders them; ``high`` is what a full one means."""
    panel = (
        bargauge.Panel().targets([now("A", expr, legend)]).orientation(kinds.VizOrientation.HORIZONTAL)
        .display_mode(kinds.BarGaugeDisplayMode.BASIC).value_mode(kinds.BarGaugeValueMode.TEXT)
        .name_placement(kinds.BarGaugeNamePlacement.LEFT).show_unfilled(True).min(0)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    if high is not None:
        panel.max(high)
    return dressed(panel.build(), say, unit, decimals, ((0, BLUE),))


def lines(say: Say, unit: str, *drawn: Line, decimals: int = 1, stacked: bool = False,
          points: int = 0, interval: str = "") -> model.Panel:
    """Lines over time, or areas on top of each other; an interval is a shaded band without entry in the legend.

    ``points`` bounds how many points a line has, where a query is dear; ``interval`` is the shortest for a rate.
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
            low, high = f"{line.name}, {line.level} % from", f"{line.name}, {line.level} % to"
            queries += [(line.lower, low), (line.upper, high)]
            panel.override_by_name(low, _edge(line.colour))
            panel.override_by_name(high, [*_edge(line.colour), _property("custom.fillBelowTo", low),
                                          _property("custom.fillOpacity", 20)])
    panel.targets([over_time(letter, *query) for letter, query in lettered(queries)])
    if points:
        panel.max_data_points(points)
    if interval:
        panel.interval(interval)
    if unit == units.PercentUnit:
        panel.axis_soft_max(LEAST_SHARE)
    if stacked:
        panel.fill_opacity(60).line_width(1).stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL))
    return dressed(panel.build(), say, unit, decimals)


def rows(say: Say, labels: dict[str, str], *columns: Figure, sort: str, descending: bool = True, interval: str = "",
         hidden: Sequence[str] = (), widths: Mapping[str, int] | None = None) -> model.Panel:
    """A table: ``labels`` maps label names to headings, then a column per figure, sorted by heading ``sort``.

    ``interval`` is the shortest for a rate; ``hidden`` are columns that are not shown: labels that tell rows apart, or
    ``Value`` where the rows themselves are the answer. ``widths`` are those of label columns, by heading.
    """
    panel = (
        table.Panel().targets([table_of(letter, column.expr) for letter, column in lettered(columns)])
        .show_header(True).cell_height(kinds.TableCellHeight.SM).min_width(NAME)
        .sort_by([common.TableSortByFieldState().display_name(sort).desc(descending)])
    )
    for column in columns:
        # What to configure is said where the whole table is empty, and not in every cell that is.
        properties = [*_number(column), *_colour(column), _property("noValue", "-"),
                      _property("custom.width", column.width or _width(column, is_sorted=column.name == sort))]
        if column.steps:
            # What is missing is neither good nor bad.
            nothing = model.SpecialValueMap(options=model.DashboardSpecialValueMapOptions(
                match=model.SpecialValueMatch.NULL, result=model.ValueMappingResult(text="-", color=TEXT)))
            properties += [_property("custom.cellOptions", {"type": "color-text"}),
                           _property("mappings", [nothing.to_json()])]
        panel.override_by_name(column.name, properties)
    for heading, width in (widths or {}).items():
        panel.override_by_name(heading, [_property("custom.width", width)])
    if interval:
        panel.interval(interval)
    panel.transformations(merged(tuple(labels), [column.name for column in columns], labels, hidden))
    return _wrapped(dressed(panel.build(), say, columns[0].unit, columns[0].decimals), list(labels.values()))


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


def worded(panel: model.Panel, field: str, words: Mapping[str, str] | str) -> model.Panel:
    """The panel with words in place of the values of one field: by value, or one word for all."""
    assert panel.field_config is not None
    means = (_one(words) if isinstance(words, str) else model.ValueMap(options={
        value: model.ValueMappingResult(text=text, index=index) for index, (value, text) in enumerate(words.items())}))
    panel.field_config.overrides.append(model.DashboardFieldConfigSourceOverrides(
        matcher=model.MatcherConfig(id_val="byName", options=field),
        properties=[_property("mappings", [means.to_json()])]))
    return panel


def _one(word: str) -> model.RegexMap:
    return model.RegexMap(options=model.DashboardRegexMapOptions(
        pattern=".+", result=model.ValueMappingResult(text=word, index=0)))


def dressed(panel: model.Panel, say: Say, unit: str, decimals: int,
            steps: tuple[tuple[float, str], ...] = ()) -> model.Panel:
    """The panel with its texts, unit, decimals and colours."""
    panel.id_val, panel.title, panel.description, empty = say.number, say.title, say.description, say.empty
    if panel.type_val in LARGE:
        panel.description += f"\n\nWhen it is empty: {empty}."
        empty = empty.partition(":")[0]
    panel.datasource = SOURCE
    config = panel.field_config = panel.field_config or model.FieldConfigSource()
    defaults = config.defaults = config.defaults or model.FieldConfig()
    defaults.unit, defaults.decimals, defaults.no_value = unit, decimals, empty
    defaults.thresholds = _thresholds(steps)
    if steps or panel.type_val == "stat":
        defaults.color = model.FieldColor(mode=model.FieldColorModeId.THRESHOLDS)
    return panel


def _wrapped(panel: model.Panel, fields: Sequence[str]) -> model.Panel:
    # Names take as many lines as they need: a phone has no room for them on one.
    assert panel.field_config is not None
    # Grafana 12.1 and older read it in the options of the cell, newer ones in the field.
    properties = [_property("custom.cellOptions", {"type": "auto", "wrapText": True}),
                  _property("custom.wrapText", True)]
    panel.field_config.overrides += [model.DashboardFieldConfigSourceOverrides(
        matcher=model.MatcherConfig(id_val="byName", options=field), properties=properties) for field in fields]
    return panel


def _thresholds(steps: tuple[tuple[float, str], ...]) -> model.ThresholdsConfig:
    # The first step of Grafana has no value: it holds from minus infinity up.
    first, *others = steps or ((0.0, TEXT),)
    return model.ThresholdsConfig(mode=model.ThresholdsMode.ABSOLUTE, steps=[
        model.Threshold(value=None, color=first[1]),
        *(model.Threshold(value=value, color=colour) for value, colour in others)])


def merged(labels: tuple[str, ...], names: list[str], headings: dict[str, str] | None = None,
           hidden: Sequence[str] = ()) -> list[model.DataTransformerConfig]:
    """The queries side by side, a row for each set of labels: their columns first, then those of the ``names``."""
    renamed = {"Value" if len(names) == 1 else f"Value #{letter}": name for letter, name in lettered(names)}
    order = [*labels, *renamed]
    return [
        model.DataTransformerConfig(id_val="merge", options={}),
        model.DataTransformerConfig(id_val="organize", options={
            "excludeByName": {"Time": True, **dict.fromkeys(hidden, True)},
            "indexByName": {name: index for index, name in enumerate(order)},
            "renameByName": {**renamed, **(headings or {})},
        }),
    ]


def _width(column: Figure, *, is_sorted: bool) -> int:
    # Columns of figures are as wide as their headings, so that names get the rest.
    least = SPAN if column.unit == units.Seconds else COLUMN
    return max(least, LETTER * len(column.name) + MARGIN + (ARROW if is_sorted else 0))


def _number(figure: Figure) -> list[model.DynamicConfigValue]:
    return [_property("unit", figure.unit), _property("decimals", figure.decimals)]


def _colour(figure: Figure) -> list[model.DynamicConfigValue]:
    if not figure.steps:
        return [fixed(TEXT)]
    steps = _thresholds(figure.steps).to_json()
    return [_property("thresholds", steps), _property("color", {"mode": "thresholds"})]


def _stroke(line: Line) -> list[model.DynamicConfigValue]:
    style = {"fill": "dash", "dash": [8, 6]} if line.dashed else {"fill": "solid"}
    return [fixed(line.colour), _property("custom.lineStyle", style)]


def _edge(colour: str) -> list[model.DynamicConfigValue]:
    hidden = {"legend": True, "tooltip": False, "viz": False}
    return [fixed(colour), _property("custom.lineWidth", 0), _property("custom.hideFrom", hidden)]


def fixed(colour: str) -> model.DynamicConfigValue:
    """The property that gives a field one colour."""
    return _property("color", {"mode": "fixed", "fixedColor": colour})


def _property(name: str, value: object) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val=name, value=value)


def now(letter: str, expr: str, legend: str) -> prometheus.Dataquery:
    """An instant query."""
    return prometheus.Dataquery().ref_id(letter).expr(expr).legend_format(legend).instant().datasource(SOURCE)


def over_time(letter: str, expr: str, legend: str) -> prometheus.Dataquery:
    """A range query."""
    return prometheus.Dataquery().ref_id(letter).expr(expr).legend_format(legend).range().datasource(SOURCE)


def table_of(letter: str, expr: str) -> prometheus.Dataquery:
    """An instant query whose labels become columns."""
    return now(letter, expr, "").format(prometheus_kinds.PromQueryFormat.TABLE)


def lettered(items: Sequence[T]) -> list[tuple[str, T]]:
    """The items with the letters of their queries."""
    return [(chr(ord("A") + index), item) for index, item in enumerate(items)]
