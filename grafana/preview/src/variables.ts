/** Variables of a dashboard: resolved from top to bottom, and written into texts and queries. */

import { dateTime, escapeRegex, rangeUtil, type ScopedVars, type TimeRange } from '@grafana/data';
import type { Option, Variable } from './board';
import type { Prometheus } from './prometheus';
import { fromContext } from './scoped';
import { promql } from './time';

const LIKE_A_MATCHER = /^\w+(=|!=|=~|!~)".*"$/;

export const ALL = '$__all';

/** A variable with its choice: `values` are those in force, all of them where All is chosen. */
export interface Chosen {
  variable: Variable;
  options: Option[];
  values: string[];
  all: boolean;
}

export type Choices = ReadonlyMap<string, Chosen>;
type Format = (values: string[], choice: Chosen | undefined) => string;

/** Resolve each variable with those before it; the address (`var-name`) goes before the dashboard's own choice. */
export async function resolve(variables: Variable[], address: URLSearchParams, prometheus: Prometheus,
                              range: TimeRange): Promise<Choices> {
  const choices = new Map<string, Chosen>();
  for (const variable of variables) {
    const options = await optionsOf(variable, choices, prometheus, range);
    choices.set(variable.name, choose(variable, options, address.getAll(`var-${variable.name}`)));
  }
  return choices;
}

function choose(variable: Variable, options: Option[], asked: string[]): Chosen {
  const free = variable.type === 'textbox' || variable.type === 'constant';
  const usual = [variable.current?.value ?? []].flat();
  const wanted = asked.length ? asked : usual;
  const everything = Boolean(variable.includeAll) && (wanted.length === 0 || wanted.some((one) => one === ALL || one === 'All'));
  const known = new Set(options.map((option) => option.value));
  // A value that nobody offers is dropped unless the address asks for it, as Grafana does.
  const kept = wanted.filter((one) => free || asked.length > 0 || known.has(one));
  if (everything || (variable.includeAll && kept.length === 0)) {
    return { variable, options, values: options.map((option) => option.value), all: true };
  }
  const values = kept.length ? kept : options.slice(0, 1).map((option) => option.value);
  return { variable, options, values: variable.multi ? values : values.slice(0, 1), all: false };
}

async function optionsOf(variable: Variable, choices: Choices, prometheus: Prometheus,
                         range: TimeRange): Promise<Option[]> {
  const text = typeof variable.query === 'object' ? variable.query.query ?? '' : variable.query ?? '';
  switch (variable.type) {
    case 'query':
      return sorted(matching(await queried(written(text, { choices, range }, inPromql), prometheus, range),
                             variable.regex ?? ''), variable.sort ?? 0);
    case 'custom':
      return listed(text);
    case 'interval':
      return [...(variable.auto ? [{ text: 'auto', value: automatic(variable, range) }] : []), ...listed(text)];
    case 'textbox':
    case 'constant':
      return [{ text, value: text }];
    case 'datasource':
      return [{ text: 'Prometheus', value: 'prometheus' }];
    default:
      return [];
  }
}

function automatic(variable: Variable, range: TimeRange): string {
  return rangeUtil.calculateInterval(range, variable.auto_count ?? 30, variable.auto_min ?? '10s').interval;
}

/** `a, b : c` offers a and c, the latter by the name b; a comma within a value is written `\,`. */
function listed(text: string): Option[] {
  return text.split(/(?<!\\),/).map((part) => part.trim().replaceAll('\\,', ',')).filter(Boolean).map((part) => {
    const [name = '', value] = part.split(/\s+:\s+/);
    return { text: name, value: value ?? name };
  });
}

async function queried(text: string, prometheus: Prometheus, range: TimeRange): Promise<string[]> {
  const [start, end] = [range.from.unix(), range.to.unix()];
  const labels = /^\s*label_values\((?:(.+),)?\s*([a-zA-Z_]\w*)\s*\)\s*$/s.exec(text);
  if (labels?.[2]) {
    return prometheus.labelValues(labels[2], labels[1]?.trim(), start, end);
  }
  const metrics = /^\s*metrics\((.*)\)\s*$/s.exec(text);
  if (metrics?.[1]) {
    const wanted = new RegExp(metrics[1]);
    return (await prometheus.labelValues('__name__', undefined, start, end)).filter((name) => wanted.test(name));
  }
  if (/^\s*label_names\(\)\s*$/.test(text)) {
    return prometheus.labelNames(start, end);
  }
  const result = /^\s*query_result\((.+)\)\s*$/s.exec(text);
  if (result?.[1]) {
    return (await prometheus.now(result[1], end)).map(({ metric, values }) => {
      const { __name__: name = '', ...rest } = metric;
      const inside = Object.entries(rest).map(([label, value]) => `${label}="${value}"`).join(',');
      return `${name}{${inside}} ${values[0]?.[1]} ${Math.round((values[0]?.[0] ?? 0) * 1000)}`;
    });
  }
  throw new Error(`The preview does not know this variable query: ${text}`);
}

