/** What a reader could not read: texts that their surroundings cut off. Texts on a canvas (axes) are not seen. */

import { outcomeOf, type Outcome } from './status';

export interface Cut { text: string; where: string; axis: 'x' | 'y' }
export interface Seen extends Outcome { id: string; kind: string; title: string; cut: Cut[]; sideways: boolean }
export interface Report { panels: Seen[]; cut: Cut[]; overflow: number }

const SLACK = 1;
/** Room that descenders may need beyond a line's box without a letter being lost. */
const SLACK_BELOW = 3;

/** All panels as they stand on the page; `overflow` is by how many pixels the page is wider than the window. */
export function inspect(): Report {
  const cells = [...document.querySelectorAll<HTMLElement>('[data-panel]')].filter((cell) => cell.dataset.kind !== 'row');
  const bar = [...document.querySelectorAll<HTMLElement>('.preview-bar, .preview-row')];
  return {
    panels: cells.map((cell) => ({
      id: cell.dataset.panel ?? '', kind: cell.dataset.kind ?? '', title: cell.dataset.title ?? '',
      ...(outcomeOf(cell.dataset.panel ?? '') ?? { state: 'error', message: 'never drawn' }),
      cut: cutWithin(cell), sideways: sideways(cell),
    })),
    cut: bar.flatMap(cutWithin),
    overflow: Math.max(0, document.documentElement.scrollWidth - innerWidth),
  };
}

function cutWithin(root: HTMLElement): Cut[] {
  const result: Cut[] = [];
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const text = node.textContent?.trim();
    const parent = node.parentElement;
    if (!text || !parent || !visible(parent) || parent.closest('.sr-only')) {
      continue;
    }
    const range = document.createRange();
    range.selectNodeContents(node);
    const axis = cutOff(range.getBoundingClientRect(), parent, root);
    if (axis) {
      result.push({ text, axis, where: parent.closest('[role]')?.getAttribute('role') ?? parent.tagName.toLowerCase() });
    }
  }
  return result;
}

function visible(element: Element): boolean {
  return element.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true });
}

/** Whether a box leaves what clips it. What can be scrolled into view is not cut off. */
function cutOff(box: DOMRect, from: Element, root: Element): 'x' | 'y' | undefined {
  let scrollsX = false;
  let scrollsY = false;
  for (let element: Element | null = from; element; element = element === root ? null : element.parentElement) {
    const style = getComputedStyle(element);
    const edge = edgesOf(element, style);
    const svg = element instanceof SVGSVGElement;
    if (!scrollsX && (svg || clips(style.overflowX)) && (box.right > edge.right + SLACK || box.left < edge.left - SLACK)) {
      return 'x';
    }
    if (!scrollsY && (svg || clips(style.overflowY)) && (box.bottom > edge.bottom + SLACK_BELOW || box.top < edge.top - SLACK_BELOW)) {
      return 'y';
    }
    scrollsX ||= scrolls(style.overflowX);
    scrollsY ||= scrolls(style.overflowY);
  }
  return undefined;
}

/** Where an element cuts off. Dots in place of the end of a text appear at its padding already. */
function edgesOf(element: Element, style: CSSStyleDeclaration): { left: number; right: number; top: number; bottom: number } {
  const { left, right, top, bottom } = element.getBoundingClientRect();
  const dots = style.textOverflow === 'ellipsis';
  return { left, top, bottom, right: dots ? right - parseFloat(style.paddingRight) : right };
}

const clips = (overflow: string) => overflow === 'hidden' || overflow === 'clip';
const scrolls = (overflow: string) => overflow === 'auto' || overflow === 'scroll';

/** Whether part of the panel is seen only after scrolling to the side. */
function sideways(root: HTMLElement): boolean {
  return [...root.querySelectorAll<HTMLElement>('*')].some((element) =>
    scrolls(getComputedStyle(element).overflowX) && element.scrollWidth > element.clientWidth + SLACK);
}
