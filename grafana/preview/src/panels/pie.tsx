/** Pie and donut. Drawn here; Grafana's own is not in a package. */

import { formattedValueToString, getValueFormat, type DisplayValue, type FieldDisplay } from '@grafana/data';
import type { ReactElement } from 'react';
import { ring } from './gauge';
import { WithLegend } from './legend';
import { optionsOf, type Drawn } from './props';
import { SINGLE, valuesOf } from './single';
import { LEGEND } from './timeseries';

interface Slice { title: string; color: string; share: number; value: FieldDisplay['display'] }

const MARGIN = 8;
/** Shares of a circle below which a label would cover its neighbours. */
const LABELLED = 0.04;

export function Pie(drawn: Drawn): ReactElement {
  const options = optionsOf(drawn.panel, {
    ...SINGLE, pieType: 'pie', sort: 'desc', displayLabels: [] as string[],
    legend: { ...LEGEND, values: [] as string[] },
  });
  const slices = slicesOf(valuesOf(drawn, options), options.sort);
  const entries = slices.map(({ title, color, share, value }) => ({
    label: title, color, values: (options.legend.values ?? []).map((what) => (what === 'percent' ? percent(share) : { ...value, title: 'Value' })),
  }));
  return (
    <WithLegend entries={entries} legend={{ ...LEGEND, ...options.legend }} width={drawn.width} height={drawn.height}>
      {(width, height) => {
        const outer = Math.max(0, Math.min(width, height) / 2 - MARGIN);
        const inner = options.pieType === 'donut' ? outer * 0.6 : 0;
        return (
          <svg width={width} height={height} role="img" aria-label={drawn.panel.title}>
            {turned(slices).map(({ slice, from, to }) => {
              const middle = (((from + to) / 2 - 90) * Math.PI) / 180;
              const at = options.pieType === 'donut' ? (outer + inner) / 2 : outer * 0.65;
              const label = options.displayLabels.map((what) => (what === 'name' ? slice.title
                : formattedValueToString(what === 'percent' ? percent(slice.share) : slice.value))).join(' ');
              return (
                <g key={slice.title}>
                  <path d={ring(width / 2, height / 2, inner, outer, from, to)} fill={slice.color} stroke={drawn.theme.colors.background.primary} />
                  {slice.share > LABELLED && <text x={width / 2 + at * Math.cos(middle)} y={height / 2 + at * Math.sin(middle)}
                                                   fontSize={12} fill="#ffffff"
                                                   textAnchor="middle" dominantBaseline="middle">{label}</text>}
                </g>);
            })}
          </svg>);
      }}
    </WithLegend>
  );
}

function slicesOf(values: FieldDisplay[], sort: string): Slice[] {
  const known = values.filter(({ display }) => Number.isFinite(display.numeric));
  const total = known.reduce((sum, { display }) => sum + display.numeric, 0);
  const slices = known.map(({ display }) => ({
    title: display.title ?? '', color: display.color ?? '#808080', share: total ? display.numeric / total : 0, value: display }));
  return sort === 'none' ? slices : slices.sort((a, b) => (sort === 'asc' ? a.share - b.share : b.share - a.share));
}

function turned(slices: Slice[]): { slice: Slice; from: number; to: number }[] {
  let angle = 0;
  return slices.map((slice) => ({ slice, from: angle, to: (angle += 360 * slice.share) }));
}

function percent(share: number): DisplayValue {
  return { numeric: share, title: 'Percent', ...getValueFormat('percentunit')(share, 0) };
}
