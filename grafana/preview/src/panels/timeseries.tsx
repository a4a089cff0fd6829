/** Lines, areas and bands over time, by Grafana's own component. */

import { FieldType, type DataFrame } from '@grafana/data';
import { LegendDisplayMode, SortOrder, TooltipDisplayMode, type LegendPlacement, type VizLegendOptions } from '@grafana/schema';
import { TimeSeries, TooltipPlugin } from '@grafana/ui';
import { useMemo, type ReactElement } from 'react';
import { MarkPlugin } from '../annotations';
import { optionsOf, type Drawn } from './props';

export const LEGEND: VizLegendOptions = {
  displayMode: LegendDisplayMode.List, placement: 'bottom' as LegendPlacement, showLegend: true, calcs: [],
};

export function Lines(drawn: Drawn): ReactElement {
  const options = optionsOf(drawn.panel, { legend: LEGEND, tooltip: { mode: TooltipDisplayMode.Single, sort: SortOrder.None } });
  const legend = { ...LEGEND, ...options.legend };
  const frames = useMemo(() => drawn.frames.map(plottable), [drawn.frames]);
  return (
    <TimeSeries
      frames={frames} legend={legend} width={drawn.width} height={drawn.height} structureRev={1}
      timeRange={drawn.range} timeZone={drawn.timeZone}
    >
      {(builder, aligned) => (
        <>
          <MarkPlugin builder={builder} marks={drawn.marks} />
          <TooltipPlugin data={aligned} frames={frames} config={builder} mode={options.tooltip.mode}
                         sortOrder={options.tooltip.sort} timeZone={drawn.timeZone} />
        </>
      )}
    </TimeSeries>
  );
}

/** A value that is no number is a gap. */
export function plottable(frame: DataFrame): DataFrame {
  return { ...frame, fields: frame.fields.map((field) => field.type === FieldType.number
    ? { ...field, values: field.values.map((value: number | null) => (Number.isFinite(value) ? value : null)) } : field) };
}
