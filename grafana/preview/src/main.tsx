/** The page: which dashboard, over which time, in which theme; then everything is loaded and drawn once. */

import { createTheme, ThemeContext } from '@grafana/data';
import { GlobalStyles, PortalContainer } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { MemoryRouter } from 'react-router-dom';
import type { Setting } from './board';
import { inspect } from './inspect';
import { Dashboard } from './page';
import type { Page } from './pipeline';
import { Prometheus } from './prometheus';
import { prepare } from './registry';
import { fail, failed, ready, still } from './status';
import './style.css';
import { rangeOf } from './time';
import { inAddress, resolve, type Choices } from './variables';

declare global {
  interface Window {
    preview: { ready: () => boolean; failed: () => string | undefined; still: typeof still; inspect: typeof inspect };
    __grafana_public_path__: string;
  }
}

const HOME = 'sales-home';

async function start(): Promise<void> {
  const setting = (await (await fetch('/setting.json')).json()) as Setting;
  const address = new URLSearchParams(location.search);
  const uid = /^\/d\/([^/]+)/.exec(location.pathname)?.[1] ?? HOME;
  const listed = setting.dashboards.find(({ board }) => board.uid === uid) ?? setting.dashboards[0];
  if (!listed) {
    throw new Error('There is no dashboard');
  }
  const theme = createTheme({ colors: { mode: address.get('theme') === 'light' ? 'light' : 'dark' } });
  const { time, templating } = listed.board;
  const range = rangeOf(address.get('from') ?? time?.from ?? 'now-6h', address.get('to') ?? time?.to ?? 'now');
  const prometheus = new Prometheus(setting.prometheus);
  let choices: Choices = new Map();
  const bounds = { from: String(range.from.valueOf()), to: String(range.to.valueOf()) };
  await prepare({ time: () => bounds, variables: () => inAddress(choices) });
  choices = await resolve(templating?.list ?? [], address, prometheus, range);
  await Promise.all(['400 14px Inter', '500 14px Inter', '400 14px "Roboto Mono"'].map((font) => document.fonts.load(font)));
  const page: Page = {
    prometheus, choices, range, theme, scrapeInterval: setting.scrapeInterval, timeZone: address.get('timezone') ?? 'browser',
  };
  document.title = `${listed.board.title} - preview`;
  document.documentElement.style.setProperty('--preview-canvas', theme.colors.background.canvas);
  document.documentElement.style.setProperty('--preview-muted', theme.colors.text.secondary);
  document.documentElement.style.setProperty('--preview-edge', theme.colors.border.medium);
  document.documentElement.style.setProperty('--preview-raised', theme.colors.background.primary);
  createRoot(document.getElementById('page') as HTMLElement).render(
    <ThemeContext.Provider value={theme}>
      <MemoryRouter>
        <GlobalStyles />
        <Dashboard listed={listed} all={setting.dashboards} page={page} />
        <PortalContainer />
      </MemoryRouter>
    </ThemeContext.Provider>,
  );
}

window.__grafana_public_path__ = '/public/';
window.preview = { ready, failed, still, inspect };
start().catch((error: Error) => {
  console.error(error);
  fail(error.message);
  document.getElementById('page')?.replaceChildren(error.message);
});
