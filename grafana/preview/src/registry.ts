/** What Grafana registers at its start and its packages leave to the host: transformations, field properties, texts. */

import {
  displayNameOverrideProcessor, FieldConfigOptionsRegistry, FieldType, identityOverrideProcessor, locationUtil,
  numberOverrideProcessor, standardTransformers, standardTransformersRegistry, thresholdsOverrideProcessor,
  type DataTransformerInfo, type Field, type FieldConfigPropertyItem, type FieldConfigSource,
} from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { trends } from './trend';

/** To be called once, before anything is drawn. `address` gives the parts that links take along. */
export async function prepare(address: { time: () => { from: string; to: string }; variables: () => string }): Promise<void> {
  await initPluginTranslations('preview');
  const known = [...Object.values(standardTransformers as Record<string, DataTransformerInfo>), trends];
  standardTransformersRegistry.setInit(() => [...new Map(known.map((one) => [one.id, one])).values()].map((one) => ({
    id: one.id, name: one.name, transformation: () => Promise.resolve(one), editor: () => null, imageDark: '', imageLight: '',
  })));
  locationUtil.initialize({
    config: { appSubUrl: '' } as Parameters<typeof locationUtil.initialize>[0]['config'],
    getTimeRangeForUrl: address.time,
    getVariablesUrlParams: () => Object.fromEntries(new URLSearchParams(address.variables())),
  });
}

const nowhere = () => null;
const always = () => true;
const numeric = (field: Field) => field.type === FieldType.number;

function property(id: string, process: FieldConfigPropertyItem['process'] = identityOverrideProcessor,
                  shouldApply: (field: Field) => boolean = always): FieldConfigPropertyItem {
  return { id, path: id, name: id, editor: nowhere, override: nowhere, process, shouldApply };
}

const STANDARD = [
  property('displayName', displayNameOverrideProcessor), property('unit'), property('noValue'), property('links'),
  property('mappings'), property('color'), property('filterable'), property('description'),
  property('min', numberOverrideProcessor, numeric), property('max', numberOverrideProcessor, numeric),
  property('decimals', numberOverrideProcessor, numeric), property('fieldMinMax', identityOverrideProcessor, numeric),
  property('thresholds', thresholdsOverrideProcessor, numeric),
];

/** The properties of fields that a panel knows: the standard ones and each of its kind that its JSON mentions. */
export function propertiesOf(config: FieldConfigSource): FieldConfigOptionsRegistry {
  const custom = new Set(Object.keys((config.defaults.custom as Record<string, unknown> | undefined) ?? {}));
  for (const { id } of config.overrides.flatMap((override) => override.properties)) {
    if (id.startsWith('custom.')) {
      custom.add(id.slice('custom.'.length));
    }
  }
  const own = [...custom].map((path) => ({ ...property(`custom.${path}`), path, isCustom: true }));
  return new FieldConfigOptionsRegistry(() => [...STANDARD, ...own]);
}
