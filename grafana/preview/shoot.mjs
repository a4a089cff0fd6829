/**
 * Screenshots of dashboards, and a report on standard output as JSON: what became of each panel, which texts are cut off,
 * what the browser complained about. Exit status 1 when a dashboard could not be drawn at all.
 *
 *   node shoot.mjs --prometheus URL --out FOLDER [--uid sales-api] [--width 1280] [--at UNIXTIME] [--range 7d]
 *                  [--open-rows] [--all-layers] [--theme light] [--var name=value] [--dashboards FOLDER]
 *                  [--scrape-interval 10s] [--chromium PATH] [--timeout SECONDS]
 */

import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { DASHBOARDS, PROMETHEUS, listed, serve } from './server.mjs';

const { values: asked } = parseArgs({ options: {
  prometheus: { type: 'string', default: PROMETHEUS }, dashboards: { type: 'string', default: DASHBOARDS },
  out: { type: 'string' }, uid: { type: 'string', multiple: true }, width: { type: 'string', multiple: true, default: ['1280'] },
  at: { type: 'string' }, range: { type: 'string' }, 'open-rows': { type: 'boolean', default: false },
  'all-layers': { type: 'boolean', default: false },
  theme: { type: 'string', default: 'dark' }, var: { type: 'string', multiple: true, default: [] },
  chromium: { type: 'string', default: process.env.CHROMIUM ?? '/usr/bin/chromium' },
  timeout: { type: 'string', default: '60' }, 'scrape-interval': { type: 'string' },
} });

const SECONDS = { m: 60, h: 3600, d: 86_400, w: 604_800 };
const HEIGHT = 900;
/** How many are open at once. */
const PAGES = 2;
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--font-render-hinting=none', '--hide-scrollbars'];

function seconds(range) {
  const [, count, unit] = /^(\d+)([mhdw])$/.exec(range) ?? [];
  if (!unit) {
    throw new Error(`--range ${range}: a number and m, h, d or w, as in 7d`);
  }
  return Number(count) * SECONDS[unit];
}

function address(base, board) {
  const query = new URLSearchParams({ theme: asked.theme, timezone: 'utc' });
  const at = asked.at ? Number(asked.at) : Math.floor(Date.now() / 1000);
  const range = asked.range ?? /^now-(\d+[mhdw])$/.exec(board.time?.from ?? '')?.[1] ?? '6h';
  query.set('from', String((at - seconds(range)) * 1000));
  query.set('to', String(at * 1000));
  if (asked['all-layers']) {
    (board.annotations?.list ?? []).filter((layer) => !layer.enable).forEach((layer) => query.append('layer', layer.name));
  }
  asked.var.forEach((pair) => query.append(`var-${pair.split('=')[0]}`, pair.slice(pair.indexOf('=') + 1)));
  return `${base}/d/${board.uid}?${query}`;
}

/** Wait until the page says that every panel is there. */
async function ready(page) {
  await page.waitForFunction(() => window.preview?.ready(), undefined, { timeout: Number(asked.timeout) * 1000 });
}

async function shot(browser, base, board, width) {
  const page = await browser.newPage({ viewport: { width, height: HEIGHT }, timezoneId: 'UTC', reducedMotion: 'reduce' });
  const complaints = [];
  const file = asked.out && join(asked.out, `${board.uid}-${width}.png`);
  let failed;
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  try {
    if (asked.at) {
      await page.clock.setFixedTime(Number(asked.at) * 1000);
    }
    await page.goto(address(base, board));
    await ready(page);
    if (asked['open-rows']) {
      await page.evaluate(() => document.querySelectorAll('.preview-row[data-open=false]').forEach((row) => row.click()));
      await ready(page);
    }
    // Tables draw their rows only where they can be seen.
    await page.setViewportSize({ width, height: await page.evaluate(() => document.documentElement.scrollHeight) });
    await ready(page);
    await page.evaluate(() => window.preview.still());
    failed = await page.evaluate(() => window.preview.failed());
  } catch (error) {
    failed = error.message;
  }
  const report = await page.evaluate(() => window.preview?.inspect()).catch(() => undefined);
  if (file) {
    await page.screenshot({ path: file, fullPage: true });
  }
  await page.close();
  return { uid: board.uid, width, file, failed, ...report, console: complaints };
}

if (!existsSync(asked.chromium)) {
  console.error(`There is no Chromium at ${asked.chromium}; --chromium or CHROMIUM name another.`);
  process.exit(2);
}
if (asked.out) {
  await mkdir(asked.out, { recursive: true });
}
const boards = (await listed(asked.dashboards)).map(({ board }) => board).filter(({ uid }) => !asked.uid || asked.uid.includes(uid));
const server = await serve({ prometheus: asked.prometheus, dashboards: asked.dashboards, scrapeInterval: asked['scrape-interval'] });
const browser = await chromium.launch({ executablePath: asked.chromium, args: FLAGS });
const shots = boards.flatMap((board) => asked.width.map((width) => ({ board, width: Number(width) })));
const reports = [];
const next = shots.entries();
// While one page waits for its queries, another is drawn.
await Promise.all(Array.from({ length: PAGES }, async () => {
  for (const [place, { board, width }] of next) {
    reports[place] = await shot(browser, server.url, board, width);
  }
}));
await browser.close();
server.close();
console.log(JSON.stringify(reports, null, 1));
process.exitCode = reports.length && reports.every(({ failed }) => !failed) ? 0 : 1;
