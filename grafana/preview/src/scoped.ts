/** What a data link or a title says of the value it stands on: `__value`, `__field`, `__series`, `__data.fields`. */

import { formattedValueToString, getFieldDisplayName, type DataContextScopedVar, type Field, type ScopedVars } from '@grafana/data';

/** The text of such a reference, or undefined when there is no such value. */
export function fromContext(name: string, scoped: ScopedVars | undefined): string | undefined {
  const context = (scoped?.__dataContext as DataContextScopedVar | undefined)?.value;
  if (!context) {
    return undefined;
  }
  const { data, frame, field, rowIndex, calculatedValue } = context;
  const [root, ...path] = name.split('.');
  switch (root) {
    case '__series':
    case '__field':
      if (path[0] === 'labels') {
        return field.labels?.[path.slice(1).join('.')] ?? '';
      }
      return getFieldDisplayName(field, frame, data);
    case '__value':
      return calculatedValue && path[0] !== 'raw' && path[0] !== 'time'
        ? part(path[0], calculatedValue.numeric, calculatedValue.text) : valueOf(field, frame.fields, rowIndex, path[0]);
    case '__data': {
      const wanted = fieldName(name);
      const other = frame.fields.find((one) => one.name === wanted || getFieldDisplayName(one, frame, data) === wanted);
      return other && rowIndex !== undefined ? valueOf(other, frame.fields, rowIndex, 'text') : undefined;
    }
    default:
      return undefined;
  }
}

function fieldName(reference: string): string {
  return reference.replace(/^__data\.fields\.?/, '').replace(/^\["?|"?\]$/g, '').replace(/\.(text|numeric)$/, '');
}

function valueOf(field: Field, fields: Field[], row: number | undefined, wanted: string | undefined): string | undefined {
  if (row === undefined) {
    return undefined;
  }
  if (wanted === 'time') {
    return String(fields.find((one) => one.type === 'time')?.values[row] ?? '');
  }
  const raw: unknown = field.values[row];
  const display = field.display?.(raw);
  return part(wanted, display?.numeric ?? NaN, display ? formattedValueToString(display) : String(raw), raw);
}

function part(wanted: string | undefined, numeric: number, text: string, raw: unknown = numeric): string {
  return wanted === 'numeric' ? String(numeric) : wanted === 'text' ? text : String(raw);
}
