/** Answers of Prometheus become Grafana's data frames, with a panel's transformations and field configuration. */
import {
  FieldConfigOptionsRegistry,
  FieldType,
  applyFieldOverrides,
  cacheFieldDisplayNames,
  createDataFrame,
  dataLinksOverrideProcessor,
  displayNameOverrideProcessor,
  identityOverrideProcessor,
  standardTransformers,
  standardTransformersRegistry,
  thresholdsOverrideProcessor,
  transformDataFrame,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
  type DataFrame,
  type FieldConfig,
  type FieldConfigPropertyItem,
  type FieldConfigSource,
  type GrafanaTheme2,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';

interface Series {
  metric: Record<string, string>;
  value?: [number, string];
  values?: Array<[number, string]>;
}

/** What one query of a panel asked and got, the result as Prometheus' HTTP API gives it. */
export interface Answer {
  refId: string;
  legendFormat: string;
  format: string;
  step: number;
  result: Series[];
}

export interface Panel {
  type: string;
  title: string;
  description?: string;
  transparent?: boolean;
  fieldConfig: FieldConfigSource;
  options: any;
  transformations?: any[];
  answers: Answer[];
}

standardTransformersRegistry.setInit(() =>
  [...new Set<any>(Object.values(standardTransformers))].map((transformer) => ({
    id: transformer.id,
    name: transformer.name,
    transformation: async () => transformer,
    editor: () => null,
    imageDark: '',
    imageLight: '',
  }))
);

const samples = (series: Series) => series.values ?? (series.value ? [series.value] : []);
const number = (text: string) => (text === 'NaN' ? NaN : text.endsWith('Inf') ? parseFloat(text.replace('Inf', 'Infinity')) : Number(text));

/** The name that the data source gives a series: its legend with the labels put in, or none for `__auto`. */
function legend(format: string, labels: Record<string, string>): string | undefined {
  if (format === '' || format === '__auto') {
    return undefined;
  }
  return format.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label) => labels[label] ?? '');
}

function seriesFrame(answer: Answer, series: Series): DataFrame {
  const points = samples(series);
  return createDataFrame({
    refId: answer.refId,
    name: legend(answer.legendFormat, series.metric),
    fields: [
      {
        name: 'Time',
        type: FieldType.time,
        values: points.map(([at]) => at * 1000),
        config: answer.step ? { interval: answer.step * 1000 } : {},
      },
      {
        name: 'Value',
        type: FieldType.number,
        values: points.map(([, value]) => number(value)),
        labels: series.metric,
        config: { displayNameFromDS: legend(answer.legendFormat, series.metric) },
      },
    ],
  });
}

/** One frame with a column for each label, as for queries of the format "table". */
function tableFrame(answer: Answer, valueName: string): DataFrame {
  const rows = answer.result.flatMap((series) => samples(series).map((point) => ({ series, point })));
  const labels = [...new Set(answer.result.flatMap((series) => Object.keys(series.metric)))].sort();
  return createDataFrame({
    refId: answer.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: rows.map(({ point }) => point[0] * 1000) },
      ...labels.map((name) => ({
        name,
        type: FieldType.string,
        config: { filterable: true },
        values: rows.map(({ series }) => series.metric[name]),
      })),
      { name: valueName, type: FieldType.number, values: rows.map(({ point }) => number(point[1])) },
    ],
  });
}

const PROCESSORS: Record<string, any> = {
  displayName: displayNameOverrideProcessor,
  links: dataLinksOverrideProcessor,
  mappings: valueMappingsOverrideProcessor,
  thresholds: thresholdsOverrideProcessor,
  unit: unitOverrideProcessor,
};

/** Grafana applies the properties that it has in a registry: here those that the panel uses. */
function registryFor(config: FieldConfigSource): FieldConfigOptionsRegistry {
  const ids = new Set([
    ...Object.keys(config.defaults).filter((key) => key !== 'custom'),
    ...Object.keys(config.defaults.custom ?? {}).map((key) => `custom.${key}`),
    ...config.overrides.flatMap((rule) => rule.properties.map((property) => property.id)),
  ]);
  const registry = new FieldConfigOptionsRegistry();
  for (const id of ids) {
    const process = PROCESSORS[id] ?? identityOverrideProcessor;
    const item = { id, name: id, path: id.replace(/^custom\./, ''), isCustom: id.startsWith('custom.'), process };
    registry.register({ ...item, shouldApply: () => true } as unknown as FieldConfigPropertyItem);
  }
  return registry;
}

/** The first step of thresholds has no number in JSON, and stands for everything below the second. */
function withLowestStep(config: FieldConfigSource): FieldConfigSource {
  const copy = structuredClone(config);
  const all = [copy.defaults.thresholds, ...copy.overrides.flatMap((rule) => rule.properties.map((p) => p.value))];
  for (const steps of all.map((value: any) => value?.steps)) {
    if (Array.isArray(steps) && steps[0]?.value == null) {
      steps[0].value = -Infinity;
    }
  }
  return copy;
}

/** The frames of a panel as its visualisation gets them: named, coloured, with units. */
export async function framesOf(
  panel: Panel,
  silently: FieldConfig,
  theme: GrafanaTheme2,
  timeZone: string
): Promise<DataFrame[]> {
  const tables = panel.answers.filter((answer) => answer.format === 'table');
  const raw = panel.answers.flatMap((answer) =>
    answer.format === 'table'
      ? answer.result.length
        ? [tableFrame(answer, tables.length > 1 ? `Value #${answer.refId}` : 'Value')]
        : []
      : answer.result.map((series) => seriesFrame(answer, series))
  );
  const transformed = await lastValueFrom(
    transformDataFrame(panel.transformations ?? [], raw, { interpolate: (text) => text })
  );
  const { defaults, overrides } = panel.fieldConfig;
  const custom = { ...silently.custom, ...defaults.custom };
  const fieldConfig = withLowestStep({ defaults: { ...silently, ...defaults, custom }, overrides });
  const frames = applyFieldOverrides({
    data: transformed,
    fieldConfig,
    fieldConfigRegistry: registryFor(fieldConfig),
    replaceVariables: fieldVariables,
    theme,
    timeZone,
  });
  cacheFieldDisplayNames(frames);
  return frames;
}

/** `${__field.labels.target}` and the like in display names; everything else has been put in already. */
export function fieldVariables(text: string, scope?: any): string {
  const field = scope?.__dataContext?.value?.field ?? scope?.__field?.value;
  return text.replace(/\$\{__field\.labels\.(\w+)\}/g, (_, label) => field?.labels?.[label] ?? '');
}
