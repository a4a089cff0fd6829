"""Panels for shares, bounded ratios, spans, bars to both sides of zero, and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana.source.panels import TEXT, Figure, Line, Say, dressed, fixed, lettered, merged, now, table_of
from grafana.source.sdk import barchart, common, gauge, kinds, model, piechart, piechart_kinds, stat, units


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a banner says while its value lies in [low, high)."""

    low: float | None
    high: float | None
    text: str
    colour: str = TEXT


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar per group in a diverging chart."""

    name: str
    expr: str
    colour: str


def diverging(say: Say, label: str, unit: str, *bars: Bar, decimals: int = 0) -> model.Panel:
    """Bars to both sides of zero, grouped by the values of ``label``; the highest first bar is on top."""
    panel = grouped(label).targets([table_of(letter, bar.expr) for letter, bar in lettered(bars)])
    panel.show_value(kinds.VisibilityMode.AUTO).axis_centered_zero(True)
    for bar in bars:
        panel.override_by_name(bar.name, [fixed(bar.colour)])
    # A horizontal bar chart draws its first row at the bottom.
    panel.transformations([*merged((label,), [bar.name for bar in bars]), model.DataTransformerConfig(
        id_val="sortBy", options={"fields": {}, "sort": [{"field": bars[0].name}]})])
    return dressed(panel.build(), say, unit, decimals)


def grouped(label: str) -> barchart.Panel:
    """Horizontal bars, a group for each value of ``label``."""
    return (
        barchart.Panel().orientation(kinds.VizOrientation.HORIZONTAL).x_field(label).bar_width(0.9).group_width(0.75)
        .fill_opacity(90).tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI))
        .legend(common.VizLegendOptions().display_mode(kinds.LegendDisplayMode.LIST)
                .placement(kinds.LegendPlacement.BOTTOM).show_legend(True))
    )


def donut(say: Say, expr: str, legend: str, unit: str, colours: Mapping[str, str], *, decimals: int = 0,
          words: Mapping[str, str] | None = None) -> model.Panel:
    """Shares of a whole, one slice a series, each with its share in the legend.

    ``colours`` by name of the series, a regular expression; ``words`` are shown in place of these names.
    """
    panel = (
        piechart.Panel().targets([now("A", expr, legend)]).pie_type(piechart_kinds.PieChartType.DONUT)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .legend(piechart.PieChartLegendOptions().display_mode(kinds.LegendDisplayMode.TABLE)
                .placement(kinds.LegendPlacement.RIGHT).show_legend(True)
                .values([piechart_kinds.PieChartLegendValues.VALUE, piechart_kinds.PieChartLegendValues.PERCENT]))
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.SINGLE))
    )
    made = dressed(panel.build(), say, unit, decimals)
    assert made.field_config is not None
    # Values of the label, which no query names: matched by a regular expression each.
    made.field_config.overrides = [model.DashboardFieldConfigSourceOverrides(
        matcher=model.MatcherConfig(id_val="byRegexp", options=f"/^{name}$/"),
        properties=[fixed(colour), *([model.DynamicConfigValue(id_val="displayName", value=words[name])]
                                     if words and name in words else [])])
        for name, colour in colours.items()]
    return made


def dial(say: Say, figure: Figure, low: float, high: float) -> model.Panel:
    """One bounded number on its scale, with the thresholds on the rim."""
    panel = (
        gauge.Panel().targets([now("A", figure.expr, figure.name)]).min(low).max(high)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .show_threshold_labels(False).show_threshold_markers(True)
    )
    return dressed(panel.build(), say, figure.unit, figure.decimals, figure.steps)


def ranges(say: Say, label: str, unit: str, low: Line, middle: Line, high: Line, *, decimals: int = 1,
           sort: str = "") -> model.Panel:
    """A horizontal span per value of ``label``: from low to middle in one colour, from middle to high in the next.

    The bars are stacked differences, so they carry no figures: put a table of the three beside it. The one with the
    largest part of the name ``sort`` is on top.
    """
    cells = [(low.name, low.expr, "transparent"), (middle.name, f"({middle.expr}) - ({low.expr})", middle.colour),
             (high.name, f"({high.expr}) - ({middle.expr})", high.colour)]
    panel = grouped(label).stacking(kinds.StackingMode.NORMAL)
    panel.targets([table_of(letter, expr) for letter, (_, expr, _) in lettered(cells)]).axis_soft_min(0)
    panel.show_value(kinds.VisibilityMode.NEVER).tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.NONE))
    for name, _, colour in cells:
        hidden = {"legend": colour == "transparent", "tooltip": False, "viz": False}
        panel.override_by_name(name, [fixed(colour), model.DynamicConfigValue(id_val="custom.hideFrom", value=hidden)])
    steps = merged((label,), [name for name, _, _ in cells])
    if sort:
        # A horizontal bar chart draws its first row at the bottom.
        steps.append(model.DataTransformerConfig(id_val="sortBy", options={"fields": {}, "sort": [{"field": sort}]}))
    panel.transformations(steps)
    return dressed(panel.build(), say, unit, decimals)


def banner(say: Say, expr: str, *sentences: Sentence) -> model.Panel:
    """A sentence instead of a number: what the number means."""
    panel = (
        stat.Panel().targets([now("A", expr, "")]).graph_mode(kinds.BigValueGraphMode.NONE)
        .color_mode(kinds.BigValueColorMode.VALUE).text_mode(kinds.BigValueTextMode.VALUE)
        .text(common.VizTextDisplayOptions().value_size(18))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .mappings([_means(one) for one in sentences])
    )
    return dressed(panel.build(), say, units.NoUnit, 2, _steps(sentences))


def _means(sentence: Sentence) -> model.RangeMap:
    # Grafana's ranges are closed on both sides; the first that fits is taken.
    return model.RangeMap(options=model.DashboardRangeMapOptions(
        from_val=sentence.low, to=sentence.high,
        result=model.ValueMappingResult(text=sentence.text, color=sentence.colour, index=0)))


def _steps(sentences: Sequence[Sentence]) -> tuple[tuple[float, str], ...]:
    return tuple((sentence.low if sentence.low is not None else -1e9, sentence.colour) for sentence in sentences)
