/** Curves with error bars on linear or log axes, drawn by uPlot, in the colours of the page. */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { type Figure, numberText } from "./figure-svg.js";
import { KeepFigure } from "./keep-figure.js";

export interface Curve {
  readonly label: string;
  /** Of each x of the plot; null: no value. */
  readonly y: readonly (number | null)[];
  /** Half the length of each bar. */
  readonly error?: readonly (number | null)[];
  readonly kind: "points" | "line";
  /** The legend does not name it: it belongs to the points of the same colour. */
  readonly quiet?: true;
  /** Place in the palette, or a colour of CSS: a fit has that of its points. */
  readonly colour: number | string;
}

export interface PlotProps {
  readonly title: string;
  readonly x: readonly number[];
  readonly curves: readonly Curve[];
  readonly xLabel: string;
  readonly yLabel: string;
  readonly xLog?: boolean;
  readonly yLog?: boolean;
  readonly height?: number;
}

/** Distinct also for most who see few colours (Okabe and Ito). */
const PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a7600", "#7f7f7f"];
/** The same hues on a dark ground. */
const DARK_PALETTE = ["#4da3e0", "#f0813a", "#2fbf97", "#de92c0", "#f0b840", "#8fd0f7", "#bfa930", "#a6a6a6"];

const LABEL_FONT = "13px system-ui, sans-serif";
/** Of more curves a table beside the plot says which is which. */
const LEGEND_MAX = 40;

/** Whether the page is dark: canvases are drawn anew when that changes. */
const themes = matchMedia("(prefers-color-scheme: dark)");
const dark = signal(themes.matches);
themes.addEventListener("change", ({ matches }) => {
  dark.value = matches;
});

/** A colour of CSS, for the theme of the page, or for white paper. */
export function colourOf(place: number | string, paper = false): string {
  const palette = dark.value && !paper ? DARK_PALETTE : PALETTE;
  return typeof place === "string" ? place : palette[place % palette.length]!;
}

/** A colour for each of n curves: those of the palette, or for more a row from blue to red, which stand out in both themes. */
export function coloursFor(count: number): readonly (number | string)[] {
  return Array.from({ length: count }, (_, at) =>
    count <= PALETTE.length ? at : `hsl(${Math.round(250 * (1 - at / (count - 1)))} 70% 48%)`,
  );
}

/** A curve with x of its own. */
export interface CurveOnX extends Curve {
  readonly x: readonly number[];
}

/** Curves with x of their own, on one x: that of all. */
export function onOneX(curves: readonly CurveOnX[]): { x: readonly number[]; curves: readonly Curve[] } {
  const x = [...new Set(curves.flatMap((curve) => curve.x))].sort((a, b) => a - b);
  const at = new Map(x.map((value, index) => [value, index]));
  const spread = (own: readonly number[], values: readonly (number | null)[]): (number | null)[] => {
    const row = x.map((): number | null => null);
    own.forEach((value, index) => {
      row[at.get(value)!] = values[index] ?? null;
    });
    return row;
  };
  return {
    x,
    curves: curves.map(({ x: own, y, error, ...rest }) => ({
      ...rest,
      y: spread(own, y),
      ...(error === undefined ? {} : { error: spread(own, error) }),
    })),
  };
}

