/** `timeSeriesTable`: a row per series with its labels and its course. Grafana keeps this transformation outside of its packages. */

import { createDataFrame, FieldType, reduceField, ReducerID, type DataFrame, type DataTransformerInfo, type Field } from '@grafana/data';
import { map } from 'rxjs';

type Options = Record<string, { stat?: ReducerID } | undefined>;

export const trends: DataTransformerInfo<Options> = {
  id: 'timeSeriesTable',
  name: 'Time series to table',
  defaultOptions: {},
  operator: (options) => (source) => source.pipe(map((frames) => {
    const queries = [...new Set(frames.map((frame) => frame.refId ?? ''))];
    return queries.map((refId) => tableOf(frames.filter((frame) => (frame.refId ?? '') === refId), refId, options[refId]?.stat));
  })),
};

function tableOf(frames: DataFrame[], refId: string, stat: ReducerID = ReducerID.lastNotNull): DataFrame {
  const courses = frames.flatMap((frame) => frame.fields.filter((field) => field.type === FieldType.number)
    .map((field) => ({ frame: alone(frame, field), field })));
  const labels = [...new Set(courses.flatMap(({ field }) => Object.keys(field.labels ?? {})))];
  return createDataFrame({ refId, fields: [
    ...labels.map((label) => ({ name: label, type: FieldType.string, values: courses.map(({ field }) => field.labels?.[label] ?? '') })),
    { name: `Trend #${refId}`, type: FieldType.frame, values: courses.map(({ frame, field }) => (
      { ...frame, value: reduceField({ field, reducers: [stat] })[stat] as number | null })) },
  ] });
}

function alone(frame: DataFrame, field: Field): DataFrame {
  return { ...frame, fields: frame.fields.filter((one) => one.type === FieldType.time || one === field) };
}
