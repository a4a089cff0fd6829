/** What stands above the panels: the name, the time range, the variables and the links. */

import { dateTime, type TimeRange } from '@grafana/data';
import { InlineSwitch, MultiSelect, Select, TimeRangePicker, ToolbarButton } from '@grafana/ui';
import type { ReactElement } from 'react';
import { isOn, SWITCHED } from './annotations';
import type { Board, Layer, Link, Listed } from './board';
import type { Page } from './pipeline';
import { ALL, inAddress, shown, written, type Chosen } from './variables';

/** Go to the same page with other parameters. */
export function visit(changes: Record<string, string[]>): void {
  const address = new URLSearchParams(location.search);
  for (const [name, values] of Object.entries(changes)) {
    address.delete(name);
    values.forEach((value) => address.append(name, value));
  }
  location.search = address.toString();
}

export function Bar({ listed, all, page }: { listed: Listed; all: Listed[]; page: Page }): ReactElement {
  const { board } = listed;
  const light = !page.theme.isDark;
  return (
    <header className="preview-bar">
      <div className="preview-line">
        <span className="preview-trail">{listed.folder} ›</span>
        <Select width="auto" aria-label="Dashboard" value={board.uid} onChange={({ value }) => { location.href = `/d/${value}`; }}
                options={all.map((one) => ({ label: one.board.title, value: one.board.uid }))} />
        <span className="preview-space" />
        <ToolbarButton onClick={() => visit({ theme: [light ? 'dark' : 'light'] })}>{light ? 'Dark' : 'Light'}</ToolbarButton>
        <Times range={page.range} timeZone={page.timeZone} />
      </div>
      <div className="preview-line preview-controls">
        {[...page.choices.values()].filter(({ variable }) => !variable.hide || variable.hide < 2).map((choice) => (
          <Choice key={choice.variable.name} choice={choice} />))}
        {(board.annotations?.list ?? []).filter((layer) => !layer.hide && layer.expr).map((layer) => <Layering key={layer.name} layer={layer} />)}
        <span className="preview-space" />
        {(board.links ?? []).map((link) => <Leading key={link.title} link={link} all={all} board={board} page={page} />)}
      </div>
    </header>
  );
}

function Times({ range, timeZone }: { range: TimeRange; timeZone: string }): ReactElement {
  const go = (from: number, to: number) => visit({ from: [String(Math.round(from))], to: [String(Math.round(to))] });
  const [from, to] = [range.from.valueOf(), range.to.valueOf()];
  const raw = (bound: TimeRange['raw']['from']) => (typeof bound === 'string' ? bound : String(dateTime(bound).valueOf()));
  return (
    <TimeRangePicker
      value={range} timeZone={timeZone} onChangeTimeZone={() => undefined} isOnCanvas
      onChange={({ raw: chosen }) => visit({ from: [raw(chosen.from)], to: [raw(chosen.to)] })}
      onMoveBackward={() => go(from - (to - from) / 2, to - (to - from) / 2)}
      onMoveForward={() => go(from + (to - from) / 2, to + (to - from) / 2)}
      onZoom={() => go(from - (to - from) / 2, to + (to - from) / 2)}
    />
  );
}

function Choice({ choice }: { choice: Chosen }): ReactElement {
  const { variable } = choice;
  const parameter = `var-${variable.name}`;
  const options = [...(variable.includeAll ? [{ label: 'All', value: ALL }] : []),
                   ...choice.options.map(({ text, value }) => ({ label: text, value }))];
  const chosen = choice.all ? [ALL] : choice.values;
  return (
    <div className="preview-variable" data-variable={variable.name} title={shown(choice)}>
      <label>{variable.label || variable.name}</label>
      {variable.multi
        ? <MultiSelect width="auto" aria-label={variable.name} options={options} value={chosen} allowCustomValue
                       onChange={(picked) => visit({ [parameter]: latest(picked.map(({ value }) => value ?? ''), choice.all) })} />
        : <Select width="auto" aria-label={variable.name} options={options} value={chosen[0]} allowCustomValue
                  onChange={({ value }) => visit({ [parameter]: [value ?? ''] })} />}
    </div>
  );
}

/** A single value takes the place of All, and All that of the values. */
function latest(picked: string[], all: boolean): string[] {
  return all ? picked.filter((value) => value !== ALL) : picked.includes(ALL) || picked.length === 0 ? [ALL] : picked;
}

function Layering({ layer }: { layer: Layer }): ReactElement {
  const address = new URLSearchParams(location.search);
  const switched = address.getAll(SWITCHED);
  const others = switched.filter((name) => name !== layer.name);
  return (
    <div className="preview-variable">
      <label>{layer.name}</label>
      <InlineSwitch aria-label={layer.name} value={isOn(layer, address)}
                    onChange={() => visit({ [SWITCHED]: switched.includes(layer.name) ? others : [...others, layer.name] })} />
    </div>
  );
}

function Leading({ link, all, board, page }: { link: Link; all: Listed[]; board: Board; page: Page }): ReactElement {
  const kept = (url: string) => {
    const parts = [link.keepTime && `from=${page.range.from.valueOf()}&to=${page.range.to.valueOf()}`,
                   link.includeVars && inAddress(page.choices)].filter(Boolean).join('&');
    return parts ? `${url}${url.includes('?') ? '&' : '?'}${parts}` : url;
  };
  if (link.type === 'link') {
    return <a className="preview-link" href={kept(written(link.url ?? '', { choices: page.choices, range: page.range }))}>{link.title}</a>;
  }
  const tagged = all.filter(({ board: other }) => other.uid !== board.uid && (link.tags ?? []).every((tag) => other.tags?.includes(tag)));
  if (link.asDropdown) {
    return <Select width="auto" aria-label={link.title} placeholder={link.title} value={null}
                   options={tagged.map(({ board: other }) => ({ label: other.title, value: kept(`/d/${other.uid}`) }))}
                   onChange={({ value }) => { location.href = value ?? ''; }} />;
  }
  return <>{tagged.map(({ board: other }) => (
    <a className="preview-link" key={other.uid} href={kept(`/d/${other.uid}`)}>{other.title}</a>))}</>;
}