/** light-dark() of a variable, as canvases want it. */
function canvasColour(name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** @param latest the curves as they are when it draws */
function errorBars(latest: () => readonly Curve[]): uPlot.Plugin {
  return {
    hooks: {
      draw(plot) {
        const { ctx } = plot;
        const { left, top, width, height } = plot.bbox;
        ctx.save();
        ctx.beginPath();
        ctx.rect(left, top, width, height);
        ctx.clip();
        ctx.lineWidth = devicePixelRatio;
        latest().forEach(({ error, y, colour }, at) => {
          if (error === undefined || plot.series[at + 1]?.show === false) return;
          ctx.strokeStyle = colourOf(colour);
          ctx.beginPath();
          plot.data[0].forEach((x, point) => {
            const [value, half] = [y[point], error[point]];
            if (value === null || value === undefined || !half) return;
            const px = plot.valToPos(x, "x", true);
            // Of a log axis: down to its end.
            const low = plot.scales.y?.distr === 3 && value <= half ? (plot.scales.y.min ?? value) : value - half;
            ctx.moveTo(px, plot.valToPos(low, "y", true));
            ctx.lineTo(px, plot.valToPos(value + half, "y", true));
          });
          ctx.stroke();
        });
        ctx.restore();
      },
    },
  };
}

/** Of less than two decades of a log axis more than the powers of ten have a text. */
function logTicks(plot: uPlot, splits: number[], axis: number): (number | null)[] {
  const { min, max } = plot.scales[axis === 0 ? "x" : "y"]!;
  const isShort = min !== undefined && max !== undefined && max / min < 100;
  return splits.map((value) => {
    const mantissa = Math.round(value / 10 ** Math.floor(Math.log10(value) + 1e-9));
    return mantissa === 1 || mantissa === 10 || (isShort && [2, 3, 5, 7].includes(mantissa)) ? value : null;
  });
}

/** A little wider, so that no point lies on the frame. */
function padded(_plot: uPlot, min: number | null, max: number | null): [number | null, number | null] {
  if (min === null || max === null) return [min, max];
  const margin = 0.03 * (max - min || 1);
  return [min - margin, max + margin];
}

/** With the bars of errors, as far as they leave the points half of the height. */
function withBars(latest: () => readonly Curve[]): (plot: uPlot, min: number | null, max: number | null) => [number | null, number | null] {
  return (plot, min, max) => {
    if (min === null || max === null) return [min, max];
    let [low, high] = [min, max];
    const [first, last] = plot.series[0]?.idxs ?? [0, plot.data[0].length - 1];
    for (const { y, error } of latest())
      for (let at = first; at <= last; at += 1) {
        const [value, half] = [y[at], error?.[at]];
        if (value === null || value === undefined || !half) continue;
        low = Math.min(low, value - half);
        high = Math.max(high, value + half);
      }
    const most = (max - min || 1) / 2;
    return padded(plot, Math.max(low, min - most), Math.min(high, max + most));
  };
}

function optionsOf(
  { curves, xLabel, yLabel, xLog = false, yLog = false, height = 320 }: PlotProps,
  width: number,
  latest: () => readonly Curve[],
): uPlot.Options {
  const [text, line] = [canvasColour("--text"), canvasColour("--line")];
  const axis = (label: string, log: boolean): uPlot.Axis => ({
    ...{ label, stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line }, labelFont: LABEL_FONT },
    ...{ labelSize: 20, labelGap: 2, ...(log ? { filter: logTicks } : {}) },
    // Of a log axis some ticks have no text.
    values: (_plot, splits) => splits.map((value) => (value === null ? "" : numberText(value))),
  });
  const hasPoints = curves.some(({ kind }) => kind === "points");
  return {
    width,
    height,
    scales: {
      x: { time: false, ...(xLog ? { distr: 3 } : hasPoints ? { range: padded } : {}) },
      y: yLog ? { distr: 3 } : hasPoints ? { range: withBars(latest) } : {},
    },
    axes: [
      { ...axis(xLabel, xLog), size: 34 },
      { ...axis(yLabel, yLog), size: 58 },
    ],
    legend: { live: true, show: curves.length <= LEGEND_MAX },
    cursor: { drag: { x: true, y: true } },
    plugins: [errorBars(latest)],
    series: [
      { label: xLabel },
      ...curves.map(({ label, kind, colour, quiet }): uPlot.Series => {
        const stroke = colourOf(colour);
        const common = { label, stroke, ...(quiet === true ? { class: "quiet" } : {}) };
        return kind === "line"
          ? { ...common, width: 1.5, points: { show: false }, spanGaps: true }
          : { ...common, width: 0, paths: () => null, points: { show: true, size: 5, stroke, fill: stroke } };
      }),
    ],
  };
}

