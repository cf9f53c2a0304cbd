/** Curves with error bars on linear or log axes, drawn by uPlot, in the colours of the page. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

export interface Curve {
  readonly label: string;
  /** Of each x of the plot; null: no value. */
  readonly y: readonly (number | null)[];
  /** Half the length of each bar. */
  readonly error?: readonly (number | null)[];
  readonly kind: "points" | "line";
  /** Place in the palette: a fit has that of its points. */
  readonly colour: number;
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

/** Colour of a place in the palette. */
export function colourOf(place: number): string {
  return PALETTE[place % PALETTE.length]!;
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
        ctx.save();
        ctx.lineWidth = devicePixelRatio;
        latest().forEach(({ error, y, colour }, at) => {
          if (error === undefined || plot.series[at + 1]?.show === false) return;
          ctx.strokeStyle = colourOf(colour);
          ctx.beginPath();
          plot.data[0].forEach((x, point) => {
            const [value, half] = [y[point], error[point]];
            if (value === null || value === undefined || !half) return;
            const px = plot.valToPos(x, "x", true);
            ctx.moveTo(px, plot.valToPos(value - half, "y", true));
            ctx.lineTo(px, plot.valToPos(value + half, "y", true));
          });
          ctx.stroke();
        });
        ctx.restore();
      },
    },
  };
}

/** Of a log axis some ticks have no text. */
function tickText(value: number | null): string {
  if (value === null) return "";
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e7) ? value.toExponential().replace("e+", "e") : String(Number(value.toPrecision(10)));
}

function optionsOf(
  { curves, xLabel, yLabel, xLog = false, yLog = false, height = 320 }: PlotProps,
  width: number,
  latest: () => readonly Curve[],
): uPlot.Options {
  const [text, line] = [canvasColour("--text"), canvasColour("--line")];
  const axis = (label: string): uPlot.Axis => ({
    ...{ label, stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line } },
    values: (_plot, splits) => splits.map(tickText),
  });
  return {
    width,
    height,
    scales: { x: { time: false, ...(xLog ? { distr: 3 } : {}) }, y: yLog ? { distr: 3 } : {} },
    axes: [axis(xLabel), { ...axis(yLabel), size: 70 }],
    legend: { live: true },
    cursor: { drag: { x: true, y: true } },
    plugins: [errorBars(latest)],
    series: [
      { label: xLabel },
      ...curves.map(({ label, kind, colour }): uPlot.Series => {
        const stroke = colourOf(colour);
        return kind === "line"
          ? { label, stroke, width: 1.5, points: { show: false }, spanGaps: true }
          : { label, stroke, width: 0, paths: () => null, points: { show: true, size: 5, stroke, fill: stroke } };
      }),
    ],
  };
}

/** One plot; its numbers as a table for those who cannot see it are the view's business. */
export function Plot(props: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<{ plot: uPlot; shape: string } | null>(null);
  const shown = useRef<readonly Curve[]>([]);
  const { x, curves, title } = props;
  const shape = JSON.stringify([
    props.xLabel,
    props.yLabel,
    props.xLog,
    props.yLog,
    curves.map(({ label, kind, colour }) => [label, kind, colour]),
  ]);
  useEffect(() => {
    const data = [x, ...curves.map(({ y }) => y)] as unknown as uPlot.AlignedData;
    shown.current = curves;
    if (drawn.current?.shape === shape) {
      drawn.current.plot.setData(data);
      return;
    }
    drawn.current?.plot.destroy();
    const plot = new uPlot(
      optionsOf(props, Math.max(280, box.current!.clientWidth), () => shown.current),
      data,
      box.current!,
    );
    drawn.current = { plot, shape };
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
      <figcaption>{title}</figcaption>
      <div ref={box} role="img" aria-label={title} />
    </figure>
  );
}
