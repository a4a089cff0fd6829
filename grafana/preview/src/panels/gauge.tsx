/** A gauge: an arc over the thresholds. Drawn here; Grafana's own is not in a package. */

import { formattedValueToString, getFieldColorModeForField, type FieldDisplay } from '@grafana/data';
import { calculateFontSize, VizRepeater } from '@grafana/ui';
import type { ReactElement } from 'react';
import { linked, SINGLE, valuesOf } from './single';
import { optionsOf, type Drawn } from './props';

const FULL = 240;
const START = -FULL / 2;
const MARKER = 4;

export function Gauges(drawn: Drawn): ReactElement {
  const options = optionsOf(drawn.panel, { ...SINGLE, showThresholdMarkers: true, showThresholdLabels: false, minVizWidth: 75, minVizHeight: 75 });
  const values = valuesOf(drawn, options);
  return (
    <VizRepeater
      source={drawn.frames} getValues={() => values} renderCounter={0} width={drawn.width} height={drawn.height} itemSpacing={3}
      autoGrid minVizWidth={options.minVizWidth} minVizHeight={options.minVizHeight} orientation={options.orientation}
      renderValue={({ value, width, height, count }) => linked(value, () => (
        <Arc drawn={drawn} value={value} width={width} height={height} named={count > 1} markers={options.showThresholdMarkers} />))}
    />
  );
}

function Arc({ drawn, value, width, height, named, markers }: {
  drawn: Drawn; value: FieldDisplay; width: number; height: number; named: boolean; markers: boolean;
}): ReactElement {
  const { display, field } = value;
  const title = named ? 20 : 0;
  const radius = Math.max(10, Math.min(width / 2, (height - title) / 1.55) - 8);
  const [x, y] = [width / 2, radius + 8];
  const thick = radius * 0.3;
  const low = field.min ?? 0;
  const high = field.max ?? 100;
  const angle = (number: number) => START + FULL * Math.min(1, Math.max(0, (number - low) / (high - low || 1)));
  const text = formattedValueToString(display);
  const size = Math.min(calculateFontSize(text, (radius - thick) * 1.7, radius * 0.8, 1), 60);
  const byValue = getFieldColorModeForField({ config: field } as Parameters<typeof getFieldColorModeForField>[0]).isByValue;
  const steps = (field.thresholds?.steps ?? []).map((step) => ({ ...step, at: Math.max(low, step.value ?? -Infinity) }));
  const ground = drawn.theme.colors.background.secondary;
  return (
    <svg width={width} height={height} role="img" aria-label={`${display.title ?? ''} ${text}`}>
      <path d={ring(x, y, radius - thick, radius, START, -START)} fill={ground} />
      {Number.isFinite(display.numeric) && <path d={ring(x, y, radius - thick, radius, START, angle(display.numeric))} fill={display.color} />}
      {markers && byValue && steps.map((step, index) => (
        <path key={step.at} d={ring(x, y, radius + 2, radius + 2 + MARKER, angle(step.at), angle(steps[index + 1]?.at ?? high))}
              fill={drawn.theme.visualization.getColorByName(step.color)} />))}
      <text x={x} y={y} fontSize={size} fontWeight={500} textAnchor="middle" dominantBaseline="middle"
            fill={display.color ?? 'currentColor'}>{text}</text>
      {named && <text x={x} y={Math.min(height - 6, y + radius * 0.75)} fontSize={14} textAnchor="middle" fill="currentColor">{display.title}</text>}
    </svg>
  );
}

/** A piece of a ring; angles in degrees clockwise from the top. */
export function ring(x: number, y: number, inner: number, outer: number, from: number, to: number): string {
  const end = Math.min(to, from + 359.99);
  const point = (radius: number, degrees: number) => {
    const radians = ((degrees - 90) * Math.PI) / 180;
    return `${x + radius * Math.cos(radians)} ${y + radius * Math.sin(radians)}`;
  };
  const large = end - from > 180 ? 1 : 0;
  return `M${point(outer, from)}A${outer} ${outer} 0 ${large} 1 ${point(outer, end)}`
    + `L${point(inner, end)}A${inner} ${inner} 0 ${large} 0 ${point(inner, from)}Z`;
}
