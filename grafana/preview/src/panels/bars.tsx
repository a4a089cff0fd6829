/** Bar chart: bars by category, beside or upon each other. Drawn here; Grafana's own is not in a package. */

import { FieldType, formattedValueToString, getFieldDisplayName, getFieldSeriesColor, type DataFrame, type Field } from '@grafana/data';
import { StackingMode, VisibilityMode, VizOrientation } from '@grafana/schema';
import { measureText } from '@grafana/ui';
import type { ReactElement } from 'react';
import { roundTicks } from './axis';
import { WithLegend } from './legend';
import { optionsOf, type Drawn } from './props';
import { LEGEND } from './timeseries';

interface Look {
  hideFrom?: { viz?: boolean; legend?: boolean };
  fillOpacity?: number;
  axisCenteredZero?: boolean;
  axisSoftMin?: number;
  axisSoftMax?: number;
}
interface Run { name: string; field: Field; color: string; byValue: boolean; look: Look }

export interface Chart {
  categories: string[];
  runs: Run[];
  sideways: boolean;
  stacking: StackingMode;
  showValue: VisibilityMode;
  barWidth: number;
  groupWidth: number;
}

const FONT = 12;
const GAP = 8;
const MARGIN = 4;
const LINE = 20;

export function Bars(drawn: Drawn): ReactElement {
  const options = optionsOf(drawn.panel, {
    xField: undefined as string | undefined, orientation: VizOrientation.Auto, stacking: StackingMode.None, barWidth: 0.97,
    groupWidth: 0.7, showValue: VisibilityMode.Auto, legend: LEGEND,
  });
  const frame = drawn.frames.find((one) => one.length > 0);
  if (!frame) {
    return <></>;
  }
  const x = frame.fields.find((field) => getFieldDisplayName(field, frame, drawn.frames) === options.xField || field.name === options.xField)
    ?? frame.fields.find((field) => field.type === FieldType.string) ?? frame.fields.find((field) => field.type === FieldType.time);
  const chart: Chart = {
    ...options, runs: runsOf(frame, x, drawn),
    categories: Array.from({ length: frame.length }, (_, row) => written(x, x?.values[row])),
    sideways: options.orientation === VizOrientation.Horizontal || (options.orientation === VizOrientation.Auto && drawn.width < drawn.height),
  };
  return <Charted chart={chart} drawn={drawn} legend={{ ...LEGEND, ...options.legend }} />;
}

function runsOf(frame: DataFrame, x: Field | undefined, drawn: Drawn): Run[] {
  return frame.fields.filter((field) => field !== x && field.type === FieldType.number).map((field) => ({
    name: getFieldDisplayName(field, frame, drawn.frames), field, color: getFieldSeriesColor(field, drawn.theme).color,
    byValue: field.config.color?.mode === 'thresholds', look: (field.config.custom ?? {}) as Look,
  })).filter(({ look }) => !look.hideFrom?.viz);
}

export function written(field: Field | undefined, value: unknown): string {
  const shown = field?.display?.(value);
  return shown ? formattedValueToString(shown) : String(value ?? '');
}

/** A chart with its legend. */
export function Charted({ chart, drawn, legend }: { chart: Chart; drawn: Drawn; legend: typeof LEGEND }): ReactElement {
  const entries = chart.runs.filter(({ look }) => !look.hideFrom?.legend).map(({ name, color }) => ({ label: name, color }));
  return (
    <WithLegend entries={entries} legend={legend} width={drawn.width} height={drawn.height}>
      {(width, height) => <Plot chart={chart} drawn={drawn} width={width} height={height} />}
    </WithLegend>
  );
}

interface Rect { x: number; y: number; width: number; height: number; color: string; opacity: number; text: string; value: number }

function Plot({ chart, drawn, width, height }: { chart: Chart; drawn: Drawn; width: number; height: number }): ReactElement {
  const ticks = ticksOf(chart, chart.sideways ? width / 90 : height / 40);
  const [low = 0, high = 1] = [ticks[0], ticks.at(-1)];
  const shown = (value: number) => written(chart.runs[0]?.field, value);
  const widest = (texts: string[]) => Math.max(0, ...texts.map((text) => measureText(text, FONT).width));
  const left = widest(chart.sideways ? chart.categories : ticks.map(shown)) + GAP + MARGIN;
  const right = chart.sideways ? widest([shown(high)]) / 2 + GAP : GAP;
  const area = { left, top: GAP, width: Math.max(1, width - left - right), height: Math.max(1, height - LINE - GAP) };
  const across = chart.sideways ? area.height : area.width;
  const along = (value: number) => (chart.sideways ? area.left + ((value - low) / (high - low)) * area.width
    : area.top + area.height - ((value - low) / (high - low)) * area.height);
  // The first row of a horizontal chart is at the bottom.
  const band = across / Math.max(1, chart.categories.length);
  const start = (row: number) => (chart.sideways ? area.top + area.height - (row + 1) * band : area.left + row * band);
  const every = chart.sideways ? Math.ceil(16 / band) : Math.ceil((widest(chart.categories) + GAP) / band);
  const grid = drawn.theme.isDark ? 'rgba(240, 250, 255, 0.09)' : 'rgba(0, 10, 23, 0.09)';
  const ink = drawn.theme.colors.text.primary;
  return (
    <svg width={width} height={height} fontSize={FONT} letterSpacing={0} role="img" aria-label={drawn.panel.title}>
      {ticks.map((tick) => (chart.sideways ? (
        <g key={tick}><line x1={along(tick)} x2={along(tick)} y1={area.top} y2={area.top + area.height} stroke={grid} />
          <text x={along(tick)} y={height - 5} textAnchor="middle" fill={ink}>{shown(tick)}</text></g>
      ) : (
        <g key={tick}><line x1={area.left} x2={area.left + area.width} y1={along(tick)} y2={along(tick)} stroke={grid} />
          <text x={area.left - GAP} y={along(tick)} textAnchor="end" dominantBaseline="middle" fill={ink}>{shown(tick)}</text></g>)))}
      {chart.categories.map((name, row) => row % every === 0 && (chart.sideways
        ? <text key={name} x={area.left - GAP} y={start(row) + band / 2} textAnchor="end" dominantBaseline="middle" fill={ink}>{name}</text>
        : <text key={name} x={start(row) + band / 2} y={height - 5} textAnchor="middle" fill={ink}>{name}</text>))}
      {rectsOf(chart, along, start, band).map((rect) => (
        <g key={`${rect.x} ${rect.y} ${rect.text}`}>
          <rect x={rect.x} y={rect.y} width={rect.width} height={rect.height} fill={rect.color} fillOpacity={rect.opacity} stroke={rect.color} />
          {labelled(chart, rect) && <Label rect={rect} sideways={chart.sideways} ink={ink} edge={area.left + area.width} />}
        </g>))}
    </svg>
  );
}

