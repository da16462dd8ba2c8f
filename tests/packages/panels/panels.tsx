/** Panels as Grafana draws them: its own components, with what its panel plugins put around them. */
import {
  FieldColorModeId,
  FieldType,
  ThresholdsMode,
  VizOrientation,
  applyNullInsertThreshold,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  nullToValue,
  renderTextPanelMarkdown,
  type DataFrame,
  type FieldConfig,
  type FieldDisplay,
  type GrafanaTheme2,
  type TimeRange,
} from '@grafana/data';
import { BarGauge, BarGaugeDisplayMode, BigValue, BigValueTextMode, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import type { ReactNode } from 'react';

import { fieldVariables, type Panel } from './frames';
import { BarChart } from './barchart';
import { Timeline } from './timeline';

export interface Drawing {
  panel: Panel;
  frames: DataFrame[];
  theme: GrafanaTheme2;
  timeRange: TimeRange;
  timeZone: string;
  width: number;
  height: number;
}

/** What Grafana and its plugins assume where a board is silent. */
export function silently(kind: string): FieldConfig {
  const series = kind === 'timeseries' || kind === 'barchart';
  return {
    color: { mode: series ? FieldColorModeId.PaletteClassic : FieldColorModeId.Thresholds },
    thresholds: { mode: ThresholdsMode.Absolute, steps: [{ value: -Infinity, color: 'green' }, { value: 80, color: 'red' }] },
    custom: CUSTOM[kind] ?? {},
  };
}

const CUSTOM: Record<string, Record<string, unknown>> = {
  timeseries: {
    drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, fillOpacity: 0, gradientMode: 'none',
    spanNulls: false, showPoints: 'auto', pointSize: 5, barAlignment: 0, barWidthFactor: 0.6,
    axisPlacement: 'auto', axisColorMode: 'text', axisBorderShow: false,
  },
  table: { align: 'auto', cellOptions: { type: 'auto' }, inspect: false, minWidth: 150 },
};

const REDUCE = { values: false, calcs: ['lastNotNull'], fields: '' };

function values({ panel, frames, theme, timeZone }: Drawing, sparkline: boolean): FieldDisplay[] {
  return getFieldDisplayValues({
    data: frames,
    fieldConfig: panel.fieldConfig,
    reduceOptions: { ...REDUCE, ...panel.options.reduceOptions },
    replaceVariables: fieldVariables,
    sparkline,
    theme,
    timeZone,
  });
}

function Stat(drawing: Drawing): ReactNode {
  const { panel, frames, theme, width, height } = drawing;
  const options = { graphMode: 'area', colorMode: 'value', justifyMode: 'auto', textMode: 'auto', wideLayout: true, ...panel.options };
  const named = options.textMode === 'auto' && (panel.fieldConfig.defaults.displayName || !panel.title);
  const all = values(drawing, options.graphMode !== 'none');
  return (
    <VizRepeater
      source={frames}
      getValues={() => all}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      orientation={options.orientation ?? VizOrientation.Auto}
      itemSpacing={3}
      width={width}
      height={height}
      renderCounter={0}
      autoGrid
      renderValue={({ value, alignmentFactors, count, width, height }) => (
        <BigValue
          value={value.display}
          count={count}
          sparkline={value.sparkline}
          colorMode={options.colorMode}
          graphMode={options.graphMode}
          justifyMode={options.justifyMode}
          textMode={named ? BigValueTextMode.ValueAndName : options.textMode}
          wideLayout={options.wideLayout}
          alignmentFactors={alignmentFactors}
          text={options.text}
          theme={theme}
          width={width}
          height={height}
        />
      )}
    />
  );
}

/** Bar gauges; a gauge's arc is not among the components, and a bar says the same. */
function Bars(drawing: Drawing): ReactNode {
  const { panel, frames, theme, width, height } = drawing;
  const options = { valueMode: 'color', showUnfilled: true, ...panel.options };
  const displayMode = options.displayMode ?? BarGaugeDisplayMode.Gradient;
  const orientation = options.orientation ?? VizOrientation.Auto;
  const all = values(drawing, false);
  return (
    <VizRepeater
      source={frames}
      getValues={() => all}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      orientation={orientation}
      itemSpacing={displayMode === BarGaugeDisplayMode.Lcd ? 2 : 8}
      minVizWidth={options.minVizWidth ?? 8}
      minVizHeight={options.minVizHeight ?? 16}
      maxVizHeight={options.maxVizHeight ?? 300}
      width={width}
      height={height}
      renderCounter={0}
      renderValue={({ value, alignmentFactors, count, orientation, width, height }) => (
        <BarGauge
          value={value.display}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex!)}
          displayMode={displayMode}
          orientation={orientation}
          showUnfilled={options.showUnfilled}
          valueDisplayMode={options.valueMode}
          namePlacement={options.namePlacement}
          text={options.text}
          itemSpacing={displayMode === BarGaugeDisplayMode.Lcd ? 2 : 8}
          alignmentFactors={count > 1 ? alignmentFactors : undefined}
          theme={theme}
          width={width}
          height={height}
        />
      )}
    />
  );
}

/** A point without a number wherever a step is missing, so that no line is drawn over it. */
function withGaps(frames: DataFrame[], timeRange: TimeRange): DataFrame[] {
  const [refFieldPseudoMin, refFieldPseudoMax] = [timeRange.from.valueOf(), timeRange.to.valueOf()];
  return frames.map((frame) => nullToValue(applyNullInsertThreshold({ frame, refFieldPseudoMin, refFieldPseudoMax })));
}

function Graph({ panel, frames: found, timeRange, timeZone, width, height }: Drawing): ReactNode {
  const frames = withGaps(found, timeRange);
  const legend = { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [], ...panel.options.legend };
  return <TimeSeries {...{ frames, timeRange, timeZone, width, height, legend, options: panel.options }} />;
}

function Grid({ panel, frames, timeRange, width, height }: Drawing): ReactNode {
  const { showHeader = true, cellHeight, sortBy } = panel.options;
  return (
    <TableNG
      data={frames[panel.options.frameIndex ?? 0]}
      noHeader={!showHeader}
      fieldConfig={panel.fieldConfig}
      structureRev={1}
      enableVirtualization={false}
      {...{ cellHeight, sortBy, timeRange, width, height }}
    />
  );
}

function Words({ panel }: Drawing): ReactNode {
  const { content = '', mode } = panel.options;
  return <div className="markdown-html" dangerouslySetInnerHTML={{ __html: mode === 'html' ? content : renderTextPanelMarkdown(content) }} />;
}

const KINDS: Record<string, (drawing: Drawing) => ReactNode> = {
  stat: Stat,
  timeseries: Graph,
  bargauge: Bars,
  gauge: Bars,
  table: Grid,
  text: Words,
  barchart: BarChart,
  'state-timeline': Timeline,
};

/** Whether there is anything to draw, as Grafana judges before it writes "No data". */
export function isEmpty(panel: Panel, frames: DataFrame[]): boolean {
  const filled = (frame: DataFrame) => frame.length > 0 && frame.fields.some((field) => field.type !== FieldType.time);
  return panel.type !== 'text' && !frames.some(filled);
}

export function Visualisation(drawing: Drawing): ReactNode {
  const kind = KINDS[drawing.panel.type];
  if (kind === undefined) {
    throw new Error(`no drawing for a panel of the type ${drawing.panel.type}: ${drawing.panel.title}`);
  }
  return kind(drawing);
}
