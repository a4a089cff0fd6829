'use strict';
// Follows the stream of changes and takes the parts of this page that changed from the server, which draws them.
(() => {
  const root = document.documentElement;
  const parts = (page) => [...page.querySelectorAll('[data-live]')];
  const drawn = new Map(parts(document).map((part) => [part.id, part.outerHTML]));
  const live = document.getElementById('live');
  const word = document.getElementById('live-word');
  let stream;
  let busy = false;
  let again = false;

  function say() {
    const on = stream.readyState === EventSource.OPEN;
    live.hidden = false;
    live.className = on ? 'live on' : 'live off';
    if (word.textContent !== (on ? 'live' : 'reconnecting')) word.textContent = on ? 'live' : 'reconnecting';
  }

  // What somebody is writing, has opened or points at with the keyboard stays as it is.
  function keep(old, fresh) {
    for (const field of old.querySelectorAll('input:not([type=hidden]),textarea,select')) {
      const twin = field.id && fresh.querySelector(`#${CSS.escape(field.id)}`);
      if (twin && field.value !== (field.defaultValue ?? twin.value)) twin.value = field.value;
    }
    for (const opened of old.querySelectorAll('details[open]')) {
      fresh.querySelector(`#${CSS.escape(opened.id)}`)?.setAttribute('open', '');
    }
  }

  function mark(old, fresh) {
    for (const entry of fresh.querySelectorAll('[data-version]')) {
      const before = old.querySelector(`#${CSS.escape(entry.id)}`);
      if (before?.dataset.version !== entry.dataset.version) entry.classList.add('fresh');
    }
  }

  // The part itself stays, so that readers of the screen hear what is new in it.
  function put(part, fresh) {
    part.className = fresh.className;
    part.replaceChildren(...fresh.childNodes);
  }

  function take(page) {
    for (const fresh of parts(page)) {
      const part = document.getElementById(fresh.id);
      const text = fresh.outerHTML;
      if (!part || drawn.get(fresh.id) === text) continue;
      drawn.set(fresh.id, text);
      const held = part.contains(document.activeElement) ? document.activeElement : null;
      const [name, start, end] = [held?.id || held?.getAttribute('href'), held?.selectionStart, held?.selectionEnd];
      keep(part, fresh);
      mark(part, fresh);
      put(part, fresh);
      if (name) {
        const next = document.getElementById(name) ?? part.querySelector(`[href="${CSS.escape(name)}"]`);
        next?.focus({ preventScroll: true });
        if (next?.tagName === 'TEXTAREA') next.setSelectionRange(start, end);
      }
    }
    document.title = page.title;
  }

  // A change is told to all who look at once; they do not all come for the page in the same moment.
  async function refresh() {
    again = busy;
    if (busy) return;
    busy = true;
    await new Promise((go) => { setTimeout(go, 300 * Math.random()); });
    try {
      const answer = await fetch(location.href, { cache: 'no-store' });
      if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), 'text/html'));
    } catch {
      // Nobody answers: the stream notices, too, and when it is back everything is asked for anew.
    }
    busy = false;
    if (again) refresh();
  }

  function follow() {
    stream = new EventSource(root.dataset.stream);
    stream.onopen = say;
    for (const name of ['picture', 'change']) stream.addEventListener(name, refresh);
    stream.onerror = () => {
      say();
      // A refusal, such as of one stream too many, ends it for good.
      if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 3000 + 4000 * Math.random());
    };
  }

  follow();
  setInterval(() => document.visibilityState === 'visible' && refresh(), 30_000);
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && refresh());
})();
