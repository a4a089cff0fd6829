/** One panel: its frame, its data, its drawing, or what it says instead. */

import { LoadingState, type ScopedVars } from '@grafana/data';
import { ErrorBoundary, PanelChrome } from '@grafana/ui';
import { useEffect, useState, type ReactElement } from 'react';
import { marksFor, type Marks } from './annotations';
import type { Panel } from './board';
import type { Box } from './layout';
import { DRAWINGS, SPEAKS_WHEN_EMPTY } from './panels';
import { isEmpty, load, type Loaded, type Page } from './pipeline';
import { settle, type Outcome } from './status';
import { written } from './variables';

interface Props { id: string; panel: Panel; scoped: ScopedVars; box: Box; page: Page; marks: Marks[] }

export function PanelView({ id, panel, scoped, box, page, marks }: Props): ReactElement {
  const [loaded, setLoaded] = useState<Loaded>();
  const [error, setError] = useState<string>();
  const width = Math.round(box.width);
  useEffect(() => {
    let current = true;
    load(panel, scoped, width, page).then((data) => current && setLoaded(data),
                                          (failure: Error) => current && setError(failure.message));
    return () => { current = false; };
  // A panel's scoped variables are part of its identity.
  }, [panel, id, width, page]);
  const known = { choices: page.choices, range: page.range, scoped };
  const { description } = panel;
  return (
    <PanelChrome
      width={width} height={box.height} title={written(panel.title ?? '', known)} padding={panel.type === 'table' ? 'none' : 'md'}
      description={description ? () => written(description, known) : undefined} displayMode={panel.transparent ? 'transparent' : 'default'}
      loadingState={loaded ?? error ? LoadingState.Done : LoadingState.Loading} statusMessage={error}
    >
      {(innerWidth, innerHeight) => {
        if (error) {
          return <Settled id={id} outcome={{ state: 'error', message: error }} />;
        }
        if (!loaded) {
          return null;
        }
        const drawing = <Drawing {...{ panel, loaded, page, marks }} width={innerWidth} height={innerHeight} />;
        return <Guarded id={id} outcome={outcomeOf(panel, loaded)}>{drawing}</Guarded>;
      }}
    </PanelChrome>
  );
}

function outcomeOf(panel: Panel, loaded: Loaded): Outcome {
  const state = !DRAWINGS[panel.type] ? 'unsupported' : panel.type !== 'text' && isEmpty(loaded.frames) ? 'empty' : 'ok';
  return { state, silent: loaded.silent };
}

function Drawing({ panel, loaded, page, marks, width, height }: {
  panel: Panel; loaded: Loaded; page: Page; marks: Marks[]; width: number; height: number;
}): ReactElement {
  const Draw = DRAWINGS[panel.type];
  if (!Draw) {
    return <Said width={width} height={height}>The preview does not draw panels of the kind {panel.type}.</Said>;
  }
  if (isEmpty(loaded.frames) && !SPEAKS_WHEN_EMPTY.has(panel.type)) {
    return <Said width={width} height={height}>{loaded.fieldConfig.defaults.noValue ?? 'No data'}</Said>;
  }
  return <Draw {...loaded} panel={panel} marks={marksFor(marks, panel.id)} theme={page.theme} timeZone={page.timeZone}
               width={width} height={height} />;
}

function Said({ width, height, children }: { width: number; height: number; children: React.ReactNode }): ReactElement {
  return <div className="preview-said" style={{ width, height }}><p>{children}</p></div>;
}

/** What cannot be drawn is told as an error of the panel; the others stay. */
function Guarded({ id, outcome, children }: { id: string; outcome: Outcome; children: ReactElement }): ReactElement {
  return (
    <ErrorBoundary>
      {({ error }) => error
        ? <><pre className="preview-error">{error.message}</pre><Settled id={id} outcome={{ state: 'error', message: error.message }} /></>
        : <>{children}<Settled id={id} outcome={outcome} /></>}
    </ErrorBoundary>
  );
}

function Settled({ id, outcome }: { id: string; outcome: Outcome }): null {
  useEffect(() => settle(id, outcome));
  return null;
}
