/**
 * Plots of how a cost grows, as SVG: measured points on two logarithmic axes and the power law fitted to them.
 * Promises: pure; the same points give the same text; a series of one point is drawn without a law.
 */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

export interface Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
}

/** y = factor · x^exponent. */
export interface PowerLaw {
  readonly factor: number;
  readonly exponent: number;
}

const width = 640;
const height = 400;
const box = { left: 80, right: 620, top: 50, bottom: 340 };
const colours = ['#1f6feb', '#d1480c', '#2d8a3e', '#7d3fb8'];

/** The law that fits best on logarithmic axes (least squares); null when the points say nothing about growth. */
export function fitPowerLaw(points: readonly Point[]): PowerLaw | null {
  const logs = points.filter(({ x, y }) => x > 0 && y > 0).map(({ x, y }) => ({ x: Math.log(x), y: Math.log(y) }));
  const mean = (of: 'x' | 'y'): number => logs.reduce((sum, each) => sum + each[of], 0) / logs.length;
  const [middleX, middleY] = [mean('x'), mean('y')];
  const spread = logs.reduce((sum, { x }) => sum + (x - middleX) ** 2, 0);
  if (logs.length < 2 || spread === 0) return null;
  const exponent = logs.reduce((sum, { x, y }) => sum + (x - middleX) * (y - middleY), 0) / spread;
  return { factor: Math.exp(middleY - exponent * middleX), exponent };
}

/** The law in words: "0.012 · x^1.03". */
export function printLaw({ factor, exponent }: PowerLaw): string {
  return `${Number(factor.toPrecision(2))} · x^${exponent.toFixed(2)}`;
}

/** One axis: from a value to where it stands, and the powers of ten on it. */
interface Axis {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

function axisOf(values: readonly number[], from: number, to: number): Axis {
  const positive = values.filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(...positive)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive))));
  return {
    at: (value) => from + (Math.log10(value) - low) / (high - low) * (to - from),
    ticks: Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)),
  };
}

/** 1, 10, 1k, 1M; 0.1. */
function printTick(value: number): string {
  if (value >= 1e9) return `${value / 1e9}G`;
  if (value >= 1e6) return `${value / 1e6}M`;
  if (value >= 1e3) return `${value / 1e3}k`;
  return String(Number(value.toPrecision(3)));
}

const escape = (text: string): string => text.replace(/[&<>]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign] ?? sign);
const place = (value: number): string => value.toFixed(1);

function text([x, y]: readonly [x: number, y: number], words: string, more = ''): string {
  return `<text x="${place(x)}" y="${place(y)}"${more}>${escape(words)}</text>`;
}

function drawSeries({ name, points }: Series, index: number, { x, y }: { readonly x: Axis; readonly y: Axis }): readonly string[] {
  const colour = colours[index % colours.length] ?? '#000';
  const law = fitPowerLaw(points);
  const dots = points.filter((point) => point.x > 0 && point.y > 0)
    .map((point) => `<circle cx="${place(x.at(point.x))}" cy="${place(y.at(point.y))}" r="4" fill="${colour}"/>`);
  const ends = [Math.min(...points.map((point) => point.x)), Math.max(...points.map((point) => point.x))];
  const line = law === null ? [] : [`<polyline fill="none" stroke="${colour}" stroke-width="1.5" points="${ends
    .map((end) => `${place(x.at(end))},${place(y.at(law.factor * end ** law.exponent))}`).join(' ')}"/>`];
  const words = law === null ? name : `${name}: ${printLaw(law)}`;
  return [...line, ...dots, text([box.left + 12, box.top + 18 + index * 18], words, ` fill="${colour}"`)];
}

/** Draws a plot. */
export function drawPlot({ title, x: xName, y: yName, series }: Plot): string {
  const points = series.flatMap((each) => each.points);
  const x = axisOf(points.map((point) => point.x), box.left, box.right);
  const y = axisOf(points.map((point) => point.y), box.bottom, box.top);
  const grid = [
    ...x.ticks.flatMap((tick) => [
      `<line x1="${place(x.at(tick))}" x2="${place(x.at(tick))}" y1="${box.top}" y2="${box.bottom}" stroke="#ddd"/>`,
      text([x.at(tick), box.bottom + 18], printTick(tick), ' text-anchor="middle"'),
    ]),
    ...y.ticks.flatMap((tick) => [
      `<line x1="${box.left}" x2="${box.right}" y1="${place(y.at(tick))}" y2="${place(y.at(tick))}" stroke="#ddd"/>`,
      text([box.left - 8, y.at(tick) + 4], printTick(tick), ' text-anchor="end"'),
    ]),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`, text([box.left, 28], title, ' font-size="16" font-weight="bold"'),
    ...grid, ...series.flatMap((each, index) => drawSeries(each, index, { x, y })),
    text([(box.left + box.right) / 2, height - 18], xName, ' text-anchor="middle"'),
    text([18, (box.top + box.bottom) / 2], yName, ` text-anchor="middle" transform="rotate(-90 18 ${place((box.top + box.bottom) / 2)})"`),
    '</svg>', '',
  ].join('\n');
}
