/** Annotation layers as marks on plots over time: a dashed line where an event is, a strip where it lasts. */

import { rangeUtil } from '@grafana/data';
import { useTheme2, type UPlotConfigBuilder } from '@grafana/ui';
import { useLayoutEffect } from 'react';
import type { Layer } from './board';
import { nameOf } from './frames';
import type { Page } from './pipeline';
import { aligned } from './time';
import { inPromql, written } from './variables';

export interface Mark { from: number; to: number; title: string; text: string }
export interface Marks { layer: Layer; events: Mark[] }

const MARKER = 5;

/** The address' parameter with the names of layers that are switched the other way than the dashboard says. */
export const SWITCHED = 'layer';

export function isOn(layer: Layer, address: URLSearchParams): boolean {
  return layer.enable !== address.getAll(SWITCHED).includes(layer.name);
}

/** The events of all layers that are switched on. */
export async function marksOf(layers: Layer[], page: Page): Promise<Marks[]> {
  const address = new URLSearchParams(location.search);
  const shown = layers.filter((layer) => isOn(layer, address) && layer.expr);
  return Promise.all(shown.map(async (layer) => ({ layer, events: await eventsOf(layer, page) })));
}

async function eventsOf(layer: Layer, page: Page): Promise<Mark[]> {
  const known = { choices: page.choices, range: page.range };
  const length = page.range.to.valueOf() - page.range.from.valueOf();
  const least = rangeUtil.intervalToMs(written(layer.step || '60s', known));
  // Prometheus answers 11,000 points at most.
  const step = Math.max(least, Math.ceil(length / 11_000 / 1000) * 1000);
  const { start, end } = aligned(page.range, step);
  const series = await page.prometheus.over(written(layer.expr ?? '', known, inPromql), start, end, step / 1000);
  return series.flatMap(({ metric, values }) => {
    const words = (format: string | undefined) => (format ? nameOf(metric, { refId: '', expr: '', legendFormat: format }) : '');
    const events: Mark[] = [];
    for (const [at, value] of values) {
      const moment = layer.useValueForTime ? Number(value) : at * 1000;
      const last = events.at(-1);
      if (!layer.useValueForTime && !(Number(value) > 0)) {
        continue;
      }
      if (last && moment - last.to <= step) {
        last.to = moment;
      } else {
        events.push({ from: moment, to: moment, title: words(layer.titleFormat), text: words(layer.textFormat) });
      }
    }
    return events;
  });
}

/** Layers that a panel shows. */
export function marksFor(marks: Marks[], panel: number): Marks[] {
  return marks.filter(({ layer }) => !layer.filter?.ids?.length || layer.filter.ids.includes(panel) !== Boolean(layer.filter.exclude));
}

/** Draws marks on the plot that `builder` configures. */
export function MarkPlugin({ builder, marks }: { builder: UPlotConfigBuilder; marks: Marks[] }): null {
  const theme = useTheme2();
  useLayoutEffect(() => {
    builder.addHook('draw', (plot) => {
      const { ctx } = plot;
      const box = plot.bbox;
      ctx.save();
      ctx.beginPath();
      ctx.rect(box.left, box.top, box.width, box.height + MARKER * devicePixelRatio * 2);
      ctx.clip();
      for (const { layer, events } of marks) {
        const colour = theme.visualization.getColorByName(layer.iconColor);
        for (const event of events) {
          one(ctx, box, plot.valToPos(event.from, 'x', true), plot.valToPos(event.to, 'x', true), colour);
        }
      }
      ctx.restore();
    });
  }, [builder, marks, theme]);
  return null;
}

function one(ctx: CanvasRenderingContext2D, box: { top: number; height: number }, from: number, to: number, colour: string): void {
  const bottom = box.top + box.height;
  const size = MARKER * devicePixelRatio;
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([5 * devicePixelRatio, 5 * devicePixelRatio]);
  for (const x of from === to ? [from] : [from, to]) {
    ctx.beginPath();
    ctx.moveTo(x, box.top);
    ctx.lineTo(x, bottom);
    ctx.stroke();
  }
  ctx.setLineDash([]);
  if (from === to) {
    ctx.beginPath();
    ctx.moveTo(from, bottom);
    ctx.lineTo(from - size, bottom + size);
    ctx.lineTo(from + size, bottom + size);
    ctx.fill();
    return;
  }
  ctx.fillRect(from, bottom, to - from, size);
  ctx.globalAlpha = 0.1;
  ctx.fillRect(from, box.top, to - from, box.height);
  ctx.globalAlpha = 1;
}
