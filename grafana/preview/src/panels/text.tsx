/** Markdown and HTML, sanitized as Grafana does. */

import { renderTextPanelMarkdown, textUtil } from '@grafana/data';
import { ScrollContainer } from '@grafana/ui';
import type { ReactElement } from 'react';
import { optionsOf, type Drawn } from './props';

export function Text(drawn: Drawn): ReactElement {
  const { mode, content } = optionsOf(drawn.panel, { mode: 'markdown', content: '' });
  const text = drawn.write(content);
  if (mode === 'code') {
    return <ScrollContainer><pre>{text}</pre></ScrollContainer>;
  }
  const html = mode === 'html' ? textUtil.sanitizeTextPanelContent(text) : renderTextPanelMarkdown(text);
  return <ScrollContainer><div className="markdown-html" dangerouslySetInnerHTML={{ __html: html }} /></ScrollContainer>;
}
