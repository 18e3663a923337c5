import { concurrenciesOf, findResult } from './comparison.ts';
import { BACKENDS, OPERATIONS, type Operation } from './operation.ts';
import type { Series } from './report.ts';

/** Pixels. */
const MARGIN = 16;
const LABELS = 110;
const PANEL = 250;
/** For the number that stands after a bar. */
const NUMBER = 46;
const BAR = 11;
const GROUP_GAP = 9;
const TITLE = 34;
const LEGEND = 26;
const AXIS = 20;

/** Told apart also by those who do not see all colours. */
const COLOURS = ['#0072b2', '#e69f00', '#7f7f7f', '#cc79a7', '#009e73', '#56b4e9'];

/** Milliseconds at the left and the right end of a panel: below and above everything. */
interface Scale {
  readonly from: number;
  readonly to: number;
}

function scaleOf(series: readonly Series[]): Scale {
  const values = series.flatMap(({ results }) => results.map(({ p50 }) => p50)).filter(p50 => p50 > 0);
  return {
    from: 10 ** Math.floor(Math.log10(Math.min(...values))),
    to: 10 ** Math.ceil(Math.log10(Math.max(...values))),
  };
}

/** The scale is logarithmic: what is twice as long is as much further right everywhere. */
function widthOf(value: number, { from, to }: Scale): number {
  const share = Math.log(Math.max(value, from) / from) / Math.log(to / from);
  return Math.max(1, share * (PANEL - NUMBER));
}

function decades({ from, to }: Scale): readonly number[] {
  return Array.from({ length: Math.round(Math.log10(to / from)) + 1 }, (_, index) => from * 10 ** index);
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

function drawText(x: number, y: number, text: string, attributes = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escape(text)}</text>`;
}

function drawRectangle(x: number, y: number, width: number, height: number, colour: string): string {
  return `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${width.toFixed(1)}" height="${height}" fill="${colour}"/>`;
}

function formatTime(milliseconds: number): string {
  const [value, unit] = milliseconds < 1000 ? [milliseconds, 'ms'] : [milliseconds / 1000, 's'];
  return `${value < 10 ? Number(value.toFixed(1)) : value.toFixed(0)} ${unit}`;
}

/** What one backend's panels share: a panel for each concurrency, side by side, with the same scale. */
interface Chart {
  readonly series: readonly Series[];
  readonly colours: ReadonlyMap<string, string>;
  readonly concurrencies: readonly number[];
  readonly scale: Scale;
  /** Of all panels. */
  readonly top: number;
  readonly height: number;
}

function groupHeight(series: readonly Series[]): number {
  return series.length * BAR + GROUP_GAP;
}

function drawBars(chart: Chart, operation: Operation, concurrency: number, x: number, y: number): string[] {
  return chart.series.flatMap((one, index) => {
    const result = findResult(one, operation, concurrency);
    if (result === undefined || result.p50 === 0) return [];
    const width = widthOf(result.p50, chart.scale);
    const top = y + index * BAR;
    return [
      drawRectangle(x, top, width, BAR - 1, chart.colours.get(one.name) ?? 'black'),
      drawText(x + width + 3, top + BAR - 2, formatTime(result.p50), 'class="number"'),
    ];
  });
}

function drawPanel(chart: Chart, concurrency: number, x: number): string[] {
  const { top, height, scale, series } = chart;
  const lines = decades(scale).flatMap(value => {
    const at = x + (value === scale.from ? 0 : widthOf(value, scale));
    return [
      `<line x1="${at.toFixed(1)}" x2="${at.toFixed(1)}" y1="${top}" y2="${top + height}" stroke="#ddd"/>`,
      drawText(at, top + height + 12, formatTime(value), 'class="number" text-anchor="middle"'),
    ];
  });
  const bars = OPERATIONS.flatMap((operation, index) =>
    drawBars(chart, operation, concurrency, x, top + GROUP_GAP / 2 + index * groupHeight(series)),
  );
  const title = drawText(x, top - 6, `${concurrency} at a time`, 'class="strong"');
  return [title, ...lines, ...bars];
}

function drawChart(chart: Chart, title: string): string[] {
  const { series, top, concurrencies } = chart;
  const middle = (series.length * BAR) / 2 + GROUP_GAP / 2 + 4;
  return [
    drawText(MARGIN, top - 6, title, 'class="strong"'),
    ...OPERATIONS.map((operation, index) =>
      drawText(MARGIN, top + index * groupHeight(series) + middle, operation),
    ),
    ...concurrencies.flatMap((concurrency, index) =>
      drawPanel(chart, concurrency, MARGIN + LABELS + index * PANEL),
    ),
  ];
}

function drawLegend(colours: ReadonlyMap<string, string>): string[] {
  let x = MARGIN;
  const boxes = [...colours].flatMap(([name, colour]) => {
    const box = x;
    x += 34 + name.length * 7;
    return [drawRectangle(box, MARGIN - 4, 12, 12, colour), drawText(box + 17, MARGIN + 6, name)];
  });
  return [...boxes, drawText(x, MARGIN + 6, 'median of a call; each line is ten times the one before')];
}

const STYLE = 'text{font:12px sans-serif;fill:#222}.number{font-size:9px}.strong{font-weight:bold}';

/**
 * Draws the medians as bars, a chart for each backend, a panel for each level of concurrency: an SVG image.
 * @throws Error when nothing was measured.
 */
export function plotSeries(series: readonly Series[]): string {
  const measured = series.filter(({ results }) => results.some(({ p50 }) => p50 > 0));
  if (measured.length === 0) throw new Error('nothing was measured: there is nothing to plot');
  const names = [...new Set(measured.map(({ name }) => name))];
  const colours = new Map(names.map((name, index) => [name, COLOURS[index % COLOURS.length] ?? 'black']));
  const concurrencies = concurrenciesOf(measured);
  const scale = scaleOf(measured);
  let top = MARGIN + LEGEND;
  const charts = BACKENDS.flatMap(backend => {
    const own = measured.filter(one => one.backend === backend);
    if (own.length === 0) return [];
    const height = OPERATIONS.length * groupHeight(own);
    const chart = { series: own, colours, concurrencies, scale, top: top + TITLE, height };
    top += TITLE + height + AXIS;
    return drawChart(chart, backend);
  });
  const size = `width="${2 * MARGIN + LABELS + concurrencies.length * PANEL}" height="${top + MARGIN}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size}>`,
    `<style>${STYLE}</style>`,
    '<rect width="100%" height="100%" fill="white"/>',
    ...drawLegend(colours),
    ...charts,
    '</svg>',
    '',
  ].join('\n');
}
