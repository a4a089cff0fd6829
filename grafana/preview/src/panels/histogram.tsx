/** Histogram: how many values fall into each bucket. Buckets by Grafana's package, drawn here. */

import { applyFieldOverrides, buildHistogram, getFieldDisplayName, getFieldSeriesColor, histogramFieldsToFrame } from '@grafana/data';
import { StackingMode, VisibilityMode } from '@grafana/schema';
import type { ReactElement } from 'react';
import { propertiesOf } from '../registry';
import { Charted, written } from './bars';
import { optionsOf, type Drawn } from './props';
import { LEGEND } from './timeseries';

export function Histogram(drawn: Drawn): ReactElement {
  const options = optionsOf(drawn.panel, {
    bucketCount: 30, bucketSize: undefined as number | undefined, bucketOffset: 0, combine: false, legend: LEGEND });
  const found = buildHistogram(drawn.frames, options, drawn.theme);
  if (!found) {
    return <></>;
  }
  const { fieldConfig, write, theme, timeZone } = drawn;
  const frame = applyFieldOverrides({
    data: [histogramFieldsToFrame(found, theme)], fieldConfig, fieldConfigRegistry: propertiesOf(fieldConfig),
    replaceVariables: write, theme, timeZone,
  })[0];
  const [from, , ...counts] = frame?.fields ?? [];
  const runs = counts.map((field) => ({
    name: getFieldDisplayName(field, frame), field, color: getFieldSeriesColor(field, theme).color, byValue: false, look: {} }));
  const chart = {
    categories: (from?.values ?? []).map((value: unknown) => written(from, value)), runs, sideways: false,
    stacking: StackingMode.None, showValue: VisibilityMode.Never, barWidth: 1, groupWidth: 1,
  };
  return <Charted chart={chart} drawn={drawn} legend={{ ...LEGEND, ...options.legend }} />;
}
