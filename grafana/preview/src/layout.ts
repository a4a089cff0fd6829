/** Where each panel lies: Grafana's grid of 24 columns, its repeated panels and its rows. */

import type { ScopedVars } from '@grafana/data';
import type { GridPos, Panel } from './board';
import type { Choices } from './variables';

export const COLUMNS = 24;
const CELL = 30;
const GAP = 8;
/** Below this width panels stand one below the other. */
export const PHONE = 768;

export interface Placed { key: string; panel: Panel; scoped: ScopedVars; grid: GridPos }
export interface Box { left: number; top: number; width: number; height: number }

interface Section { row?: Panel; panels: Panel[] }

/** Every panel and row heading that is shown, from top to bottom. `toggled` are rows that were clicked. */
export function placed(panels: Panel[], choices: Choices, toggled: ReadonlySet<string>): Placed[] {
  const result: Placed[] = [];
  let top = 0;
  for (const section of sections(panels)) {
    for (const { scoped, suffix } of repeats(section.row, choices)) {
      const key = `${section.row?.id}${suffix}`;
      if (section.row) {
        result.push({ key, panel: section.row, scoped, grid: { x: 0, y: top, w: COLUMNS, h: 1 } });
        top += 1;
      }
      if (section.row && Boolean(section.row.collapsed) !== toggled.has(key)) {
        continue;
      }
      const { placed: inside, height } = arranged(section.panels, choices, scoped, suffix);
      result.push(...inside.map((one) => ({ ...one, grid: { ...one.grid, y: one.grid.y + top } })));
      top += height;
    }
  }
  return result;
}

function sections(panels: Panel[]): Section[] {
  const result: Section[] = [{ panels: [] }];
  for (const panel of [...panels].sort((a, b) => a.gridPos.y - b.gridPos.y || a.gridPos.x - b.gridPos.x)) {
    if (panel.type === 'row') {
      result.push({ row: panel, panels: [...(panel.panels ?? [])] });
    } else {
      result.at(-1)?.panels.push(panel);
    }
  }
  return result.filter((section) => section.row ?? section.panels.length);
}

function repeats(panel: Panel | undefined, choices: Choices): { scoped: ScopedVars; suffix: string }[] {
  const chosen = panel?.repeat ? choices.get(panel.repeat) : undefined;
  if (!panel?.repeat || !chosen) {
    return [{ scoped: {}, suffix: '' }];
  }
  const names = new Map(chosen.options.map((option) => [option.value, option.text]));
  return chosen.values.map((value) => ({
    scoped: { [panel.repeat ?? '']: { text: names.get(value) ?? value, value } }, suffix: `:${value}` }));
}

/** Panels of a section from its top; one that repeats pushes down what lies below it. */
function arranged(panels: Panel[], choices: Choices, outer: ScopedVars,
                  suffix: string): { placed: Placed[]; height: number } {
  const first = Math.min(...panels.map((panel) => panel.gridPos.y));
  const result: Placed[] = [];
  const pushes: { below: number; by: number }[] = [];
  for (const panel of panels) {
    const pushed = pushes.filter(({ below }) => panel.gridPos.y >= below).reduce((sum, { by }) => sum + by, 0);
    const at = { ...panel.gridPos, y: panel.gridPos.y - first + pushed };
    const copies = repeats(panel, choices);
    const grids = spread(panel, at, copies.length);
    copies.forEach((copy, index) => result.push({
      key: `${panel.id}${suffix}${copy.suffix}`, panel, scoped: { ...outer, ...copy.scoped }, grid: grids[index] ?? at }));
    const extra = Math.max(at.y, ...grids.map((grid) => grid.y)) - at.y;
    if (extra > 0) {
      pushes.push({ below: panel.gridPos.y + panel.gridPos.h, by: extra });
    }
  }
  return { placed: result, height: Math.max(0, ...result.map(({ grid }) => grid.y + grid.h)) };
}

function spread(panel: Panel, at: GridPos, count: number): GridPos[] {
  if (!panel.repeat) {
    return [at];
  }
  if (panel.repeatDirection === 'v') {
    return Array.from({ length: count }, (_, index) => ({ ...at, y: at.y + index * at.h }));
  }
  const across = Math.min(count, panel.maxPerRow ?? 4);
  const w = Math.floor(COLUMNS / across);
  return Array.from({ length: count }, (_, index) => (
    { w, h: at.h, x: (index % across) * w, y: at.y + Math.floor(index / across) * at.h }));
}

/** Pixels of all that is placed on a page of that width, and the height of the page. */
export function boxes(placed: Placed[], width: number): { boxes: Box[]; height: number } {
  const narrow = width < PHONE;
  let next = 0;
  const result = placed.map(({ grid }) => {
    const { x, y, w, h } = narrow ? { x: 0, y: next, w: COLUMNS, h: grid.h } : grid;
    next = y + h;
    const column = (width - (COLUMNS - 1) * GAP) / COLUMNS;
    return { left: x * (column + GAP), top: y * (CELL + GAP), width: w * column + (w - 1) * GAP, height: h * CELL + (h - 1) * GAP };
  });
  return { boxes: result, height: Math.max(0, ...result.map((box) => box.top + box.height)) };
}
