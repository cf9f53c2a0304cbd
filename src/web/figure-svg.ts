/**
 * A figure as SVG text, for papers and slides: drawn from the same numbers, over the same range, as what is on the screen, in black on white. Knows
 * nothing of the page. Vega, which draws the figures of `xpcs view` (src/xpcs/plot.ts), is not for browsers here: half a megabyte, and it wants
 * `unsafe-eval`, which the page's content policy forbids (docs/decisions/0023-web-page.md).
 */

export interface FigureAxis {
  readonly title: string;
  /** What is seen: left or bottom, right or top. Of a log axis both above 0. */
  readonly from: number;
  readonly to: number;
  readonly log: boolean;
}

export interface FigureCurve {
  readonly label: string;
  readonly colour: string;
  readonly kind: "points" | "line";
  /** Not in the legend. */
  readonly quiet: boolean;
  /** Half the length of the bar; null: none. */
  readonly points: readonly { readonly x: number; readonly y: number; readonly error: number | null }[];
}

export interface Figure {
  readonly title: string;
  readonly x: FigureAxis;
  readonly y: FigureAxis;
  readonly curves: readonly FigureCurve[];
  /** Fills the frame; its colours, from low to high, and what they mean. */
  readonly picture?: {
    readonly href: string;
    /** Width over height. */
    readonly aspect: number;
    readonly colours: readonly string[];
    readonly title: string;
    readonly low: number;
    readonly high: number;
  };
}

const FRAME = { left: 74, top: 40, width: 620, height: 380 };
const LEGEND_ROW = 18;
const MARK = 2.6;

/** As text of XML. */
function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
}

/** "0.25", "1e-5": without the noise of binary fractions. */
export function numberText(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential().replace("e+", "e") : String(Number(value.toPrecision(10)));
}

/** Round numbers within an axis: 1, 2 or 5 times a power of ten apart; of a log axis the powers of ten, of a short one more. */
export function ticksOf({ from, to, log }: FigureAxis): readonly number[] {
  const [low, high] = [Math.min(from, to), Math.max(from, to)];
  if (log) {
    const digits = high / low < 100 ? [1, 2, 3, 5, 7] : [1];
    const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
    const all = Array.from({ length: last - first + 1 }, (_, at) => digits.map((digit) => Number(`${digit}e${first + at}`))).flat();
    return all.filter((tick) => tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9));
  }
  if (!(high > low)) return [low];
  const rough = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((digit) => digit * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}

/** Where a value is in the frame, from 0 to 1. */
function shareOf({ from, to, log }: FigureAxis, value: number): number {
  return log ? Math.log(value / from) / Math.log(to / from) : (value - from) / (to - from);
}

