/** The parts of a classic dashboard's JSON that are drawn. */

import type { DataTransformerConfig, FieldConfigSource } from '@grafana/data';

export interface GridPos { x: number; y: number; w: number; h: number }

export interface Target {
  refId: string;
  expr: string;
  legendFormat?: string;
  format?: 'time_series' | 'table' | 'heatmap';
  instant?: boolean;
  range?: boolean;
  interval?: string;
  hide?: boolean;
}

export interface Panel {
  id: number;
  type: string;
  title?: string;
  description?: string;
  gridPos: GridPos;
  targets?: Target[];
  options?: Record<string, unknown>;
  fieldConfig?: FieldConfigSource;
  transformations?: DataTransformerConfig[];
  interval?: string;
  maxDataPoints?: number;
  timeFrom?: string;
  hideTimeOverride?: boolean;
  transparent?: boolean;
  repeat?: string;
  repeatDirection?: 'h' | 'v';
  maxPerRow?: number;
  collapsed?: boolean;
  panels?: Panel[];
}

export interface Option { text: string; value: string }

export interface Variable {
  name: string;
  type: string;
  label?: string;
  query?: string | { query?: string };
  definition?: string;
  regex?: string;
  sort?: number;
  multi?: boolean;
  includeAll?: boolean;
  allValue?: string;
  current?: { text?: string | string[]; value?: string | string[] };
  options?: { text: string | string[]; value: string | string[] }[];
  hide?: number;
  auto?: boolean;
  auto_count?: number;
  auto_min?: string;
}

export interface Layer {
  name: string;
  enable: boolean;
  hide?: boolean;
  expr?: string;
  iconColor: string;
  step?: string;
  titleFormat?: string;
  textFormat?: string;
  tagKeys?: string;
  useValueForTime?: boolean;
  filter?: { exclude?: boolean; ids: number[] };
}

export interface Link {
  type: 'link' | 'dashboards';
  title: string;
  url?: string;
  tags?: string[];
  asDropdown?: boolean;
  includeVars?: boolean;
  keepTime?: boolean;
}

export interface Board {
  uid: string;
  title: string;
  tags?: string[];
  panels: Panel[];
  templating?: { list: Variable[] };
  annotations?: { list: Layer[] };
  links?: Link[];
  time?: { from: string; to: string };
  timezone?: string;
}

/** One dashboard as the server lists it: where it lies and what is in it. */
export interface Listed { folder: string; board: Board }

/** What the server knows and the page needs. `scrapeInterval` is that of the provisioned data source. */
export interface Setting { prometheus: string; scrapeInterval: string; dashboards: Listed[] }
