/** A map in colours that is zoomed by the wheel, keys and buttons, moved by dragging, and read under the pointer; with its axes and colour scale. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { messageOf } from "./api.js";
import { type Figure, numberText } from "./figure-svg.js";
import { createHeatMap, type HeatMap, SCALE_CSS, usualRange, type View } from "./heat-map.js";
import { KeepFigure } from "./keep-figure.js";
import type { Grid } from "./levels.js";

export interface Cell {
  readonly x: number;
  readonly y: number;
}

export interface MapAxis {
  readonly title: string;
  /** Of an edge between values, from 0, in the unit of the axis. */
  readonly value: (edge: number) => number;
}

interface MapProps {
  /** What it is, for those who do not see it. */
  readonly name: string;
  readonly grid: Grid;
  readonly axes: { readonly x: MapAxis; readonly y: MapAxis };
  readonly valueTitle: string;
  readonly log: boolean;
  /** Of the values under the pointer, or else of the chosen ones. */
  readonly say: (cell: Cell) => string;
  readonly picked: Cell;
  readonly pick: (cell: Cell) => void;
}

const ZOOM = 1.25;
const LEAST_SHOWN = 8;
/** Pixels along the longer side of the canvas. */
const PIXELS_MAX = 1_600;

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(low, high), Math.max(low, value));

/** Shown, but never beyond the grid, and with its proportions. */
function within({ width, height }: Grid, view: View): View {
  const part = clamp(view.size[0] / width, Math.min(1, LEAST_SHOWN / Math.min(width, height)), 1);
  const size = [part * width, part * height] as const;
  return { ...view, size, from: [clamp(view.from[0], 0, width - size[0]), clamp(view.from[1], 0, height - size[1])] };
}

function Ends({ axis, from, to, kind }: { axis: MapAxis; from: number; to: number; kind: "x" | "y" }) {
  return (
    <div class={`ends ${kind}`}>
      <span>{numberText(Number(axis.value(from).toPrecision(4)))}</span>
      <span>{axis.title}</span>
      <span>{numberText(Number(axis.value(to).toPrecision(4)))}</span>
    </div>
  );
}

interface ScaleProps {
  readonly view: View;
  readonly title: string;
  readonly show: (part: Partial<View>) => void;
  readonly whole: () => void;
  readonly children: ComponentChildren;
}

function Scale({ view, title, show, whole, children }: ScaleProps) {
  const end = (id: "low" | "high", label: string) => (
    <input
      id={id}
      aria-label={label}
      type="number"
      step="any"
      value={Number(view[id].toPrecision(4))}
      onChange={({ currentTarget }) => show({ [id]: Number(currentTarget.value) })}
    />
  );
  return (
    <>
      <div class="filters scale">
        {end("low", "Scale from")}
        <span class="colours" style={{ background: `linear-gradient(to right, ${SCALE_CSS.join(", ")})` }} />
        {end("high", "Scale to")}
        <span class="muted">{title}</span>
      </div>
      <div class="filters">
        <button type="button" aria-label="Zoom in" onClick={() => show({ size: [view.size[0] / ZOOM, view.size[1] / ZOOM] })}>
          +
        </button>
        <button type="button" aria-label="Zoom out" onClick={() => show({ size: [view.size[0] * ZOOM, view.size[1] * ZOOM] })}>
          −
        </button>
        <button type="button" onClick={whole}>
          Whole map
        </button>
        {children}
      </div>
    </>
  );
}