function labelled(chart: Chart, rect: Rect): boolean {
  if (chart.showValue === VisibilityMode.Never) {
    return false;
  }
  const room = chart.sideways ? rect.height >= FONT : rect.width >= measureText(rect.text, FONT).width;
  return chart.showValue === VisibilityMode.Always || room;
}

/** The value beyond the end of its bar, or within it where the plot ends. */
function Label({ rect, sideways, ink, edge }: { rect: Rect; sideways: boolean; ink: string; edge: number }): ReactElement {
  if (!sideways) {
    const y = rect.value < 0 ? rect.y + rect.height + FONT : Math.max(FONT, rect.y - 4);
    return <text x={rect.x + rect.width / 2} y={y} textAnchor="middle" fill={ink}>{rect.text}</text>;
  }
  const negative = rect.value < 0;
  const end = negative ? rect.x - 4 : rect.x + rect.width + 4;
  const inside = !negative && end + measureText(rect.text, FONT).width > edge + GAP * 3;
  return <text x={inside ? end - 8 : end} y={rect.y + rect.height / 2} dominantBaseline="middle" fill={ink}
               textAnchor={negative || inside ? 'end' : 'start'}>{rect.text}</text>;
}

function numberAt(run: Run, row: number): number {
  const value: unknown = run.field.values[row];
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function ticksOf(chart: Chart, count: number): number[] {
  if (chart.stacking === StackingMode.Percent) {
    return [0, 0.25, 0.5, 0.75, 1];
  }
  const rows = chart.categories.map((_, row) => chart.runs.map((run) => numberAt(run, row)));
  const signed = (sign: number) => rows.map((values) => values.filter((value) => value * sign > 0).reduce((a, b) => a + b, 0));
  const numbers = chart.stacking === StackingMode.Normal ? [...signed(1), ...signed(-1)] : rows.flat();
  const looks = chart.runs.map(({ look, field }) => [look.axisSoftMin ?? field.config.min, look.axisSoftMax ?? field.config.max]);
  let low = Math.min(0, ...numbers, ...looks.flatMap(([min]) => min ?? []));
  let high = Math.max(0, ...numbers, ...looks.flatMap(([, max]) => max ?? []));
  if (chart.runs.some(({ look }) => look.axisCenteredZero)) {
    high = Math.max(high, -low);
    low = -high;
  }
  // The value of a bar stands beyond its end.
  const room = chart.showValue === VisibilityMode.Never ? 1 : 1.08;
  return roundTicks(low * room, high * room, Math.min(count, 8));
}

function rectsOf(chart: Chart, along: (value: number) => number, start: (row: number) => number, band: number): Rect[] {
  const stacked = chart.stacking !== StackingMode.None;
  const group = band * chart.groupWidth;
  const slot = stacked ? group : group / Math.max(1, chart.runs.length);
  const thick = slot * chart.barWidth;
  return chart.categories.flatMap((_, row) => {
    const total = chart.runs.reduce((sum, run) => sum + Math.abs(numberAt(run, row)), 0) || 1;
    const reached = { up: 0, down: 0 };
    return chart.runs.flatMap((run, index) => {
      if (typeof run.field.values[row] !== 'number') {
        return [];
      }
      const value = numberAt(run, row) / (chart.stacking === StackingMode.Percent ? total : 1);
      const side = value < 0 ? 'down' : 'up';
      const from = stacked ? reached[side] : 0;
      reached[side] += value;
      const [a, b] = [along(from), along(from + value)];
      const place = stacked ? 0 : chart.sideways ? chart.runs.length - 1 - index : index;
      const offset = start(row) + (band - group) / 2 + slot * place + (slot - thick) / 2;
      const shown = run.field.display?.(run.field.values[row]);
      const look = { color: run.byValue ? shown?.color ?? run.color : run.color, opacity: (run.look.fillOpacity ?? 80) / 100,
                     text: written(run.field, run.field.values[row]), value };
      const [near, far] = [Math.min(a, b), Math.abs(a - b)];
      return [chart.sideways ? { x: near, y: offset, width: far, height: thick, ...look }
        : { x: offset, y: near, width: thick, height: far, ...look }];
    });
  });
}
