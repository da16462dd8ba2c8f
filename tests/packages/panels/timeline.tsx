/** A state timeline: its plugin is not among Grafana's components, so bars with the colours and texts of the fields. */
import { FieldType, dateTimeForTimeZone, dateTimeFormat, formattedValueToString, getFieldDisplayName, type DataFrame, type Field } from '@grafana/data';
import { VizLegend } from '@grafana/ui';
import type { ReactNode } from 'react';

import type { Drawing } from './panels';

interface Stretch {
  from: number;
  to: number;
  text: string;
  color: string;
}

/** Neighbouring samples of the same text, each until the next sample, and over no gap of more than two steps. */
function stretches(times: Field, field: Field, merge: boolean, end: number): Stretch[] {
  const found: Stretch[] = [];
  const step = (times.config.interval ?? end) * 1.5;
  times.values.forEach((from: number, index: number) => {
    const value = field.values[index];
    if (value == null) {
      return;
    }
    const shown = field.display!(value);
    const text = formattedValueToString(shown);
    const next = times.values[index + 1] ?? end;
    const to = Math.min(next - from > step ? from + step / 1.5 : next, end);
    const last = found.at(-1);
    if (merge && last && last.text === text && last.to === from) {
      last.to = to;
    } else {
      found.push({ from, to, text, color: shown.color ?? 'gray' });
    }
  });
  return found;
}

interface Row {
  name: string;
  stretches: Stretch[];
}

function rowsOf(frames: DataFrame[], merge: boolean, end: number): Row[] {
  return frames.flatMap((frame) => {
    const times = frame.fields.find((field) => field.type === FieldType.time)!;
    return frame.fields
      .filter((field) => field !== times)
      .map((field) => ({ name: getFieldDisplayName(field, frame, frames), stretches: stretches(times, field, merge, end) }));
  });
}

const AXIS = 24;
const LEGEND = 28;
const ROOM = 70; // for the words of a tick
const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const STEPS = [1, 5, 10, 15, 30, 60, 120, 180, 360, 720].map((minutes) => minutes * MINUTE).concat([1, 2, 7, 14, 30].map((days) => days * DAY));

/** Round times in the viewer's zone, as many as there is room for. */
function ticksOf(start: number, end: number, room: number, timeZone: string): number[] {
  const step = STEPS.find((one) => (end - start) / one <= room / ROOM) ?? STEPS.at(-1)!;
  const offset = dateTimeForTimeZone(timeZone, start).utcOffset() * MINUTE;
  const first = Math.ceil((start + offset) / step) * step - offset;
  return Array.from({ length: Math.max(0, Math.floor((end - first) / step) + 1) }, (_, index) => first + index * step);
}

export function Timeline({ panel, frames, theme, timeRange, timeZone, width, height }: Drawing): ReactNode {
  const { mergeValues = true, rowHeight = 0.9, showValue = 'auto', legend } = panel.options;
  const [start, end] = [timeRange.from.valueOf(), timeRange.to.valueOf()];
  const rows = rowsOf(frames, mergeValues, end);
  const left = Math.min(Math.max(...rows.map(({ name }) => name.length)) * 7 + 16, width * 0.3);
  const rowSize = (height - AXIS - (legend?.showLegend === false ? 0 : LEGEND)) / rows.length;
  const x = (at: number) => left + ((Math.max(at, start) - start) / (end - start)) * (width - left);
  const seen = new Map(rows.flatMap((row) => row.stretches.map(({ text, color }) => [text, color] as const)));
  const ticks = ticksOf(start, end, width - left, timeZone);
  const format = end - start > 2 * DAY ? 'MM/DD' : 'HH:mm';
  const line = { position: 'absolute', fontSize: 12, whiteSpace: 'nowrap', overflow: 'hidden' } as const;
  return (
    <div style={{ position: 'relative', width, height, color: theme.colors.text.primary }}>
      {rows.map(({ name, stretches }, index) => (
        <div key={name + index}>
          <div style={{ ...line, top: index * rowSize, width: left - 8, lineHeight: `${rowSize}px`, textOverflow: 'ellipsis', textAlign: 'right' }}>
            {name}
          </div>
          {stretches.map(({ from, to, text, color }) => {
            const size = x(to) - x(from);
            return (
              <div
                key={from}
                data-state={text}
                style={{
                  ...line, left: x(from), width: size, top: index * rowSize + (rowSize * (1 - rowHeight)) / 2,
                  height: rowSize * rowHeight, lineHeight: `${rowSize * rowHeight}px`, background: color, paddingLeft: size > 8 ? 4 : 0,
                  boxSizing: 'border-box', color: theme.colors.getContrastText(color),
                }}
              >
                {showValue !== 'never' && size > text.length * 7 + 8 && text}
              </div>
            );
          })}
        </div>
      ))}
      {ticks.map((tick) => (
        <div key={tick} style={{ ...line, top: rowSize * rows.length + 4, left: Math.min(x(tick) - 18, width - 36) }}>
          {dateTimeFormat(tick, { timeZone, format })}
        </div>
      ))}
      {legend?.showLegend !== false && (
        <div style={{ ...line, bottom: 0, width }}>
          <VizLegend placement="bottom" displayMode={'list' as any} items={[...seen].map(([label, color]) => ({ label, color, yAxis: 1 }))} />
        </div>
      )}
    </div>
  );
}
