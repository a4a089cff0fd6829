/** A table, by Grafana's own component. */

import { FieldType } from '@grafana/data';
import { TableCellHeight } from '@grafana/schema';
import { TableNG } from '@grafana/ui/unstable';
import type { ReactElement } from 'react';
import { optionsOf, type Drawn } from './props';

export function Rows(drawn: Drawn): ReactElement {
  const options = optionsOf(drawn.panel, {
    frameIndex: 0, showHeader: true, cellHeight: TableCellHeight.Sm, sortBy: [] as { displayName: string; desc?: boolean }[],
    enablePagination: false, frozenColumns: undefined as { left?: number } | undefined, maxRowHeight: undefined as number | undefined,
  });
  const frame = drawn.frames[options.frameIndex] ?? drawn.frames[0];
  if (!frame) {
    return <></>;
  }
  const fields = frame.fields.filter((field) => field.type !== FieldType.other || field.values.length > 0);
  return (
    <TableNG
      data={{ ...frame, fields }} width={drawn.width} height={drawn.height} noHeader={!options.showHeader}
      cellHeight={options.cellHeight} sortBy={options.sortBy} sortByBehavior="initial" fieldConfig={drawn.fieldConfig}
      noValue={drawn.fieldConfig.defaults.noValue} timeRange={drawn.range} enablePagination={options.enablePagination}
      frozenColumns={options.frozenColumns?.left} maxRowHeight={options.maxRowHeight} resizable showTypeIcons={false}
      structureRev={1} disableSanitizeHtml={false} transparent={drawn.panel.transparent}
    />
  );
}
