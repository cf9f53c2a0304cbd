/**
 * A figure of g2 curves as SVG text: one panel per curve, logarithmic delay axis, error bars, fitted line, units. Rendered by
 * Vega without a browser (docs/decisions/0010-plots-vega.md). What is drawn is decided by the caller; nothing is computed here.
 */
import * as vega from "vega";

export interface CurvePanel {
  readonly title: string;
  /** Lines of text under the title. */
  readonly notes: readonly string[];
  /** Measured values with standard errors; delays in the figure's unit. */
  readonly points: readonly { readonly delay: number; readonly g2: number; readonly error: number }[];
  /** Fitted curve, in order of the delay. */
  readonly curve: readonly { readonly delay: number; readonly g2: number }[];
}

export interface CurveFigure {
  readonly title: string;
  readonly subtitle: string;
  readonly panels: readonly CurvePanel[];
  /** Panels per row. */
  readonly columns: number;
  /** Unit of the delays: s or frames. */
  readonly delayUnit: string;
  /** What the fitted line is, such as "single exponential". */
  readonly fitName: string;
}

const PANEL_WIDTH = 380;
const PANEL_HEIGHT = 230;
const GREY = "#555";
/** Colours that people with any colour vision can tell apart (Okabe and Ito 2008). */
export const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];

/** One series of values, as dots or as a line. */
export interface SeriesFigure {
  readonly title: string;
  readonly subtitle: string;
  /** Names of the axes with their units. */
  readonly xTitle: string;
  readonly yTitle: string;
  readonly scale: "linear" | "log";
  readonly mark: "dots" | "line";
  /** In order of x; on a logarithmic scale values of 0 and below are left out. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** Renders one series with titled axes. */
export async function seriesFigureSvg(figure: SeriesFigure): Promise<string> {
  return await rendered(seriesSpec(figure));
}

/** Renders the figure. All panels share both axes, so that they can be compared by eye. */
export async function g2FigureSvg(figure: CurveFigure): Promise<string> {
  return await rendered(figureSpec(figure));
}

/** As SVG text. */
export async function rendered(spec: vega.Spec): Promise<string> {
  const view = new vega.View(vega.parse(spec), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** Paper, title and the look of the axes, the same for every figure. */
export function pageOf({ title, subtitle }: { title: string; subtitle: string }): vega.Spec {
  return {
    $schema: "https://vega.github.io/schema/vega/v6.json",
    background: "white",
    padding: 14,
    title: {
      text: title,
      subtitle,
      anchor: "start",
      fontSize: 17,
      subtitleFontSize: 12,
      subtitleColor: GREY,
      offset: 18,
    },
    config: {
      axis: {
        labelFontSize: 11,
        titleFontSize: 12,
        titleFontWeight: "normal",
        gridColor: "#e6e6e6",
        tickColor: "#888",
        domainColor: "#888",
      },
    },
  };
}

function seriesSpec(figure: SeriesFigure): vega.Spec {
  const log = figure.scale === "log";
  const shown = figure.points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y) && (!log || (x > 0 && y > 0)));
  const domain = log ? logDomain : paddedDomain;
  const [x, y] = [domain(shown.map((point) => point.x)), domain(shown.map((point) => point.y))];
  const at = { x: { scale: "x", field: "x" }, y: { scale: "y", field: "y" } };
  const colour = { value: COLOURS[0]! };
  return {
    ...pageOf(figure),
    width: 2 * PANEL_WIDTH,
    height: 1.5 * PANEL_HEIGHT,
    data: [{ name: "points", values: shown.map((point) => ({ ...point })) }],
    scales: [
      { name: "x", type: figure.scale, domain: x, range: "width", zero: false },
      { name: "y", type: figure.scale, domain: y, range: "height", zero: false },
    ],
    axes: [
      { orient: "bottom", scale: "x", title: figure.xTitle, grid: true, tickCount: 8 },
      { orient: "left", scale: "y", title: figure.yTitle, grid: true, tickCount: 6 },
    ],
    marks: [
      figure.mark === "line"
        ? { type: "line", from: { data: "points" }, encode: { update: { ...at, stroke: colour, strokeWidth: { value: 1 } } } }
        : { type: "symbol", from: { data: "points" }, encode: { update: { ...at, fill: colour, size: { value: 30 } } } },
    ],
  };
}

function figureSpec(figure: CurveFigure): vega.Spec {
  const points = figure.panels.flatMap((panel) => panel.points);
  const axes = {
    delay: logDomain(points.map((point) => point.delay)),
    g2: paddedDomain(points.flatMap((point) => [point.g2 - point.error, point.g2 + point.error])),
  };
  return {
    ...pageOf(figure),
    layout: { columns: figure.columns, padding: { row: 92, column: 76 }, bounds: "flush", align: "all" },
    marks: figure.panels.map((panel, at) => panelMark(panel, COLOURS[at % COLOURS.length]!, axes, figure)),
  };
}

/** Whole range of positive values, a little wider, on a logarithmic axis. */
function logDomain(values: readonly number[]): [number, number] {
  const positive = values.filter((value) => value > 0);
  return positive.length === 0 ? [0.1, 1] : [Math.min(...positive) / 1.4, Math.max(...positive) * 1.4];
}

function paddedDomain(values: readonly number[]): [number, number] {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return [0, 1];
  const low = Math.min(...finite);
  const high = Math.max(...finite);
  const margin = 0.05 * (high - low || 1);
  return [low - margin, high + margin];
}

function panelMark(
  panel: CurvePanel,
  colour: string,
  axes: { delay: [number, number]; g2: [number, number] },
  { fitName, delayUnit }: CurveFigure,
): vega.Mark {
  const x = { scale: "x", field: "delay" };
  const ticks = decades(axes.delay);
  return {
    type: "group",
    title: {
      text: panel.title,
      subtitle: [...panel.notes],
      anchor: "start",
      frame: "group",
      fontSize: 13,
      subtitleFontSize: 11,
      subtitleColor: GREY,
    },
    encode: { update: { width: { value: PANEL_WIDTH }, height: { value: PANEL_HEIGHT }, stroke: { value: "#bbb" } } },
    data: [
      { name: "points", values: panel.points.map((p) => ({ ...p, low: p.g2 - p.error, high: p.g2 + p.error })) },
      { name: "curve", values: panel.curve.map((p) => ({ ...p })) },
    ],
    signals: [
      { name: "width", value: PANEL_WIDTH },
      { name: "height", value: PANEL_HEIGHT },
    ],
    scales: [
      { name: "x", type: "log", domain: axes.delay, range: [0, PANEL_WIDTH], zero: false },
      { name: "y", type: "linear", domain: axes.g2, range: [PANEL_HEIGHT, 0], zero: false },
    ],
    axes: [
      { orient: "bottom", scale: "x", values: minorTicks(axes.delay), labels: false, tickSize: 3, domain: false },
      {
        orient: "bottom",
        scale: "x",
        title: `delay (${delayUnit})`,
        grid: true,
        values: ticks,
        encode: { labels: { update: { text: { signal: powerLabel(ticks) } } } },
      },
      { orient: "left", scale: "y", title: "g₂", grid: true, tickCount: 6 },
    ],
    marks: [
      ...keyMarks(colour, fitName),
      {
        type: "rule",
        from: { data: "points" },
        clip: true,
        encode: {
          update: {
            x,
            y: { scale: "y", field: "low" },
            y2: { scale: "y", field: "high" },
            stroke: { value: colour },
            strokeWidth: { value: 1 },
          },
        },
      },
      {
        type: "symbol",
        from: { data: "points" },
        clip: true,
        encode: { update: { x, y: { scale: "y", field: "g2" }, size: { value: 18 }, fill: { value: colour } } },
      },
      {
        type: "line",
        from: { data: "curve" },
        clip: true,
        encode: { update: { x, y: { scale: "y", field: "g2" }, stroke: { value: "black" }, strokeWidth: { value: 1.4 } } },
      },
    ],
  };
}

/** Vega expression for the label of a decade: 10 to a superscript power. */
export function powerLabel(values: readonly number[]): string {
  const superscript = (digits: string): string => digits.replace(/[-0-9]/g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)] ?? "⁻");
  const labels = values.map((value) => [Math.round(Math.log10(value)), `10${superscript(String(Math.round(Math.log10(value))))}`]);
  return `${JSON.stringify(Object.fromEntries(labels))}[round(log(datum.value) / LN10)]`;
}

