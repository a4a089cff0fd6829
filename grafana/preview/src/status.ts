/** What became of each panel, for whoever takes screenshots: `window.preview` says when all are there, and how they are. */

export type State = 'ok' | 'empty' | 'error' | 'unsupported';
export interface Outcome { state: State; message?: string; silent?: string[] }

const outcomes = new Map<string, Outcome>();
const expected = new Set<string>();
let begun = false;
let failure: string | undefined;

/** Panels that are to come; those that are no longer shown are forgotten. */
export function expect(keys: string[]): void {
  begun = true;
  expected.clear();
  keys.forEach((key) => expected.add(key));
}

/** A panel has been drawn, or never will be. */
export function settle(key: string, outcome: Outcome): void {
  outcomes.set(key, outcome);
}

/** The whole page cannot be drawn. */
export function fail(message: string): void {
  failure = message;
}

export function outcomeOf(key: string): Outcome | undefined {
  return outcomes.get(key);
}

export function ready(): boolean {
  return failure !== undefined || (begun && [...expected].every((key) => outcomes.has(key)));
}

const QUIET_FRAMES = 30;

/** Until nothing on the page has changed for half a second of drawing: tables lay out their columns after their data is there. */
export function still(): Promise<void> {
  let quiet = 0;
  const changes = new MutationObserver(() => { quiet = 0; });
  changes.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  return new Promise((done) => {
    const look = () => {
      quiet += 1;
      if (quiet < QUIET_FRAMES) {
        requestAnimationFrame(look);
      } else {
        changes.disconnect();
        done();
      }
    };
    requestAnimationFrame(look);
  });
}

export function failed(): string | undefined {
  return failure;
}
