/** From a panel's JSON to what its drawing gets: queries, transformations, field properties. */

import {
  applyFieldOverrides, cacheFieldDisplayNames, FieldType, standardTransformersRegistry, transformDataFrame, type DataFrame,
  type FieldConfigSource, type GrafanaTheme2, type InterpolateFunction, type ScopedVars, type TimeRange,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';
import type { Panel, Target } from './board';
import { fieldDefaults } from './defaults';
import { framesOf } from './frames';
import { Prometheus, type Series } from './prometheus';
import { propertiesOf } from './registry';
import { aligned, promql, shortened, stepsOf } from './time';
import { inPromql, written, type Choices, type Known } from './variables';

/** What all panels of the page share. */
export interface Page {
  prometheus: Prometheus;
  scrapeInterval: string;
  choices: Choices;
  range: TimeRange;
  timeZone: string;
  theme: GrafanaTheme2;
}

export interface Loaded {
  frames: DataFrame[];
  range: TimeRange;
  fieldConfig: FieldConfigSource;
  write: InterpolateFunction;
  /** Queries that no series answered. */
  silent: string[];
}

/** Load a panel that is `width` pixels wide. */
export async function load(panel: Panel, scoped: ScopedVars, width: number, page: Page): Promise<Loaded> {
  const range = panel.timeFrom ? shortened(page.range, panel.timeFrom) : page.range;
  const known: Known = { choices: page.choices, range, scoped };
  const write: InterpolateFunction = (text, more) => written(text, { ...known, scoped: { ...scoped, ...more } });
  const targets = (panel.targets ?? []).filter((target) => !target.hide);
  const asked = targets.map((target) => ({ target, ...timing(panel, target, range, width, page) }));
  const answers = await Promise.all(asked.map(({ target, step, builtIn }) =>
    answer(target, step, range, { ...known, builtIn }, page.prometheus)));
  const tables = targets.filter((target) => target.format === 'table').length;
  const raw = asked.flatMap(({ target, step }, index) => framesOf(answers[index] ?? [], target, step, tables));
  const steps = panel.transformations ?? [];
  const unknown = steps.filter(({ id }) => !standardTransformersRegistry.getIfExists(id));
  if (unknown.length) {
    throw new Error(`The preview does not know the transformation ${unknown.map(({ id }) => id).join(', ')}`);
  }
  const frames = await lastValueFrom(transformDataFrame(steps, raw, { interpolate: (text) => write(text) }));
  const fieldConfig = configOf(panel);
  const dressed = applyFieldOverrides({
    data: frames, fieldConfig, fieldConfigRegistry: propertiesOf(fieldConfig), replaceVariables: write,
    theme: page.theme, timeZone: page.timeZone,
  });
  // Colours by name and the sorting of tables read the names from where this puts them.
  cacheFieldDisplayNames(dressed);
  return {
    range, write, fieldConfig, frames: dressed,
    silent: targets.filter((_, index) => answers[index]?.length === 0).map((target) => target.refId),
  };
}

function timing(panel: Panel, target: Target, range: TimeRange, width: number, page: Page) {
  const least = target.interval ? written(target.interval, { choices: page.choices, range }) : undefined;
  const ofPanel = panel.interval ? written(panel.interval, { choices: page.choices, range }) : undefined;
  const steps = stepsOf(range, panel.maxDataPoints ?? width, ofPanel, least, page.scrapeInterval);
  return { step: steps.step, builtIn: {
    __interval: promql(steps.interval), __interval_ms: String(steps.interval), __rate_interval: promql(steps.rate),
  } };
}

async function answer(target: Target, step: number, range: TimeRange, known: Known,
                      prometheus: Prometheus): Promise<Series[]> {
  const expr = written(target.expr, known, inPromql);
  if (target.instant && !target.range) {
    return prometheus.now(expr, range.to.valueOf() / 1000);
  }
  const { start, end } = aligned(range, step);
  return prometheus.over(expr, start, end, step / 1000);
}

function configOf(panel: Panel): FieldConfigSource {
  const given = structuredClone(panel.fieldConfig ?? { defaults: {}, overrides: [] });
  return { defaults: fieldDefaults(panel.type, given.defaults), overrides: given.overrides ?? [] };
}

/** Whether there is anything to see. */
export function isEmpty(frames: DataFrame[]): boolean {
  return !frames.some((frame) => frame.fields.some((field) => field.type !== FieldType.time
    && field.values.some((value: unknown) => value !== null && value !== undefined && value !== '' && !Number.isNaN(value))));
}
