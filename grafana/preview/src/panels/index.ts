import type { ReactElement } from 'react';
import { Bars } from './bars';
import { Gauges } from './gauge';
import { Heatmap } from './heatmap';
import { Histogram } from './histogram';
import { Pie } from './pie';
import type { Drawn } from './props';
import { BarGauges, Stat } from './single';
import { Strips } from './strips';
import { Rows } from './table';
import { Text } from './text';
import { Lines } from './timeseries';

export type { Drawn } from './props';

/** The drawing of each kind of panel. */
export const DRAWINGS: Record<string, (drawn: Drawn) => ReactElement> = {
  stat: Stat,
  bargauge: BarGauges,
  timeseries: Lines,
  table: Rows,
  text: Text,
  gauge: Gauges,
  barchart: Bars,
  piechart: Pie,
  heatmap: Heatmap,
  histogram: Histogram,
  'state-timeline': Strips,
  'status-history': Strips,
};

/** Kinds that draw their own text where there is no data. */
export const SPEAKS_WHEN_EMPTY = new Set(['stat', 'gauge', 'bargauge', 'text']);