function curveSvg({ x: xAxis, y: yAxis }: Figure, { kind, colour, points }: FigureCurve, height: number): string {
  const px = (x: number): string => (FRAME.left + shareOf(xAxis, x) * FRAME.width).toFixed(2);
  const py = (y: number): string => (FRAME.top + (1 - shareOf(yAxis, y)) * height).toFixed(2);
  const drawn = points.filter(({ x, y }) => (!xAxis.log || x > 0) && (!yAxis.log || y > 0));
  if (kind === "line") {
    const path = drawn.map(({ x, y }, at) => `${at === 0 ? "M" : "L"}${px(x)} ${py(y)}`).join("");
    return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>`;
  }
  const bars = drawn.flatMap(({ x, y, error }) => {
    if (!error) return [];
    const low = yAxis.log ? Math.max(y - error, yAxis.from) : y - error;
    return [`M${px(x)} ${py(low)}V${py(y + error)}`];
  });
  const marks = drawn.map(({ x, y }) => `<circle cx="${px(x)}" cy="${py(y)}" r="${MARK}" fill="${colour}"/>`);
  return `<path d="${bars.join("")}" fill="none" stroke="${colour}"/>${marks.join("")}`;
}

function axesSvg({ x, y }: Figure, height: number): string {
  const [bottom, right] = [FRAME.top + height, FRAME.left + FRAME.width];
  const across = ticksOf(x).map((tick) => {
    const at = (FRAME.left + shareOf(x, tick) * FRAME.width).toFixed(2);
    return `<path d="M${at} ${FRAME.top}V${bottom}" stroke="#e6e6e6"/><text x="${at}" y="${bottom + 16}" text-anchor="middle">${numberText(tick)}</text>`;
  });
  const up = ticksOf(y).map((tick) => {
    const at = FRAME.top + (1 - shareOf(y, tick)) * height;
    return `<path d="M${FRAME.left} ${at.toFixed(2)}H${right}" stroke="#e6e6e6"/><text x="${FRAME.left - 6}" y="${(at + 4).toFixed(2)}" text-anchor="end">${numberText(tick)}</text>`;
  });
  const middle = FRAME.top + height / 2;
  return [
    ...across,
    ...up,
    `<text x="${FRAME.left + FRAME.width / 2}" y="${bottom + 36}" text-anchor="middle" font-size="13">${escaped(x.title)}</text>`,
    `<text transform="translate(18 ${middle}) rotate(-90)" text-anchor="middle" font-size="13">${escaped(y.title)}</text>`,
  ].join("");
}

/** Rows of names, as many as fit beside each other. @returns the text, and its height */
function legendSvg(curves: readonly FigureCurve[], top: number): { text: string; height: number } {
  let [left, row] = [FRAME.left, 0];
  const items = curves.map(({ label, colour, kind }) => {
    const width = 30 + 7 * label.length;
    if (left > FRAME.left && left + width > FRAME.left + FRAME.width) {
      left = FRAME.left;
      row += 1;
    }
    const y = top + row * LEGEND_ROW;
    const mark =
      kind === "line"
        ? `<path d="M${left} ${y - 4}h16" stroke="${colour}" stroke-width="1.5"/>`
        : `<circle cx="${left + 8}" cy="${y - 4}" r="${MARK + 1}" fill="${colour}"/>`;
    const item = `${mark}<text x="${left + 22}" y="${y}">${escaped(label)}</text>`;
    left += width;
    return item;
  });
  return { text: items.join(""), height: items.length === 0 ? 0 : (row + 1) * LEGEND_ROW };
}

/** The colour scale at the right of a picture. */
function scaleSvg({ colours, title, low, high }: NonNullable<Figure["picture"]>, height: number): string {
  const left = FRAME.left + FRAME.width + 16;
  const stops = colours.map((colour, at) => `<stop offset="${at / (colours.length - 1)}" stop-color="${colour}"/>`);
  return [
    `<linearGradient id="scale" x1="0" y1="1" x2="0" y2="0">${stops.join("")}</linearGradient>`,
    `<rect x="${left}" y="${FRAME.top}" width="16" height="${height}" fill="url(#scale)" stroke="#888"/>`,
    `<text x="${left + 22}" y="${FRAME.top + 10}">${numberText(Number(high.toPrecision(4)))}</text>`,
    `<text x="${left + 22}" y="${FRAME.top + height}">${numberText(Number(low.toPrecision(4)))}</text>`,
    `<text transform="translate(${left + 36} ${FRAME.top + height / 2}) rotate(-90)" text-anchor="middle" font-size="13">${escaped(title)}</text>`,
  ].join("");
}

/** @returns the text, and its size in pixels */
export function figureSvg(figure: Figure): { readonly text: string; readonly width: number; readonly height: number } {
  const { title, curves, picture } = figure;
  const frame = picture === undefined ? FRAME.height : FRAME.width / picture.aspect;
  const legend = legendSvg(
    curves.filter(({ quiet }) => !quiet),
    FRAME.top + frame + 60,
  );
  const width = FRAME.left + FRAME.width + (picture === undefined ? 24 : 90);
  const height = Math.ceil(FRAME.top + frame + 50 + legend.height);
  const place = `x="${FRAME.left}" y="${FRAME.top}" width="${FRAME.width}" height="${frame}"`;
  const shown =
    picture === undefined
      ? ""
      : `<image ${place} href="${picture.href}" preserveAspectRatio="none" style="image-rendering:pixelated"/>${scaleSvg(picture, frame)}`;
  const text = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#222">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="${FRAME.left}" y="24" font-size="16">${escaped(title)}</text>`,
    axesSvg(figure, frame),
    shown,
    `<clipPath id="frame"><rect ${place}/></clipPath>`,
    `<g clip-path="url(#frame)">${curves.map((curve) => curveSvg(figure, curve, frame)).join("")}</g>`,
    `<rect ${place} fill="none" stroke="#888"/>`,
    legend.text,
    "</svg>",
  ].join("\n");
  return { text, width, height };
}

/** As a cell of CSV. */
function cell(value: string | number | null): string {
  if (value === null || Number.isNaN(value)) return "";
  return typeof value === "number" ? String(value) : /[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** All values of the curves, those beyond what is seen too: a row for each x, a column for each curve, and one for its errors where it has some. */
export function figureCsv({ x, curves }: Figure): string {
  const columns = curves.map(({ label, points }) => ({
    label,
    byX: new Map(points.map((point) => [point.x, point])),
    hasErrors: points.some(({ error }) => error !== null),
  }));
  const rows = [...new Set(curves.flatMap(({ points }) => points.map((point) => point.x)))].sort((a, b) => a - b);
  const head = [x.title, ...columns.flatMap(({ label, hasErrors }) => [label, ...(hasErrors ? [`error of ${label}`] : [])])];
  const body = rows.map((at) => [
    at,
    ...columns.flatMap(({ byX, hasErrors }) => [byX.get(at)?.y ?? null, ...(hasErrors ? [byX.get(at)?.error ?? null] : [])]),
  ]);
  return `${[head, ...body].map((row) => row.map(cell).join(",")).join("\n")}\n`;
}
