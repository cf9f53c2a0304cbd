/** Figures of maps in colour, one panel per q bin, as SVG text: the cells of a panel are the pixels of a picture in it. */
import * as vega from "vega";
import { decades, minorTicks, pageOf, powerLabel, rendered } from "./plot.js";
import { encodePng } from "./png.js";

export interface MapPanel {
  readonly title: string;
  /** Values [side, side], the first row at the bottom; NaN is left blank. */
  readonly side: number;
  readonly values: Float64Array;
  /** Where the axes begin and end. */
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  /** Of the colours; else from the 1st to the 99th percentile of the values. */
  readonly range?: readonly [number, number];
}

/** Square maps, each with its own colours. */
export interface MapFigure {
  readonly title: string;
  readonly subtitle: string;
  readonly columns: number;
  /** Of both axes. */
  readonly scale: "linear" | "log";
  /** With the units. */
  readonly xTitle: string;
  readonly yTitle: string;
  /** What the colours mean. */
  readonly valueTitle: string;
  readonly panels: readonly MapPanel[];
}

const MAP_SIZE = 300;
const MAP_COLOURS = "viridis";

/** Renders the maps. */
export async function mapFigureSvg(figure: MapFigure): Promise<string> {
  return await rendered({
    ...pageOf(figure),
    layout: { columns: figure.columns, padding: { row: 70, column: 130 }, bounds: "flush", align: "all" },
    marks: figure.panels.map((panel) => mapMark(panel, figure)),
  });
}

function mapMark(panel: MapPanel, figure: MapFigure): vega.Mark {
  const [low, high] = panel.range ?? percentilesOf(panel.values);
  const domain = [low, high > low ? high : low + 1];
  const size = { width: { value: MAP_SIZE }, height: { value: MAP_SIZE } };
  const scale = figure.scale;
  return {
    type: "group",
    title: { text: panel.title, anchor: "start", frame: "group", fontSize: 13 },
    encode: { update: { ...size, stroke: { value: "#bbb" } } },
    scales: [
      { name: "x", type: scale, domain: [...panel.x], range: [0, MAP_SIZE], zero: false },
      { name: "y", type: scale, domain: [...panel.y], range: [MAP_SIZE, 0], zero: false },
      { name: "colour", type: "linear", domain, range: { scheme: MAP_COLOURS } },
    ],
    axes: [...axesOf("bottom", "x", figure.xTitle, panel.x, scale), ...axesOf("left", "y", figure.yTitle, panel.y, scale)],
    legends: [{ fill: "colour", type: "gradient", title: figure.valueTitle, gradientLength: MAP_SIZE - 30 }],
    marks: [
      {
        type: "image",
        encode: { update: { ...size, url: { value: pictureOf(panel, domain) }, aspect: { value: false }, smooth: { value: false } } },
      },
    ],
  };
}

function percentilesOf(values: Float64Array): [number, number] {
  const sorted = values.filter(Number.isFinite).sort();
  return [sorted[Math.floor(0.01 * (sorted.length - 1))] ?? 0, sorted[Math.ceil(0.99 * (sorted.length - 1))] ?? 1];
}

function axesOf(
  orient: "bottom" | "left",
  scale: "x" | "y",
  title: string,
  domain: readonly [number, number],
  kind: "linear" | "log",
): vega.Axis[] {
  if (kind === "linear") return [{ orient, scale, title, tickCount: 5 }];
  const ticks = decades(domain);
  return [
    { orient, scale, values: minorTicks(domain), labels: false, tickSize: 3, domain: false },
    { orient, scale, title, values: ticks, encode: { labels: { update: { text: { signal: powerLabel(ticks) } } } } },
  ];
}

/** The map as a picture of one pixel per cell, as data URL. */
function pictureOf({ side, values }: MapPanel, [low, high]: readonly number[]): string {
  const colour = vega.scheme(MAP_COLOURS) as (share: number) => string;
  const palette = Array.from({ length: 256 }, (_, i) =>
    colour(i / 255)
      .match(/\d+/g)!
      .map(Number),
  );
  const rgba = new Uint8Array(4 * side * side);
  values.forEach((value, at) => {
    if (!Number.isFinite(value)) return;
    const share = Math.min(1, Math.max(0, (value - low!) / (high! - low!)));
    const fromTop = (side - 1 - Math.floor(at / side)) * side + (at % side);
    rgba.set([...palette[Math.round(255 * share)]!, 255], 4 * fromTop);
  });
  return `data:image/png;base64,${encodePng(side, side, rgba).toString("base64")}`;
}