/** 2 to 9 times each decade inside the axis. */
export function minorTicks([low, high]: readonly [number, number]): number[] {
  const first = Math.floor(Math.log10(low));
  const last = Math.floor(Math.log10(high));
  const ticks: number[] = [];
  for (let decade = first; decade <= last; decade++) for (let k = 2; k <= 9; k++) ticks.push(k * 10 ** decade);
  return ticks.filter((tick) => tick > low && tick < high);
}

/** Two lines at the top right of a panel: what the dots and the line are. */
function keyMarks(colour: string, fitName: string): vega.Mark[] {
  const left = PANEL_WIDTH - 172;
  const text = (y: number, label: string): vega.Mark => ({
    type: "text",
    encode: {
      enter: {
        x: { value: left + 26 },
        y: { value: y },
        text: { value: label },
        baseline: { value: "middle" },
        fontSize: { value: 11 },
        fill: { value: "#333" },
      },
    },
  });
  const line = (x: number, x2: number, y: number, y2: number, stroke: string): vega.Mark => ({
    type: "rule",
    encode: { enter: { x: { value: x }, x2: { value: x2 }, y: { value: y }, y2: { value: y2 }, stroke: { value: stroke } } },
  });
  return [
    {
      type: "rect",
      encode: {
        enter: { x: { value: left - 8 }, y: { value: 6 }, width: { value: 172 }, height: { value: 40 }, fill: { value: "white" } },
      },
    },
    line(left + 10, left + 10, 10, 24, colour),
    {
      type: "symbol",
      encode: { enter: { x: { value: left + 10 }, y: { value: 17 }, size: { value: 22 }, fill: { value: colour } } },
    },
    text(17, "data, standard error"),
    line(left, left + 20, 35, 35, "black"),
    text(35, `fit, ${fitName}`),
  ];
}

/** The powers of ten inside the axis. */
export function decades([low, high]: readonly [number, number]): number[] {
  const first = Math.ceil(Math.log10(low));
  const last = Math.floor(Math.log10(high));
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => 10 ** (first + i));
}
