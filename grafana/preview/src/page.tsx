/** A dashboard: its bar and its panels where the grid puts them. */

import { Icon } from '@grafana/ui';
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type ReactElement } from 'react';
import { marksOf, type Marks } from './annotations';
import { Bar } from './bar';
import type { Listed } from './board';
import { boxes, placed, type Placed } from './layout';
import { PanelView } from './panel';
import type { Page } from './pipeline';
import { expect, fail } from './status';
import { written } from './variables';

export function Dashboard({ listed, all, page }: { listed: Listed; all: Listed[]; page: Page }): ReactElement {
  const { board } = listed;
  const [toggled, setToggled] = useState<ReadonlySet<string>>(new Set());
  const [marks, setMarks] = useState<Marks[]>();
  const [width, measure] = useWidth();
  useEffect(() => {
    marksOf(board.annotations?.list ?? [], page).then(setMarks, (error: Error) => fail(`annotations: ${error.message}`));
  }, [board, page]);
  const shown = useMemo(() => placed(board.panels, page.choices, toggled), [board, page, toggled]);
  const { boxes: where, height } = useMemo(() => boxes(shown, width), [shown, width]);
  useLayoutEffect(() => {
    if (width > 0) {
      expect(shown.filter(({ panel }) => panel.type !== 'row').map(({ key }) => key));
    }
  }, [shown, width]);
  const toggle = (key: string) => setToggled((before) => new Set(before.has(key) ? [...before].filter((one) => one !== key) : [...before, key]));
  return (
    <>
      <Bar listed={listed} all={all} page={page} />
      <main className="preview-grid" ref={measure} style={{ height }}>
        {width > 0 && marks && shown.map((one, index) => {
          const box = where[index];
          return box && (
            <section key={one.key} className="preview-cell" style={box} data-panel={one.key} data-kind={one.panel.type}
                     data-title={written(one.panel.title ?? '', { choices: page.choices, range: page.range, scoped: one.scoped })}>
              {one.panel.type === 'row'
                ? <Heading one={one} page={page} open={Boolean(one.panel.collapsed) === toggled.has(one.key)} toggle={() => toggle(one.key)} />
                : <PanelView id={one.key} panel={one.panel} scoped={one.scoped} box={box} page={page} marks={marks} />}
            </section>
          );
        })}
      </main>
    </>
  );
}

function Heading({ one, page, open, toggle }: { one: Placed; page: Page; open: boolean; toggle: () => void }): ReactElement {
  const title = written(one.panel.title ?? '', { choices: page.choices, range: page.range, scoped: one.scoped });
  const inside = one.panel.panels?.length ?? 0;
  return (
    <button className="preview-row" data-open={open} aria-expanded={open} onClick={toggle}>
      <Icon name={open ? 'angle-down' : 'angle-right'} /> {title}
      {!open && inside > 0 && <span className="preview-count">({inside} {inside === 1 ? 'panel' : 'panels'})</span>}
    </button>
  );
}

function useWidth(): [number, React.RefObject<HTMLElement | null>] {
  const element = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const seen = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    if (element.current) {
      seen.observe(element.current);
    }
    return () => seen.disconnect();
  }, []);
  return [width, element];
}
