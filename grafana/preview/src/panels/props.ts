import type { DataFrame, FieldConfigSource, GrafanaTheme2, InterpolateFunction, TimeRange } from '@grafana/data';
import type { Marks } from '../annotations';
import type { Panel } from '../board';

/** What a drawing gets: data with their field properties applied, and the room there is. */
export interface Drawn {
  panel: Panel;
  frames: DataFrame[];
  fieldConfig: FieldConfigSource;
  range: TimeRange;
  timeZone: string;
  theme: GrafanaTheme2;
  width: number;
  height: number;
  marks: Marks[];
  write: InterpolateFunction;
}

/** Options of a panel over the defaults of its kind. */
export function optionsOf<T extends object>(panel: Panel, defaults: T): T {
  return { ...defaults, ...(panel.options as Partial<T> | undefined) };
}