/** Values that match `/pattern/flags`; groups named text and value, or the first group, cut the shown part out. */
function matching(values: string[], regex: string): Option[] {
  const [, pattern, flags] = /^\/(.*)\/([a-z]*)$/s.exec(regex) ?? [undefined, regex, ''];
  if (!pattern) {
    return [...new Set(values)].map((value) => ({ text: value, value }));
  }
  const found = new Map<string, Option>();
  for (const value of values) {
    const match = new RegExp(pattern, flags?.replace('g', '')).exec(value);
    if (match) {
      const cut = match.groups?.value ?? match.groups?.text ?? match[1] ?? value;
      found.set(cut, { text: match.groups?.text ?? cut, value: cut });
    }
  }
  return [...found.values()];
}

function sorted(options: Option[], order: number): Option[] {
  const kinds: Record<number, (a: Option, b: Option) => number> = {
    1: (a, b) => (a.text < b.text ? -1 : Number(a.text > b.text)),
    3: (a, b) => digits(a) - digits(b),
    5: (a, b) => a.text.toLowerCase().localeCompare(b.text.toLowerCase()),
    7: (a, b) => a.text.localeCompare(b.text, undefined, { numeric: true, sensitivity: 'base' }),
  };
  const by = kinds[order % 2 ? order : order - 1];
  const result = by ? [...options].sort(by) : options;
  return order > 0 && order % 2 === 0 ? result.reverse() : result;
}

function digits(option: Option): number {
  return Number(/\d+/.exec(option.text)?.[0] ?? -1);
}

/** What a text may refer to: choices, the time range, steps by their names, and what surrounds a field. */
export interface Known {
  choices: Choices;
  range: TimeRange;
  builtIn?: Record<string, string>;
  scoped?: ScopedVars;
}

/** The text with its variables filled in; `usual` writes those without a format of their own. */
export function written(text: string, known: Known, usual: Format = plain): string {
  return text.replace(/\$(\w+)|\$\{([^}:]+)(?::([^}]+))?\}/g, (whole, short?: string, long?: string, format?: string) => {
    const name = short ?? long ?? '';
    const write = format ? FORMATS[format.split(':')[0] ?? ''] ?? plain : usual;
    const scoped = known.scoped?.[name];
    if (scoped) {
      return write([String(scoped.value)], known.choices.get(name));
    }
    const choice = known.choices.get(name);
    if (choice) {
      return format === 'text' ? shown(choice) : write(inForce(choice), choice);
    }
    return known.builtIn?.[name] ?? general(name, known.range, format) ?? fromContext(name, known.scoped) ?? whole;
  });
}

function inForce(choice: Chosen): string[] {
  return choice.all && choice.variable.allValue ? [choice.variable.allValue] : choice.values;
}

/** The choice as the variable bar and titles show it. */
export function shown(choice: Chosen): string {
  const names = new Map(choice.options.map((option) => [option.value, option.text]));
  return choice.all ? 'All' : choice.values.map((value) => names.get(value) ?? value).join(' + ');
}

function general(name: string, range: TimeRange, format: string | undefined): string | undefined {
  const [from, to] = [range.from.valueOf(), range.to.valueOf()];
  const moment = (at: number) => (format?.startsWith('date') ? dateTime(at).toISOString() : String(at));
  const words: Record<string, string> = {
    __from: moment(from), __to: moment(to), __url_time_range: `from=${from}&to=${to}`,
    __range: promql(Math.round((to - from) / 1000) * 1000), __range_s: String(Math.round((to - from) / 1000)),
    __range_ms: String(to - from),
  };
  return words[name];
}

const plain: Format = (values, choice) => (values.length > 1 && choice ? `{${values.join(',')}}` : values.join(','));

/** Values within a string of PromQL: a regular expression where more than one could be chosen. */
export const inPromql: Format = (values, choice) => {
  if (!choice) {
    return values.join('|');
  }
  const { multi, includeAll, allValue } = choice.variable;
  if (choice.all && allValue) {
    return allValue;
  }
  if (!multi && !includeAll) {
    const value = values[0] ?? '';
    // What looks like a matcher is left as it is.
    return LIKE_A_MATCHER.test(value) ? value : value.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  }
  const escaped = values.map((value) => value.replace(/[$()*+?.{}|^[\]\\]/g, '\\\\$&'));
  return escaped.length === 1 ? escaped[0] ?? '' : `(${escaped.join('|')})`;
};

const FORMATS: Record<string, Format> = {
  raw: (values) => values.join(','),
  csv: (values) => values.join(','),
  pipe: (values) => values.join('|'),
  regex: (values) => (values.length === 1 ? escapeRegex(values[0] ?? '') : `(${values.map(escapeRegex).join('|')})`),
  json: (values) => JSON.stringify(values),
  singlequote: (values) => values.map((value) => `'${value}'`).join(','),
  doublequote: (values) => values.map((value) => `"${value}"`).join(','),
  percentencode: (values) => encodeURIComponent(values.length > 1 ? `{${values.join(',')}}` : values.join(',')),
  queryparam: (values, choice) => parameters(choice, values),
  text: (values) => values.join(' + '),
  date: (values) => values.join(','),
};

function parameters(choice: Chosen | undefined, values: string[]): string {
  const name = `var-${choice?.variable.name ?? ''}`;
  return (choice?.all ? [ALL] : values).map((value) => `${name}=${encodeURIComponent(value)}`).join('&');
}

/** All choices as parts of an address, for links that take them along. */
export function inAddress(choices: Choices): string {
  return [...choices.values()].filter((choice) => choice.values.length > 0 || choice.all)
    .map((choice) => parameters(choice, choice.values)).join('&');
}
