/** A bar chart over names: its plugin is not among Grafana's components, so plain bars in the fields' colours and units. */
import { FieldType, formattedValueToString, getFieldDisplayName, getFieldSeriesColor, type Field } from '@grafana/data';
import { VizLegend } from '@grafana/ui';
import type { ReactNode } from 'react';

import type { Drawing } from './panels';

const LEFT = 72;
const BOTTOM = 22;
const TOP = 20; // for the figure above the highest bar
const LEGEND = 28; // a line of it
const NAME = 110; // of a series in it
const LINES = 5;

/** The next number that is 1, 2 or 5 times a power of ten. */
function round(size: number): number {
  const power = 10 ** Math.floor(Math.log10(size));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= size)!;
}

export function BarChart({ panel, frames, theme, width, height }: Drawing): ReactNode {
  const [frame] = frames;
  const names = frame.fields.find((field) => field.type === FieldType.string) ?? frame.fields[0];
  const fields = frame.fields.filter((field) => field.type === FieldType.number && field !== names);
  const { groupWidth = 0.7, barWidth = 0.97, showValue = 'auto', legend } = panel.options;
  const all = fields.flatMap((field) => field.values).filter((value) => value != null);
  const [least, most] = [Math.min(0, ...all), Math.max(0, ...all)];
  const step = round((most - least || 1) / LINES);
  const [bottom, top] = [Math.floor(least / step) * step, Math.ceil(most / step) * step || step];
  const named = legend?.showLegend === false ? 0 : LEGEND * Math.ceil((fields.length * NAME) / width);
  const floor = height - BOTTOM - named;
  const y = (value: number) => TOP + (floor - TOP) * (1 - (value - bottom) / (top - bottom));
  const group = (width - LEFT) / Math.max(frame.length, 1);
  const bar = (group * groupWidth) / fields.length;
  const color = (field: Field) => getFieldSeriesColor(field, theme).color;
  const text = { fontSize: 12, fill: theme.colors.text.primary };
  const lines = Array.from({ length: Math.round((top - bottom) / step) + 1 }, (_, index) => bottom + index * step);
  return (
    <div style={{ position: 'relative', width, height }}>
      <svg width={width} height={floor + BOTTOM}>
        {lines.map((line) => (
          <g key={line}>
            <line x1={LEFT} x2={width} y1={y(line)} y2={y(line)} stroke={theme.colors.border.weak} />
            <text x={LEFT - 6} y={y(line) + 4} textAnchor="end" {...text}>{formattedValueToString(fields[0].display!(line))}</text>
          </g>
        ))}
        {Array.from({ length: frame.length }, (_, row) => (
          <g key={row}>
            <text x={LEFT + group * (row + 0.5)} y={floor + 16} textAnchor="middle" {...text}>{String(names.values[row])}</text>
            {fields.map((field, index) => {
              const value = field.values[row];
              if (value == null) {
                return null;
              }
              const left = LEFT + group * (row + (1 - groupWidth) / 2) + bar * index;
              const label = formattedValueToString(field.display!(value));
              return (
                <g key={index} data-bar={label}>
                  <rect
                    x={left} width={bar * barWidth} y={Math.min(y(0), y(value))} height={Math.abs(y(0) - y(value))}
                    fill={color(field)} fillOpacity={(field.config.custom?.fillOpacity ?? 80) / 100} stroke={color(field)}
                  />
                  {showValue !== 'never' && bar > label.length * 7 && (
                    <text x={left + bar / 2} y={y(Math.max(value, 0)) - 3} textAnchor="middle" {...text}>{label}</text>
                  )}
                </g>
              );
            })}
          </g>
        ))}
      </svg>
      {legend?.showLegend !== false && (
        <VizLegend
          placement="bottom"
          displayMode={'list' as any}
          items={fields.map((field) => ({ label: getFieldDisplayName(field, frame, frames), color: color(field), yAxis: 1 }))}
        />
      )}
    </div>
  );
}
