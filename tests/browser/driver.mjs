/** A browser that is told what to do: a JSON command on each line of standard input, its answer on standard output. */

import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

const [chromiumPath, packages] = process.argv.slice(2);
const { chromium } = createRequire(`${packages}/`)('playwright-core');
const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--font-render-hinting=none', '--hide-scrollbars'];
const PATIENCE = 15_000;

const browser = await chromium.launch({ executablePath: chromiumPath, args: FLAGS });
let context;
let page;
let complaints = [];

/** Texts that are cut off or lie outside of the window, but for those in a strip that can be scrolled. */
function cut() {
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    const box = element.getBoundingClientRect();
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!own || !box.width || element.closest('.filters,.skip,.live,svg,pre,script,noscript')) continue;
    const hides = getComputedStyle(element).overflowX !== 'visible' && element.scrollWidth > element.clientWidth + 1;
    if (hides || box.right > innerWidth + 1 || box.left < -1) found.push(element.textContent.trim().slice(0, 60));
  }
  return found;
}

const COMMANDS = {
  async fresh({ width, scheme, scripts, headers }) {
    await context?.close();
    complaints = [];
    context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, javaScriptEnabled: scripts,
      reducedMotion: 'reduce', extraHTTPHeaders: headers });
    page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
  },
  open: ({ url }) => page.goto(url).then((answer) => answer.status()),
  leave: () => page.goto('about:blank').then(() => null),
  url: () => page.url(),
  title: () => page.title(),
  press: ({ key }) => page.keyboard.press(key),
  type: ({ text }) => page.keyboard.type(text),
  click: ({ selector }) => page.locator(selector).click(),
  focused: () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim()),
  ring: () => page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle),
  value: ({ selector }) => page.locator(selector).inputValue(),
  text: ({ selector }) => page.locator(selector).innerText(),
  shown: ({ text }) => page.getByText(text).first().waitFor(),
  gone: ({ text }) => page.getByText(text).first().waitFor({ state: 'hidden' }),
  mark: () => page.evaluate(() => { window.marked = true; }),
  marked: () => page.evaluate(() => window.marked === true),
  small: () => page.evaluate(() => [...document.querySelectorAll('button,.chip,select,input:not([type=hidden])')]
    .filter((one) => one.getBoundingClientRect().width && one.getBoundingClientRect().height < 40)
    .map((one) => one.textContent || one.name)),
  cut: async () => ({ texts: await page.evaluate(cut),
    overflow: await page.evaluate(() => document.documentElement.scrollWidth - innerWidth) }),
  complaints: () => complaints,
  shot: ({ file }) => page.screenshot({ path: file, fullPage: true }).then(() => null),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ answer: await COMMANDS[command](given) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.message, page: await page?.content().catch(() => '') }));
  }
}
await browser.close();
