/** A figure of several named lines on shared axes, as SVG text; panels side by side. Nothing is computed here. */
import type * as vega from "vega";
import { COLOURS, pageOf, rendered } from "./plot.js";

export interface NamedLine {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface LinesPanel {
  readonly title: string;
  /** Names of the axes with their units. */
  readonly xTitle: string;
  readonly yTitle: string;
  readonly xScale: "linear" | "log";
  readonly lines: readonly NamedLine[];
}

export interface LinesFigure {
  readonly title: string;
  readonly subtitle: string;
  readonly panels: readonly LinesPanel[];
}

const WIDTH = 440;
const HEIGHT = 300;

function panelMark({ title, xTitle, yTitle, xScale, lines }: LinesPanel, names: readonly string[]): vega.Mark {
  const values = lines.flatMap(({ name, points }) =>
    points.flatMap(({ x, y }) => (Number.isFinite(x) && Number.isFinite(y) && (xScale === "linear" || x > 0) ? [{ name, x, y }] : [])),
  );
  const xs = values.map(({ x }) => x);
  const low = values.length === 0 ? 1 : Math.min(...xs);
  const high = values.length === 0 ? 10 : Math.max(...xs);
  return {
    type: "group",
    title: { text: title, anchor: "start", frame: "group", fontSize: 13 },
    encode: { update: { width: { value: WIDTH }, height: { value: HEIGHT }, stroke: { value: "#bbb" } } },
    signals: [
      { name: "width", value: WIDTH },
      { name: "height", value: HEIGHT },
    ],
    data: [{ name: "lines", values }],
    scales: [
      { name: "x", type: xScale, domain: xScale === "log" ? [low, Math.max(high, 1.01 * low)] : [0, high], range: [0, WIDTH], zero: false },
      { name: "y", type: "linear", domain: { data: "lines", field: "y" }, range: [HEIGHT, 0], zero: true, nice: true },
      { name: "colour", type: "ordinal", domain: [...names], range: [...COLOURS] },
    ],
    axes: [
      { orient: "bottom", scale: "x", title: xTitle, grid: true, tickCount: 6, format: "~g" },
      { orient: "left", scale: "y", title: yTitle, grid: true, tickCount: 6 },
    ],
    marks: [
      {
        type: "group",
        from: { facet: { name: "line", data: "lines", groupby: "name" } },
        marks: [
          {
            type: "line",
            from: { data: "line" },
            encode: {
              update: {
                x: { scale: "x", field: "x" },
                y: { scale: "y", field: "y" },
                stroke: { scale: "colour", field: "name" },
                strokeWidth: { value: 1.6 },
              },
            },
          },
        ],
      },
    ],
    legends: [{ stroke: "colour", orient: "bottom-right", fillColor: "white", padding: 4, symbolType: "stroke", symbolStrokeWidth: 2 }],
  };
}

/** Renders the figure; a name has the same colour in all panels. */
export async function linesFigureSvg(figure: LinesFigure): Promise<string> {
  const names = [...new Set(figure.panels.flatMap(({ lines }) => lines.map(({ name }) => name)))];
  return rendered({
    ...pageOf(figure),
    layout: { columns: 2, padding: { row: 70, column: 70 }, bounds: "flush", align: "all" },
    marks: figure.panels.map((panel) => panelMark(panel, names)),
  });
}
