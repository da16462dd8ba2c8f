/** What can be seen of the panels, told as data: whoever tests a board cannot look at it. */
import { getValueFormats } from '@grafana/data';

interface Seen {
  title: string;
  /** The title of its row. */
  section: string;
  kind: string;
  /** It says that there is no data. */
  empty: boolean;
  /** What went wrong while it was drawn. */
  error: string | null;
  /** All its words, those on canvases too, such as an axis' numbers. */
  text: string;
  /** Coloured points of canvases, bars and blocks: what is neither grid nor words. */
  marks: number;
  /** Words that are cut off or stick out of it. */
  cut: string[];
  /** Of the largest words, in pixels. */
  letters: number;
  /** How far it has to be scrolled sideways to be seen whole, in pixels. */
  beyond: number;
}

const written = new WeakMap<HTMLCanvasElement, Set<string>>();
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
  if (this.canvas instanceof HTMLCanvasElement) {
    written.set(this.canvas, (written.get(this.canvas) ?? new Set()).add(text));
  }
  return write.call(this, text, ...rest);
};

const COLOURED = 24; // how far apart red, green and blue are at least; a grid is grey
const FAINT = 16; // of 255: the rims of letters are coloured, too, but hardly there

function colouredPoints(canvas: HTMLCanvasElement): number {
  const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue, alpha] = data.subarray(at, at + 4);
    count += alpha > FAINT && Math.max(red, green, blue) - Math.min(red, green, blue) > COLOURED ? 1 : 0;
  }
  return count;
}

/** Elements with words of their own, and not only around elements that have some. */
function worded(panel: Element): HTMLElement[] {
  const own = (element: Element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent!.trim());
  return [...panel.querySelectorAll<HTMLElement>('*')].filter((element) => element instanceof HTMLElement && own(element));
}

function isCut(element: HTMLElement, panel: Element): boolean {
  if (element.offsetWidth <= 1) {
    return false; // for screen readers only
  }
  const [inner, outer] = [element.getBoundingClientRect(), panel.getBoundingClientRect()];
  const out = inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1;
  return out || (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflow !== 'visible');
}

function scrolls(element: Element): boolean {
  return ['auto', 'scroll'].includes(getComputedStyle(element).overflowX);
}

export function seen(): Seen[] {
  return [...document.querySelectorAll<HTMLElement>('[data-panel]')].map((panel) => {
    const canvases = [...panel.querySelectorAll('canvas')];
    const words = worded(panel);
    return {
      title: panel.dataset.panel!,
      section: panel.dataset.section ?? '',
      kind: panel.dataset.kind!,
      empty: panel.dataset.empty === 'true',
      error: panel.querySelector('[data-error]')?.textContent ?? null,
      text: [panel.innerText, ...canvases.flatMap((canvas) => [...(written.get(canvas) ?? [])])].join('\n'),
      marks: canvases.reduce((sum, canvas) => sum + colouredPoints(canvas), 0) + panel.querySelectorAll('[data-state], [data-bar]').length,
      cut: words.filter((element) => isCut(element, panel)).map((element) => element.innerText),
      letters: Math.max(...words.map((element) => parseFloat(getComputedStyle(element).fontSize))),
      beyond: Math.max(0, ...[...panel.querySelectorAll('*')].filter(scrolls).map((element) => element.scrollWidth - element.clientWidth)),
    };
  });
}

/** Every unit that Grafana knows by a name. */
export function knownUnits(): string[] {
  return getValueFormats().flatMap(({ submenu }: any) => submenu.map(({ value }: any) => value));
}
