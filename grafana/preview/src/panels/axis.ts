/** Round numbers for the axes of the drawings of our own. */

const STEPS = [1, 2, 2.5, 5, 10];

/** Ascending round numbers, about `count` of them, whose ends enclose `low` and `high`. */
export function roundTicks(low: number, high: number, count: number): number[] {
  const rough = (high - low || Math.abs(high) || 1) / Math.max(1, count);
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = magnitude * (STEPS.find((one) => one * magnitude >= rough) ?? 10);
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step);
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}
