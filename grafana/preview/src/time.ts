/** The time range of the page and the steps that follow from it. Durations are milliseconds. */

import { dateMath, dateTime, rangeUtil, type TimeRange } from '@grafana/data';

const MOST_POINTS = 11_000;
const DAY = 86_400_000;

/** A bound from the address: Unix milliseconds, a moment in words or relative to now. */
function bound(text: string, roundUp: boolean) {
  return /^\d+$/.test(text) ? dateTime(Number(text)) : dateMath.toDateTime(text, { roundUp }) ?? dateTime();
}

export function rangeOf(from: string, to: string): TimeRange {
  return { from: bound(from, false), to: bound(to, true), raw: { from, to } };
}

/** A range that ends where `range` does, for panels with a time override such as `24h` or `now/d`. */
export function shortened(range: TimeRange, timeFrom: string): TimeRange {
  const length = rangeUtil.intervalToMs(timeFrom);
  return { ...range, from: dateTime(range.to.valueOf() - length) };
}

export interface Steps {
  /** `$__interval`. */
  interval: number;
  /** Of the range query. */
  step: number;
  /** `$__rate_interval`. */
  rate: number;
}

/** Steps as the data source chooses them: from the points that fit, the least of panel and query, and the scrapes. */
export function stepsOf(range: TimeRange, points: number, panelLeast: string | undefined,
                        queryLeast: string | undefined, scrape: string): Steps {
  const scraped = rangeUtil.intervalToMs(queryLeast || scrape);
  const { intervalMs: interval } = rangeUtil.calculateInterval(range, points, panelLeast || scrape);
  const length = range.to.valueOf() - range.from.valueOf();
  const safe = Math.ceil(length / MOST_POINTS / 1000) * 1000;
  const step = Math.max(interval, queryLeast ? scraped : 0, safe, 1000);
  return { interval, step, rate: Math.max(step + scraped, 4 * scraped) };
}

/** Bounds of a range query in seconds, on multiples of the step so that a reload shows the same points. */
export function aligned(range: TimeRange, step: number): { start: number; end: number } {
  const floor = (at: number) => (Math.floor(at / step) * step) / 1000;
  return { start: floor(range.from.valueOf()), end: floor(range.to.valueOf()) };
}

/** A duration as PromQL reads it. */
export function promql(milliseconds: number): string {
  if (milliseconds % DAY === 0) {
    return `${milliseconds / DAY}d`;
  }
  return milliseconds % 1000 === 0 ? `${milliseconds / 1000}s` : `${milliseconds}ms`;
}
