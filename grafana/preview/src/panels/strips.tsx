/** State timeline and status history: a strip per series, coloured by its state. Drawn here; Grafana's own is not in a package. */

import { FieldType, formattedValueToString, getFieldDisplayName, type DataFrame, type Field } from '@grafana/data';
import { VisibilityMode } from '@grafana/schema';
import { UPlotChart } from '@grafana/ui';
import { useMemo, type ReactElement } from 'react';
import type uPlot from 'uplot';
import { MarkPlugin } from '../annotations';
import { WithLegend, type Entry } from './legend';
import { optionsOf, type Drawn } from './props';
import { noData, timePlot } from './timeplot';
import { LEGEND } from './timeseries';

interface Piece { from: number; to: number; text: string; color: string }
interface Strip { name: string; pieces: Piece[]; opacity: number }

const TEXT_MARGIN = 6;

export function Strips(drawn: Drawn): ReactElement {
  const history = drawn.panel.type === 'status-history';
  const options = optionsOf(drawn.panel, {
    legend: LEGEND, rowHeight: 0.9, mergeValues: true, showValue: VisibilityMode.Auto, alignValue: 'left', colWidth: 0.9,
  });
  const merge = options.mergeValues && !history;
  const strips = useMemo(() => stripsOf(drawn.frames, drawn.range.to.valueOf(), merge), [drawn.frames, drawn.range, merge]);
  const builder = useMemo(() => {
    const rows = { count: strips.length, ticks: strips.map((_, index) => index + 0.5), labels: strips.map(({ name }) => name).reverse() };
    return timePlot(rows, drawn.range, drawn.timeZone, drawn.theme, (plot) => {
      strips.forEach((strip, index) => paint(plot, strip, strips.length - 1 - index, options.rowHeight,
                                             options.showValue !== VisibilityMode.Never, drawn.theme.typography.fontFamily));
    });
  }, [strips, drawn.range, drawn.timeZone, drawn.theme, options.rowHeight, options.showValue]);
  const states = new Map<string, Entry>();
  strips.forEach(({ pieces }) => pieces.forEach(({ text, color }) => states.set(`${text}${color}`, { label: text, color })));
  return (
    <WithLegend entries={[...states.values()]} legend={{ ...LEGEND, ...options.legend }} width={drawn.width} height={drawn.height}>
      {(width, height) => (
        <UPlotChart config={builder} data={noData(drawn.range)} width={width} height={height}>
          <MarkPlugin builder={builder} marks={drawn.marks} />
        </UPlotChart>)}
    </WithLegend>
  );
}

function stripsOf(frames: DataFrame[], end: number, merge: boolean): Strip[] {
  return frames.flatMap((frame) => {
    const time = frame.fields.find((field) => field.type === FieldType.time);
    if (!time) {
      return [];
    }
    return frame.fields.filter((field) => field !== time && !(field.config.custom as { hideFrom?: { viz?: boolean } })?.hideFrom?.viz)
      .map((field) => ({
        name: getFieldDisplayName(field, frame, frames), pieces: piecesOf(field, time, end, merge),
        opacity: ((field.config.custom as { fillOpacity?: number })?.fillOpacity ?? 70) / 100,
      }));
  });
}

/** A state holds until the next point; where points are missing, for one step. */
function piecesOf(field: Field, time: Field, end: number, merge: boolean): Piece[] {
  const pieces: Piece[] = [];
  const step = time.config.interval ?? end;
  field.values.forEach((value: unknown, index) => {
    if (value === null || value === undefined || Number.isNaN(value)) {
      return;
    }
    const from = time.values[index] as number;
    const next = (time.values[index + 1] as number | undefined) ?? end;
    const to = Math.min(next, Math.max(from + step, merge ? from : next));
    const shown = field.display?.(value);
    const text = shown ? formattedValueToString(shown) : String(value);
    const color = shown?.color ?? '#808080';
    const last = pieces.at(-1);
    if (merge && last && last.to >= from && last.text === text && last.color === color) {
      last.to = to;
    } else {
      pieces.push({ from, to, text, color });
    }
  });
  return pieces;
}

function paint(plot: uPlot, strip: Strip, row: number, share: number, texts: boolean, font: string): void {
  const { ctx } = plot;
  const top = plot.valToPos(row + (1 + share) / 2, 'y', true);
  const bottom = plot.valToPos(row + (1 - share) / 2, 'y', true);
  const inside = plot.bbox.left;
  ctx.font = `${12 * devicePixelRatio}px ${font}`;
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'left';
  for (const { from, to, text, color } of strip.pieces) {
    const left = Math.max(inside, plot.valToPos(from, 'x', true));
    const right = plot.valToPos(to, 'x', true);
    ctx.globalAlpha = strip.opacity;
    ctx.fillStyle = color;
    ctx.fillRect(left, top, right - left, bottom - top);
    ctx.globalAlpha = 1;
    if (texts && ctx.measureText(text).width + 2 * TEXT_MARGIN < right - left) {
      ctx.fillStyle = '#ffffff';
      ctx.fillText(text, left + TEXT_MARGIN, (top + bottom) / 2);
    }
  }
}
