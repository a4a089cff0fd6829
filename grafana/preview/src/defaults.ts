/** What Grafana's panel plugins set where a dashboard says nothing. The JSON holds only what differs. */

import { FieldColorModeId, ThresholdsMode, type FieldConfig, type ThresholdsConfig } from '@grafana/data';

interface Plugin { color: FieldColorModeId; custom: Record<string, unknown> }

const hideFrom = { legend: false, tooltip: false, viz: false };
const axis = {
  axisPlacement: 'auto', axisLabel: '', axisColorMode: 'text', axisBorderShow: false, axisCenteredZero: false,
  scaleDistribution: { type: 'linear' },
};

export const PLUGINS: Record<string, Plugin> = {
  timeseries: { color: FieldColorModeId.PaletteClassic, custom: {
    ...axis, hideFrom, drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, lineStyle: { fill: 'solid' },
    fillOpacity: 0, gradientMode: 'none', spanNulls: false, insertNulls: false, showPoints: 'auto', showValues: false,
    pointSize: 5, barAlignment: 0, barWidthFactor: 0.6, stacking: { mode: 'none', group: 'A' },
    thresholdsStyle: { mode: 'off' },
  } },
  barchart: { color: FieldColorModeId.PaletteClassic, custom: {
    ...axis, hideFrom, lineWidth: 1, fillOpacity: 80, gradientMode: 'none', thresholdsStyle: { mode: 'off' },
  } },
  histogram: { color: FieldColorModeId.PaletteClassic, custom: { hideFrom, lineWidth: 1, fillOpacity: 80, gradientMode: 'none' } },
  piechart: { color: FieldColorModeId.PaletteClassic, custom: { hideFrom } },
  heatmap: { color: FieldColorModeId.PaletteClassic, custom: { hideFrom, scaleDistribution: { type: 'linear' } } },
  'state-timeline': { color: FieldColorModeId.ContinuousGrYlRd, custom: { hideFrom, lineWidth: 0, fillOpacity: 70, spanNulls: false } },
  'status-history': { color: FieldColorModeId.Thresholds, custom: { hideFrom, lineWidth: 1, fillOpacity: 70 } },
  table: { color: FieldColorModeId.Thresholds, custom: { align: 'auto', cellOptions: { type: 'auto' }, inspect: false } },
  stat: { color: FieldColorModeId.Thresholds, custom: {} },
  gauge: { color: FieldColorModeId.Thresholds, custom: {} },
  bargauge: { color: FieldColorModeId.Thresholds, custom: {} },
  text: { color: FieldColorModeId.Thresholds, custom: {} },
};

const THRESHOLDS: ThresholdsConfig = { mode: ThresholdsMode.Absolute, steps: [{ value: -Infinity, color: 'green' }, { value: 80, color: 'red' }] };

/** The defaults of a field of that kind of panel under those of the dashboard. */
export function fieldDefaults(kind: string, given: FieldConfig | undefined): FieldConfig {
  const plugin = PLUGINS[kind];
  return {
    ...given,
    thresholds: given?.thresholds ?? THRESHOLDS,
    color: given?.color ?? { mode: plugin?.color ?? FieldColorModeId.Thresholds },
    custom: { ...plugin?.custom, ...(given?.custom as Record<string, unknown> | undefined) },
  };
}
