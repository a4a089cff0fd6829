/** A heatmap of buckets over time. Drawn here; Grafana's own is not in a package. */

import { FieldType, formattedValueToString, getValueFormat, type DataFrame } from '@grafana/data';
import { UPlotChart } from '@grafana/ui';
import * as schemes from 'd3-scale-chromatic';
import { useMemo, type ReactElement } from 'react';
import type uPlot from 'uplot';
import { MarkPlugin } from '../annotations';
import { optionsOf, type Drawn } from './props';
import { noData, timePlot, type Rows } from './timeplot';

interface Colours {
  mode?: string;
  scheme?: string;
  exponent?: number;
  steps?: number;
  reverse?: boolean;
  scale?: string;
  min?: number;
  max?: number;
}
interface Cells { times: number[]; step: number; bounds: string[]; values: (number | null)[][]; least: number; most: number }

/** Schemes that begin light: Grafana turns them round on a dark page, so that nothing is close to the background. */
const DIVERGING = /^(Br|PR|Pi|Pu|Rd)|Spectral|Rainbow|Sinebow/;
const SCALE_HEIGHT = 32;

export function Heatmap(drawn: Drawn): ReactElement {
  const options = optionsOf(drawn.panel, {
    calculate: false, color: {} as Colours, filterValues: { le: 1e-9 } as { le?: number; ge?: number }, cellGap: 1,
    yAxis: {} as { unit?: string; decimals?: number; reverse?: boolean; axisPlacement?: string }, legend: { show: true },
  });
  if (options.calculate) {
    throw new Error('The preview draws heatmaps of buckets only (calculate: false)');
  }
  const cells = useMemo(() => cellsOf(drawn.frames), [drawn.frames]);
  const colour = useMemo(() => colouring(options.color, cells, drawn.theme.isDark), [options.color, cells, drawn.theme]);
  const unit = options.yAxis.unit ?? drawn.fieldConfig.defaults.unit ?? 'short';
  const builder = useMemo(() => timePlot(labelled(cells, unit, options.yAxis.decimals, drawn.height), drawn.range, drawn.timeZone, drawn.theme,
    (plot) => paint(plot, cells, colour, options.filterValues, options.cellGap)),
  [cells, colour, unit, drawn.range, drawn.timeZone, drawn.theme, drawn.height, options.filterValues, options.cellGap, options.yAxis.decimals]);
  const format = drawn.frames[0]?.fields.find((field) => field.type === FieldType.number)?.display;
  const said = (value: number) => (format ? formattedValueToString(format(value)) : String(value));
  const scale = options.legend.show ? SCALE_HEIGHT : 0;
  return (
    <div>
      <UPlotChart config={builder} data={noData(drawn.range)} width={drawn.width} height={drawn.height - scale}>
        <MarkPlugin builder={builder} marks={drawn.marks} />
      </UPlotChart>
      {options.legend.show && (
        <div className="preview-scale">
          <span>{said(Math.max(0, cells.least))}</span>
          <i style={{ background: `linear-gradient(to right, ${[0, 0.25, 0.5, 0.75, 1].map((part) => colour.at(part)).join(', ')})` }} />
          <span>{said(cells.most)}</span>
        </div>)}
    </div>
  );
}

function cellsOf(frames: DataFrame[]): Cells {
  const frame = frames[0];
  const time = frame?.fields.find((field) => field.type === FieldType.time);
  const buckets = frame?.fields.filter((field) => field.type === FieldType.number) ?? [];
  const values = buckets.map((field) => field.values as (number | null)[]);
  const numbers = values.flat().filter((value): value is number => value !== null && value > 0);
  return {
    times: time?.values ?? [], step: time?.config.interval ?? 0, bounds: buckets.map((field) => field.name), values,
    least: numbers.reduce((a, b) => Math.min(a, b), Infinity), most: numbers.reduce((a, b) => Math.max(a, b), 0),
  };
}

/** Labels at the upper edges of the buckets, as many as have room. */
function labelled(cells: Cells, unit: string, decimals: number | undefined, height: number): Rows {
  const format = getValueFormat(unit);
  const every = Math.max(1, Math.ceil((cells.bounds.length * 20) / Math.max(height - 60, 40)));
  const chosen = cells.bounds.map((_, index) => index).filter((index) => (index + 1) % every === 0);
  return {
    count: cells.bounds.length, ticks: chosen.map((index) => index + 1),
    labels: chosen.map((index) => {
      const bound = Number(cells.bounds[index]);
      return Number.isFinite(bound) ? formattedValueToString(format(bound, decimals)) : cells.bounds[index] ?? '';
    }),
  };
}

interface Colouring { of: (value: number) => string; at: (part: number) => string }

function colouring(colours: Colours, cells: Cells, dark: boolean): Colouring {
  const name = `interpolate${colours.scheme ?? 'Oranges'}` as keyof typeof schemes;
  const interpolate = (schemes[name] ?? schemes.interpolateOranges) as (part: number) => string;
  const turned = (dark && !DIVERGING.test(colours.scheme ?? '')) !== Boolean(colours.reverse);
  const steps = colours.steps ?? 64;
  const at = (part: number) => {
    const stepped = Math.min(steps - 1, Math.floor(part * steps)) / (steps - 1);
    return interpolate(turned ? 1 - stepped : stepped);
  };
  const low = colours.min ?? 0;
  const high = colours.max ?? cells.most;
  const exponent = colours.scale === 'exponential' || colours.mode === 'opacity' ? colours.exponent ?? 0.5 : 1;
  const part = (value: number) => Math.min(1, Math.max(0, (value - low) / (high - low || 1)));
  return { at, of: (value) => at(part(value) ** exponent) };
}

function paint(plot: uPlot, cells: Cells, colour: Colouring, shown: { le?: number; ge?: number }, gap: number): void {
  const { ctx } = plot;
  cells.values.forEach((row, index) => {
    const top = plot.valToPos(index + 1, 'y', true);
    const bottom = plot.valToPos(index, 'y', true);
    row.forEach((value, column) => {
      const at = cells.times[column];
      if (value === null || at === undefined || value <= (shown.le ?? -Infinity) || value >= (shown.ge ?? Infinity)) {
        return;
      }
      // A point of a range query speaks of the step before it.
      const left = plot.valToPos(at - cells.step, 'x', true);
      const right = plot.valToPos(at, 'x', true);
      ctx.fillStyle = colour.of(value);
      ctx.fillRect(left, top, Math.max(1, right - left - gap), Math.max(1, bottom - top - gap));
    });
  });
}