/** What is seen of a plot, zoomed as it is. */
function figureOf({ title, x, curves, xLabel, yLabel, xLog = false, yLog = false }: PlotProps, { scales, series }: uPlot): Figure {
  const axis = (name: "x" | "y", label: string, log: boolean) => ({ title: label, log, from: scales[name]!.min!, to: scales[name]!.max! });
  const drawn = curves.filter((_, at) => series[at + 1]?.show !== false);
  return {
    title,
    x: axis("x", xLabel, xLog),
    y: axis("y", yLabel, yLog),
    curves: drawn.map(({ label, kind, colour, quiet, y, error }) => ({
      ...{ label, kind, colour: colourOf(colour, true), quiet: quiet === true },
      points: x.flatMap((at, index) => {
        const value = y[index];
        return value === null || value === undefined ? [] : [{ x: at, y: value, error: error?.[index] ?? null }];
      }),
    })),
  };
}

interface Drawn {
  readonly plot: uPlot;
  /** Another needs another plot. */
  readonly shape: string;
  readonly axes: string;
  /** Somebody has zoomed in, and not shown all again. */
  isZoomed: boolean;
}

/** @param frame scales of what somebody has zoomed to, which stays as it is seen; null: all is shown */
function fill(plot: uPlot, data: uPlot.AlignedData, frame: uPlot.Scales | null): void {
  if (frame === null) {
    plot.setData(data);
    return;
  }
  const seen = ["x", "y"].map((name) => ({ name, min: frame[name]!.min!, max: frame[name]!.max! }));
  plot.batch(() => {
    plot.setData(data, false);
    for (const { name, min, max } of seen) plot.setScale(name, { min, max });
  });
}

/** One plot; its numbers as a table for those who cannot see it are the view's business. */
export function Plot(props: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<Drawn | null>(null);
  const shown = useRef<readonly Curve[]>([]);
  const { x, curves, title } = props;
  const axes = JSON.stringify([props.xLabel, props.yLabel, props.xLog, props.yLog]);
  const shape = JSON.stringify([axes, dark.value, curves.map(({ label, kind, colour }) => [label, kind, colour])]);
  useEffect(() => {
    const data = [x, ...curves.map(({ y }) => y)] as unknown as uPlot.AlignedData;
    shown.current = curves;
    const before = drawn.current;
    const frame = before?.isZoomed && before.axes === axes ? before.plot.scales : null;
    if (before?.shape === shape) {
      fill(before.plot, data, frame);
      return;
    }
    before?.plot.destroy();
    const plot = new uPlot(
      optionsOf(props, Math.max(280, box.current!.clientWidth), () => shown.current),
      data,
      box.current!,
    );
    if (frame !== null) fill(plot, data, frame);
    const now: Drawn = { plot, shape, axes, isZoomed: frame !== null };
    plot.hooks.setSelect = [
      () => {
        now.isZoomed = true;
      },
    ];
    // uPlot shows all again.
    plot.over.addEventListener("dblclick", () => {
      now.isZoomed = false;
    });
    drawn.current = now;
  });
  useEffect(() => {
    const resized = new ResizeObserver(([entry]) => {
      const plot = drawn.current?.plot;
      plot?.setSize({ width: Math.max(280, entry!.contentRect.width), height: plot.height });
    });
    resized.observe(box.current!);
    return () => {
      resized.disconnect();
      drawn.current?.plot.destroy();
      drawn.current = null;
    };
  }, []);
  return (
    <figure class="plot">
      <figcaption>
        {title}
        <KeepFigure title={title} figure={() => figureOf(props, drawn.current!.plot)} kinds={["SVG", "PNG", "CSV"]} />
      </figcaption>
      <div ref={box} role="img" aria-label={title} />
    </figure>
  );
}
