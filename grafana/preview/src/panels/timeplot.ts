/** Axes over time as Grafana draws them, around a drawing of our own. */

import type { GrafanaTheme2, TimeRange } from '@grafana/data';
import { AxisPlacement, ScaleDirection, ScaleOrientation } from '@grafana/schema';
import { UPlotConfigBuilder } from '@grafana/ui';
import type uPlot from 'uplot';

export interface Rows {
  /** How many rows there are; row 0 is the lowest. */
  count: number;
  /** Where labels stand, in rows from the bottom, and what they say. */
  ticks: number[];
  labels: string[];
}

/** A plot of rows over time that `draw` fills; there is no data in it that uPlot would draw itself. */
export function timePlot(rows: Rows, range: TimeRange, timeZone: string, theme: GrafanaTheme2,
                         draw: (plot: uPlot) => void): UPlotConfigBuilder {
  const builder = new UPlotConfigBuilder(timeZone);
  builder.addScale({
    scaleKey: 'x', isTime: true, orientation: ScaleOrientation.Horizontal, direction: ScaleDirection.Right,
    range: () => [range.from.valueOf(), range.to.valueOf()],
  });
  builder.addAxis({ scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, timeZone, theme, grid: { show: false } });
  builder.addScale({
    scaleKey: 'y', orientation: ScaleOrientation.Vertical, direction: ScaleDirection.Up, range: () => [0, rows.count],
  });
  builder.addAxis({
    scaleKey: 'y', placement: AxisPlacement.Left, theme, grid: { show: false }, ticks: { show: false },
    splits: () => rows.ticks, values: () => rows.labels,
  });
  builder.addSeries({ scaleKey: 'y', theme, pathBuilder: () => null, pointsFilter: () => null });
  builder.setCursor({ show: false });
  builder.addHook('drawClear', (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    draw(plot);
    ctx.restore();
  });
  return builder;
}

/** Data that only tells uPlot from when to when. */
export function noData(range: TimeRange): [number[], number[]] {
  return [[range.from.valueOf(), range.to.valueOf()], [0, 0]];
}
