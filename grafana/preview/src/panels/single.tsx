/** Stat and bar gauge: values one beside the other, by Grafana's own components. */

import { getDisplayValueAlignmentFactors, getFieldDisplayValues, VizOrientation, type FieldDisplay, type ReduceDataOptions } from '@grafana/data';
import { BarGaugeDisplayMode, BarGaugeNamePlacement, BarGaugeValueMode, BigValueColorMode, BigValueGraphMode,
         BigValueJustifyMode, BigValueTextMode, type PercentChangeColorMode, type VizTextDisplayOptions } from '@grafana/schema';
import { BarGauge, BigValue, DataLinksContextMenu, VizRepeater } from '@grafana/ui';
import type { ReactElement } from 'react';
import { optionsOf, type Drawn } from './props';

export interface Single {
  reduceOptions: ReduceDataOptions;
  orientation: VizOrientation;
  text?: VizTextDisplayOptions;
}

export const SINGLE: Single = { reduceOptions: { calcs: ['lastNotNull'] }, orientation: VizOrientation.Auto };

/** The values of a panel as its reducer sees them. */
export function valuesOf(drawn: Drawn, options: Single, sparkline = false): FieldDisplay[] {
  return getFieldDisplayValues({
    data: drawn.frames, fieldConfig: drawn.fieldConfig, reduceOptions: { ...SINGLE.reduceOptions, ...options.reduceOptions },
    replaceVariables: drawn.write, theme: drawn.theme, timeZone: drawn.timeZone, sparkline,
  });
}

/** A value that leads somewhere when its field has links. */
export function linked(value: FieldDisplay, draw: (target?: string) => ReactElement): ReactElement {
  if (!value.hasLinks || !value.getLinks) {
    return draw();
  }
  const links = value.getLinks;
  return <DataLinksContextMenu links={() => links()}>{(api) => draw(api.targetClassName)}</DataLinksContextMenu>;
}

export function Stat(drawn: Drawn): ReactElement {
  const options = optionsOf(drawn.panel, {
    ...SINGLE, colorMode: BigValueColorMode.Value, graphMode: BigValueGraphMode.Area, justifyMode: BigValueJustifyMode.Auto,
    textMode: BigValueTextMode.Auto, wideLayout: true, percentChangeColorMode: 'standard' as PercentChangeColorMode,
  });
  const values = valuesOf(drawn, options, options.graphMode !== BigValueGraphMode.None);
  return (
    <VizRepeater
      source={drawn.frames} getValues={() => values} renderCounter={0} width={drawn.width} height={drawn.height}
      itemSpacing={3} autoGrid orientation={options.orientation}
      getAlignmentFactors={(all: FieldDisplay[]) => getDisplayValueAlignmentFactors(all)}
      renderValue={({ value, width, height, count, alignmentFactors }) => linked(value, (className) => (
        <BigValue
          value={value.display} sparkline={value.sparkline} width={width} height={height} count={count} theme={drawn.theme}
          alignmentFactors={alignmentFactors} colorMode={options.colorMode} graphMode={options.graphMode}
          justifyMode={options.justifyMode} textMode={options.textMode} text={options.text} className={className}
          disableWideLayout={!options.wideLayout} percentChangeColorMode={options.percentChangeColorMode}
        />))}
    />
  );
}

export function BarGauges(drawn: Drawn): ReactElement {
  const options = optionsOf(drawn.panel, {
    ...SINGLE, displayMode: BarGaugeDisplayMode.Gradient, showUnfilled: true, valueMode: BarGaugeValueMode.Color,
    namePlacement: BarGaugeNamePlacement.Auto, sizing: 'auto', minVizWidth: 8, minVizHeight: 16, maxVizHeight: 300,
  });
  const values = valuesOf(drawn, options);
  const lcd = options.displayMode === BarGaugeDisplayMode.Lcd;
  return (
    <VizRepeater
      source={drawn.frames} getValues={() => values} renderCounter={0} width={drawn.width} height={drawn.height}
      itemSpacing={lcd ? 2 : 10} minVizWidth={options.minVizWidth} minVizHeight={options.minVizHeight}
      maxVizHeight={options.maxVizHeight} orientation={options.orientation}
      getAlignmentFactors={(all: FieldDisplay[]) => getDisplayValueAlignmentFactors(all)}
      renderValue={({ value, width, height, orientation, alignmentFactors, count }) => linked(value, (className) => (
        <BarGauge
          value={value.display} field={value.field} display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0)}
          width={width} height={height} orientation={orientation} theme={drawn.theme} alignmentFactors={alignmentFactors}
          text={options.text} itemSpacing={lcd ? 2 : 10} lcdCellWidth={8} displayMode={options.displayMode}
          showUnfilled={options.showUnfilled} valueDisplayMode={options.valueMode} namePlacement={options.namePlacement}
          isOverflow={count * (orientation === VizOrientation.Horizontal ? height : width) > 10_000} className={className}
        />))}
    />
  );
}
