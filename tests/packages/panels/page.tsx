/** A page with a whole board. `draw(board)` lays it out and tells its height in pixels. */
import {
  CoreApp,
  EventBusSrv,
  ThemeContext,
  createTheme,
  dateTime,
  setTimeZoneResolver,
  type DataFrame,
  type GrafanaTheme2,
  type TimeRange,
} from '@grafana/data';
import { ErrorBoundary, GlobalStyles, Icon, PanelChrome, PanelContextProvider, PortalContainer } from '@grafana/ui';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';

import { framesOf, type Panel } from './frames';
import { Visualisation, isEmpty, silently } from './panels';
import { knownUnits, seen } from './seen';

interface Placed extends Panel {
  id: number;
  gridPos: { x: number; y: number; w: number; h: number };
  from: number;
  to: number;
  collapsed?: boolean;
  section?: string;
}

/** A board with the answers to its queries; times in milliseconds. */
interface Board {
  title: string;
  panels: Placed[];
  theme: 'dark' | 'light';
  timeZone: string;
}

interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

const COLUMNS = 24;
const CELL = 30;
const GAP = 8;
const NARROW = 768; // below it Grafana stacks the panels, each as wide as the screen

/** Where the panels are, in the order of reading. */
function layOut(panels: Placed[], width: number): Array<[Placed, Box]> {
  const inOrder = [...panels].sort((a, b) => a.gridPos.y - b.gridPos.y || a.gridPos.x - b.gridPos.x);
  const column = (width - (COLUMNS - 1) * GAP) / COLUMNS;
  let below = GAP;
  return inOrder.map((panel) => {
    const { x, y, w, h } = panel.gridPos;
    const height = h * CELL + (h - 1) * GAP;
    if (width >= NARROW) {
      return [panel, { left: x * (column + GAP), top: y * (CELL + GAP) + GAP, width: w * column + (w - 1) * GAP, height }];
    }
    const top = below;
    below += height + GAP;
    return [panel, { left: 0, top, width, height }];
  });
}

interface TileProps {
  panel: Placed;
  frames: DataFrame[];
  box: Box;
  theme: GrafanaTheme2;
  timeZone: string;
}

function Tile({ panel, frames, box, theme, timeZone }: TileProps) {
  const [from, to] = [dateTime(panel.from), dateTime(panel.to)];
  const timeRange: TimeRange = { from, to, raw: { from, to } };
  const style = { position: 'absolute', ...box } as const;
  if (panel.type === 'row') {
    return (
      <h3 data-row={panel.title} style={{ ...style, margin: 0, fontSize: 16, lineHeight: `${box.height}px` }}>
        <Icon name={panel.collapsed ? 'angle-right' : 'angle-down'} size="lg" /> {panel.title}
      </h3>
    );
  }
  const empty = isEmpty(panel, frames);
  return (
    <div data-panel={panel.title} data-section={panel.section} data-kind={panel.type} data-empty={empty} style={style}>
      <PanelChrome
        title={panel.title}
        description={panel.description}
        displayMode={panel.transparent ? 'transparent' : 'default'}
        padding={panel.type === 'table' ? 'none' : 'md'}
        width={box.width}
        height={box.height}
      >
        {(width, height) =>
          empty ? (
            <div style={{ width, lineHeight: `${height}px`, textAlign: 'center' }}>
              {panel.fieldConfig.defaults.noValue ?? 'No data'}
            </div>
          ) : (
            <ErrorBoundary>
              {({ error }) =>
                error ? (
                  <pre data-error>{String(error)}</pre>
                ) : (
                  <Visualisation {...{ panel, frames, theme, timeRange, timeZone, width, height }} />
                )
              }
            </ErrorBoundary>
          )
        }
      </PanelChrome>
    </div>
  );
}

/** Measured sizes and canvases come a frame or two after the elements. */
async function painted(): Promise<void> {
  for (let frame = 0; frame < 5; frame++) {
    await new Promise(requestAnimationFrame);
  }
}

async function draw(board: Board): Promise<number> {
  const theme = createTheme({ colors: { mode: board.theme } });
  setTimeZoneResolver(() => board.timeZone);
  const width = document.documentElement.clientWidth - 2 * GAP;
  const placed = layOut(board.panels, width);
  const frames = await Promise.all(
    placed.map(([panel]) => (panel.type === 'row' ? [] : framesOf(panel, silently(panel.type), theme, board.timeZone)))
  );
  const height = Math.max(...placed.map(([, box]) => box.top + box.height)) + GAP;
  const element = document.getElementById('board')!;
  element.style.cssText = `position: relative; margin: 0 ${GAP}px; height: ${height}px`;
  const context = { eventBus: new EventBusSrv(), eventsScope: 'board', app: CoreApp.Dashboard };
  flushSync(() =>
    createRoot(element).render(
      <ThemeContext.Provider value={theme}>
        <GlobalStyles />
        <PanelContextProvider value={context}>
          {placed.map(([panel, box], index) => (
            <Tile key={index} panel={panel} frames={frames[index]} box={box} theme={theme} timeZone={board.timeZone} />
          ))}
        </PanelContextProvider>
        <PortalContainer />
      </ThemeContext.Provider>
    )
  );
  await document.fonts.ready;
  await painted();
  return height;
}

Object.assign(window, { draw, painted, seen, knownUnits });
