/** The legend of the drawings of our own: Grafana's component over given names and colours. */

import type { DisplayValue } from '@grafana/data';
import { LegendDisplayMode, type LegendPlacement, type VizLegendOptions } from '@grafana/schema';
import { VizLayout, VizLegend, type VizLegendItem } from '@grafana/ui';
import type { ReactElement, ReactNode } from 'react';

export interface Entry { label: string; color: string; values?: DisplayValue[] }

/** Draw beside a legend of these entries; `children` gets the room that is left. */
export function WithLegend({ entries, legend, width, height, children }: {
  entries: Entry[]; legend: VizLegendOptions; width: number; height: number;
  children: (width: number, height: number) => ReactNode;
}): ReactElement {
  const items: VizLegendItem[] = entries.map(({ label, color, values }) => (
    { label, color, yAxis: 1, getDisplayValues: () => values ?? [] }));
  const shown = legend.showLegend && items.length > 0 && (legend.displayMode as string) !== 'hidden';
  return (
    <VizLayout width={width} height={height} legend={shown ? (
      <VizLayout.Legend placement={legend.placement ?? ('bottom' as LegendPlacement)} width={legend.width}>
        <VizLegend items={items} placement={legend.placement} displayMode={legend.displayMode ?? LegendDisplayMode.List} readonly />
      </VizLayout.Legend>) : null}
    >
      {(innerWidth, innerHeight) => children(innerWidth, innerHeight)}
    </VizLayout>
  );
}
