/** Answers of Prometheus as data frames, shaped and named as Grafana's data source shapes them. */

import { createDataFrame, FieldType, type DataFrame } from '@grafana/data';
import type { Target } from './board';
import type { Labels, Series } from './prometheus';

/** Frames of one query. `step` in milliseconds; `tables` is how many queries of the panel answer as tables. */
export function framesOf(series: Series[], target: Target, step: number, tables: number): DataFrame[] {
  if (series.length === 0) {
    return [createDataFrame({ refId: target.refId, fields: [] })];
  }
  if (target.format === 'table') {
    return [tableOf(series, target.refId, tables > 1 ? `Value #${target.refId}` : 'Value')];
  }
  if (target.format === 'heatmap') {
    return [bucketsOf(series, target.refId, step)];
  }
  return series.map(({ metric, values }) => {
    const name = nameOf(metric, target);
    return createDataFrame({
      refId: target.refId,
      name: name || undefined,
      fields: [
        { name: 'Time', type: FieldType.time, config: { interval: step }, values: values.map(([at]) => at * 1000) },
        { name: 'Value', type: FieldType.number, labels: { ...metric }, config: name ? { displayNameFromDS: name } : {},
          values: values.map(([, value]) => number(value)) },
      ],
    });
  });
}

/** `{{label}}` of a legend is the label's value. Without a legend the series is named as PromQL writes it. */
export function nameOf(metric: Labels, target: Target): string {
  const legend = target.legendFormat ?? '';
  if (legend && legend !== '__auto') {
    return legend.replace(/\{\{\s*([^}]+?)\s*\}\}/g, (_, label: string) => metric[label] ?? '');
  }
  const { __name__: name = '', ...labels } = metric;
  const inside = Object.entries(labels).map(([label, value]) => `${label}="${value}"`).join(', ');
  return inside ? `${name}{${inside}}` : name || target.expr;
}

function number(text: string): number {
  return text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text);
}

function tableOf(series: Series[], refId: string, value: string): DataFrame {
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
  const rows = series.flatMap(({ metric, values }) => values.map(([at, text]) => ({ metric, at, text })));
  return createDataFrame({
    refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: rows.map((row) => row.at * 1000) },
      ...labels.map((label) => ({ name: label, type: FieldType.string, config: { filterable: true },
                                  values: rows.map((row) => row.metric[label] ?? '') })),
      { name: value, type: FieldType.number, values: rows.map((row) => number(row.text)) },
    ],
  });
}

/** One field per bucket, named by its upper bound, with what fell into it: the difference to the bucket below. */
function bucketsOf(series: Series[], refId: string, step: number): DataFrame {
  const ordered = [...series].sort((a, b) => number(a.metric.le ?? '+Inf') - number(b.metric.le ?? '+Inf'));
  const moments = [...new Set(ordered.flatMap(({ values }) => values.map(([at]) => at)))].sort((a, b) => a - b);
  const below = new Map<number, number>();
  const fields = ordered.map(({ metric, values }) => {
    const here = new Map(values.map(([at, text]) => [at, number(text)]));
    return {
      name: metric.le ?? '', type: FieldType.number, labels: { ...metric }, config: { displayNameFromDS: metric.le },
      values: moments.map((at) => {
        const upTo = here.get(at);
        const inside = upTo === undefined ? null : Math.max(0, upTo - (below.get(at) ?? 0));
        below.set(at, upTo ?? below.get(at) ?? 0);
        return inside;
      }),
    };
  });
  return createDataFrame({ refId, fields: [
    { name: 'Time', type: FieldType.time, config: { interval: step }, values: moments.map((at) => at * 1000) }, ...fields] });
}
