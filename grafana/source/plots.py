"""Panels for many series of one kind, whose names nobody knows before: lines by label, and heatmaps."""

from __future__ import annotations

from grafana.source.panels import SOURCE, Say, dressed, lettered, over_time
from grafana.source.sdk import common, heatmap, heatmap_kinds, kinds, model, prometheus, prometheus_kinds, timeseries

POINTS = 120
"""Most points in time of what reads all buckets of all routes: one for each pixel would cost several times as much."""


def by_label(say: Say, unit: str, *queries: tuple[str, str], decimals: int = 1, interval: str = "",
             many: bool = True) -> model.Panel:
    """Lines over time, one per series of each (PromQL, legend); a name has the same colour on every panel.

    ``many``: the legend is a table beside the plot, the largest last value first; else a line of names below.
    """
    legend = common.VizLegendOptions().show_legend(True)
    if many:
        legend = (legend.display_mode(kinds.LegendDisplayMode.TABLE).placement(kinds.LegendPlacement.RIGHT)
                  .calcs(["last"]).sort_by("Last").sort_desc(True))
    else:
        legend = legend.display_mode(kinds.LegendDisplayMode.LIST).placement(kinds.LegendPlacement.BOTTOM)
    panel = (
        timeseries.Panel().targets([over_time(letter, *query) for letter, query in lettered(queries)])
        .line_width(2).fill_opacity(0).show_points(kinds.VisibilityMode.AUTO).point_size(4)
        .line_interpolation(kinds.LineInterpolation.LINEAR).span_nulls(False).axis_soft_min(0).legend(legend)
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING))
    )
    if interval:
        panel.interval(interval)
    made = dressed(panel.build(), say, unit, decimals)
    assert made.field_config is not None
    assert made.field_config.defaults is not None
    made.field_config.defaults.color = model.FieldColor(mode=model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME)
    return made


def buckets(say: Say, expr: str, unit: str) -> model.Panel:
    """A heatmap over time of the buckets of a histogram: the query keeps ``le`` alone."""
    target = (
        prometheus.Dataquery().ref_id("A").expr(expr).legend_format("{{le}}").range().datasource(SOURCE)
        .format(prometheus_kinds.PromQueryFormat.HEATMAP)
    )
    panel = (
        heatmap.Panel().targets([target]).calculate(False).cell_gap(1).max_data_points(POINTS).show_value(kinds.VisibilityMode.NEVER)
        .color(heatmap.HeatmapColorOptions().mode(heatmap_kinds.HeatmapColorMode.SCHEME).scheme("Blues")
               .scale(heatmap_kinds.HeatmapColorScale.EXPONENTIAL).exponent(0.5).steps(64).reverse(False))
        .y_axis(heatmap.YAxisConfig().unit(unit).axis_placement(kinds.AxisPlacement.LEFT))
        .rows_frame(heatmap.RowsHeatmapOptions().layout(kinds.HeatmapCellLayout.AUTO))
        # Cells without a request are left blank.
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .tooltip(heatmap.HeatmapTooltip().mode(kinds.TooltipDisplayMode.SINGLE).y_histogram(True).show_color_scale(True))
        .show_legend()
    )
    return dressed(panel.build(), say, unit, 0)
