"""Panels for many series of one kind, whose names nobody knows before: lines by label, and heatmaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana.source.panels import LEAST_SHARE, RED, SOURCE, Say, dressed, fixed, lettered, over_time
from grafana.source.sdk import (
    common,
    heatmap,
    heatmap_kinds,
    kinds,
    model,
    prometheus,
    prometheus_kinds,
    timeseries,
    units,
)

POINTS = 120
"""Most points in time of what reads all buckets of all routes: one for each pixel would cost several times as much."""


LIMIT = "Limit of the alert"
DASHES = model.DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [8, 6]})


@dataclass(frozen=True, slots=True)
class Known:
    """How lines look whose whole name fits ``pattern``, a regular expression; all that fit hold.

    Grafana's palettes are no choice for people with any colour vision: the one that is safe came with version 13
    (grafana/grafana#121385), and pages of older ones break on its name (grafana/grafana#114424).
    """

    pattern: str
    colour: str = ""
    dashed: bool = False

    def override(self) -> model.DashboardFieldConfigSourceOverrides:
        """The same for Grafana."""
        looks = [*([fixed(self.colour)] if self.colour else []), *([DASHES] if self.dashed else [])]
        return model.DashboardFieldConfigSourceOverrides(
            matcher=model.MatcherConfig(id_val="byRegexp", options=f"/^(?:{self.pattern})$/"), properties=looks)


def by_label(say: Say, unit: str, *queries: tuple[str, str], decimals: int = 1, interval: str = "",
             many: bool = True, points: int = 0, limit: str = "", log: bool = False,
             by_name: bool = True, known: Sequence[Known] = (), high: float = LEAST_SHARE) -> model.Panel:
    """Lines over time, one per series of each (PromQL, legend).

    ``by_name``: a name has the same colour on every panel, but two names may look alike; else the few lines of this
    one differ. ``known`` lines look as stated.
    ``high``: the least end of an axis of shares.
    ``many``: the legend is a table beside the plot, the largest last value first; else a line of names below.
    ``points`` bounds how many points a line has, where a query is dear.
    ``limit``: PromQL of a dashed line that a value must not cross. ``log``: the axis is logarithmic; 0 is not on it.
    """
    if limit:
        queries = (*queries, (limit, LIMIT))
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
    if points:
        panel.max_data_points(points)
    if unit == units.PercentUnit:
        panel.axis_soft_max(high)
    if limit:
        panel.override_by_name(LIMIT, [fixed(RED), DASHES])
    if log:
        panel.scale_distribution(common.ScaleDistributionConfig().type(kinds.ScaleDistribution.LOG).log(10))
    made = dressed(panel.build(), say, unit, decimals)
    assert made.field_config is not None
    assert made.field_config.defaults is not None
    palette = model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME if by_name else model.FieldColorModeId.PALETTE_CLASSIC
    made.field_config.defaults.color = model.FieldColor(mode=palette)
    made.field_config.overrides += [one.override() for one in known]
    return made


def buckets(say: Say, expr: str, unit: str, *, interval: str = "") -> model.Panel:
    """A heatmap over time of the buckets of a histogram: the query keeps ``le`` alone.

    ``interval`` is the shortest for a rate.
    """
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
    if interval:
        panel.interval(interval)
    return dressed(panel.build(), say, unit, 0)