/** The map and what belongs to it. */
export function MapCanvas({ name, grid, axes, valueTitle, log, say, picked, pick }: MapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const map = useRef<HeatMap | null>(null);
  const drawing = useRef<number | null>(null);
  const usual = useMemo(() => usualRange(grid, log || grid.mirrored !== true), [grid.values, log]);
  const whole: View = { from: [0, 0], size: [grid.width, grid.height], low: usual[0], high: usual[1], log };
  const view = useSignal<View>(whole);
  const under = useSignal<Cell | null>(null);
  const problem = useSignal<string | null>(null);
  // Once per frame of the screen, however often the pointer tells.
  const draw = () => {
    drawing.current ??= requestAnimationFrame(() => {
      drawing.current = null;
      map.current?.draw(view.peek());
    });
  };
  const show = (part: Partial<View>) => {
    const { from, size } = view.value;
    const next = { ...view.value, ...part };
    // About the middle, unless the place is told.
    if (part.size !== undefined && part.from === undefined)
      next.from = [from[0] + (size[0] - part.size[0]) / 2, from[1] + (size[1] - part.size[1]) / 2];
    view.value = within(grid, next);
    draw();
  };
  useEffect(() => {
    const element = canvas.current!;
    try {
      map.current = createHeatMap(element);
    } catch (error) {
      problem.value = messageOf(error);
    }
    const resized = new ResizeObserver(() => {
      const scale = Math.min(devicePixelRatio, PIXELS_MAX / Math.max(element.clientWidth, element.clientHeight, 1));
      element.width = Math.max(1, Math.round(element.clientWidth * scale));
      element.height = Math.max(1, Math.round(element.clientHeight * scale));
      map.current?.draw(view.peek());
    });
    resized.observe(element);
    return () => {
      resized.disconnect();
      if (drawing.current !== null) cancelAnimationFrame(drawing.current);
      map.current?.free();
      map.current = null;
    };
  }, []);
  useEffect(() => {
    map.current?.load(grid);
    // Of another bin, or with other outlines, the same part.
    view.value = within(grid, view.peek());
    draw();
  }, [grid]);
  useEffect(() => {
    view.value = { ...view.peek(), low: usual[0], high: usual[1], log };
    draw();
  }, [usual]);
  const inside = (cell: Cell): Cell => ({ x: clamp(cell.x, 0, grid.width - 1), y: clamp(cell.y, 0, grid.height - 1) });
  const cellAt = ({ clientX, clientY }: MouseEvent): Cell => {
    const { left, top, width, height } = canvas.current!.getBoundingClientRect();
    const down = (clientY - top) / height;
    const { from, size } = view.value;
    return inside({
      x: Math.floor(from[0] + ((clientX - left) / width) * size[0]),
      y: Math.floor(from[1] + (grid.down === true ? down : 1 - down) * size[1]),
    });
  };
  const zoom = (factor: number, about: Cell) => {
    const { from, size } = view.value;
    const next = within(grid, { ...view.value, size: [size[0] * factor, size[1] * factor] }).size;
    const move = (axis: 0 | 1, at: number) => at - ((at - from[axis]) * next[axis]) / size[axis];
    show({ size: next, from: [move(0, about.x), move(1, about.y)] });
  };
  const grip = useRef<{ readonly x: number; readonly y: number; readonly from: View["from"]; moved: boolean } | null>(null);
  const move = (event: PointerEvent) => {
    under.value = cellAt(event);
    const held = grip.current;
    if (held === null) return;
    const perPx = view.value.size[0] / canvas.current!.getBoundingClientRect().width;
    const [dx, dy] = [(event.clientX - held.x) * perPx, (event.clientY - held.y) * perPx];
    if (Math.abs(event.clientX - held.x) + Math.abs(event.clientY - held.y) > 3) held.moved = true;
    if (held.moved) show({ from: [held.from[0] - dx, held.from[1] + (grid.down === true ? -dy : dy)] });
  };
  const keys = (event: KeyboardEvent) => {
    const step = Math.max(1, Math.round(view.value.size[0] / 20));
    const up = grid.down === true ? -step : step;
    const moves: Record<string, readonly [number, number]> = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, up],
      ArrowDown: [0, -up],
    };
    const by = moves[event.key];
    if (by !== undefined) {
      under.value = null;
      pick(inside({ x: picked.x + by[0], y: picked.y + by[1] }));
    } else if (event.key === "+") zoom(1 / ZOOM, picked);
    else if (event.key === "-") zoom(ZOOM, picked);
    else return;
    event.preventDefault();
  };
  const { from, size } = view.value;
  const part = [(picked.x + 0.5 - from[0]) / size[0], (picked.y + 0.5 - from[1]) / size[1]] as const;
  const isSeen = part.every((at) => at >= 0 && at <= 1);
  const markAt = {
    left: `${100 * part[0]}%`,
    top: `${100 * (grid.down === true ? part[1] : 1 - part[1])}%`,
    visibility: isSeen ? "visible" : "hidden",
  };
  const [y0, y1] = grid.down === true ? [from[1] + size[1], from[1]] : [from[1], from[1] + size[1]];
  const figure = (): Figure => {
    // The last drawing may still be to come.
    map.current?.draw(view.peek());
    const edges = (axis: MapAxis, from: number, to: number) => ({
      title: axis.title,
      log: false,
      from: axis.value(from),
      to: axis.value(to),
    });
    const { low, high } = view.peek();
    return {
      title: name,
      x: edges(axes.x, from[0], from[0] + size[0]),
      y: edges(axes.y, y0, y1),
      curves: [],
      picture: {
        ...{ href: canvas.current!.toDataURL("image/png"), aspect: grid.width / grid.height, colours: SCALE_CSS },
        ...{ title: `${valueTitle}${log ? ", log scale" : ""}`, low, high },
      },
    };
  };
  return (
    <div class="map">
      <div class="framed">
        <Ends axis={axes.y} from={y0} to={y1} kind="y" />
        <div class="ground">
          <canvas
            ref={canvas}
            style={{ aspectRatio: `${grid.width} / ${grid.height}` }}
            tabIndex={0}
            role="img"
            aria-label={`${name}. Arrow keys move the chosen point, + and - zoom.`}
            onPointerMove={move}
            onPointerDown={(event) => {
              canvas.current!.setPointerCapture(event.pointerId);
              grip.current = { x: event.clientX, y: event.clientY, from: view.value.from, moved: false };
            }}
            onPointerUp={(event) => {
              if (grip.current?.moved === false) pick(cellAt(event));
              grip.current = null;
            }}
            onPointerLeave={() => {
              under.value = null;
            }}
            onWheel={(event) => {
              event.preventDefault();
              zoom(event.deltaY > 0 ? ZOOM : 1 / ZOOM, cellAt(event));
            }}
            onKeyDown={keys}
          />
          <span class="mark" style={markAt} />
        </div>
        <Ends axis={axes.x} from={from[0]} to={from[0] + size[0]} kind="x" />
      </div>
      {problem.value !== null && <p role="alert">{problem.value}</p>}
      <output class="value">{say(under.value ?? picked)}</output>
      <Scale view={view.value} title={valueTitle} show={show} whole={() => show(whole)}>
        <KeepFigure title={name} figure={figure} kinds={["SVG", "PNG"]} />
      </Scale>
    </div>
  );
}
