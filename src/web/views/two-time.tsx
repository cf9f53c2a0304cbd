/** The two-time map of a q bin: zoom by the wheel, move by dragging, values under the pointer, cuts along age and lag through a chosen point. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { lagUnit } from "../../xpcs/bin-fits.js";
import { createHeatMap, type HeatMap, usualRange, type View } from "../heat-map.js";
import { place, setQuery } from "../place.js";
import { Plot } from "../plot.js";
import type { Matrix, OpenResult } from "../result.js";

const SIDE_PX = 560;
const ZOOM = 1.25;
const LEAST_SHOWN = 8;

interface Point {
  readonly t1: number;
  readonly t2: number;
}

function valueAt({ side, values }: Matrix, { t1, t2 }: Point): number {
  return values[Math.min(t1, t2) * side + Math.max(t1, t2)]!;
}

/** Shown, but never beyond the map. */
function within(side: number, view: View): View {
  const size = Math.min(side, Math.max(LEAST_SHOWN, view.size));
  const clamp = (from: number) => Math.min(side - size, Math.max(0, from));
  return { ...view, size, from: [clamp(view.from[0]), clamp(view.from[1])] };
}

/** C2 along lag at the age of a point, and along age at its lag. */
function cuts(matrix: Matrix, { t1, t2 }: Point) {
  const { side } = matrix;
  const lag = Math.abs(t2 - t1);
  const sum = t1 + t2;
  const alongLag: [number, number][] = [];
  for (let half = sum % 2; half <= sum && half <= 2 * side - 2 - sum; half += 2)
    if (half > 0) alongLag.push([half, valueAt(matrix, { t1: (sum - half) / 2, t2: (sum + half) / 2 })]);
  const alongAge = Array.from({ length: side - lag }, (_, from): [number, number] => [
    from + lag / 2,
    valueAt(matrix, { t1: from, t2: from + lag }),
  ]);
  return { lag, age: sum / 2, alongLag, alongAge };
}

function Cut({
  title,
  points,
  perFrame,
  xLabel,
  log,
}: {
  title: string;
  points: readonly [number, number][];
  perFrame: number;
  xLabel: string;
  log?: boolean;
}) {
  const y = points.map(([, value]) => (Number.isFinite(value) ? value : null));
  return (
    <Plot
      title={title}
      x={points.map(([at]) => at * perFrame)}
      curves={[{ label: "C2", kind: "points", colour: 0, y }]}
      xLabel={xLabel}
      yLabel="C2"
      xLog={log === true}
      height={240}
    />
  );
}

function MapView({
  matrix,
  perFrame,
  unit,
  picked,
  pick,
}: {
  matrix: Matrix;
  perFrame: number;
  unit: string;
  picked: Point;
  pick: (point: Point) => void;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const map = useRef<HeatMap | null>(null);
  const usual = useMemo(() => usualRange(matrix), [matrix]);
  const view = useSignal<View>({ from: [0, 0], size: matrix.side, low: usual[0], high: usual[1] });
  const under = useSignal<Point | null>(null);
  const problem = useSignal<string | null>(null);
  useEffect(() => {
    view.value = { from: [0, 0], size: matrix.side, low: usual[0], high: usual[1] };
    try {
      map.current = createHeatMap(canvas.current!, matrix);
      map.current.draw(view.value);
    } catch (error) {
      problem.value = (error as Error).message;
    }
  }, [matrix]);
  const show = (next: View) => {
    view.value = within(matrix.side, next);
    map.current?.draw(view.value);
  };
  /** The value at a place of the canvas; its first row is the oldest. */
  const pointAt = ({ clientX, clientY }: MouseEvent): Point => {
    const { left, top, width, height } = canvas.current!.getBoundingClientRect();
    const part = [(clientX - left) / width, 1 - (clientY - top) / height] as const;
    const [t1, t2] = part.map((at, axis) => Math.floor(view.value.from[axis]! + at * view.value.size)) as [number, number];
    const inside = (t: number) => Math.min(matrix.side - 1, Math.max(0, t));
    return { t1: inside(t1), t2: inside(t2) };
  };
  const zoom = (factor: number, about: Point) => {
    const { from, size } = view.value;
    const next = Math.min(matrix.side, Math.max(LEAST_SHOWN, size * factor));
    const move = (start: number, t: number) => t - ((t - start) * next) / size;
    show({ ...view.value, size: next, from: [move(from[0], about.t1), move(from[1], about.t2)] });
  };
  const grip = useRef<{ readonly x: number; readonly y: number; readonly from: View["from"]; moved: boolean } | null>(null);
  const move = (event: PointerEvent) => {
    under.value = pointAt(event);
    const held = grip.current;
    if (held === null) return;
    const perPx = view.value.size / canvas.current!.getBoundingClientRect().width;
    const [dx, dy] = [(event.clientX - held.x) * perPx, (event.clientY - held.y) * perPx];
    if (Math.abs(event.clientX - held.x) + Math.abs(event.clientY - held.y) > 3) held.moved = true;
    if (held.moved) show({ ...view.value, from: [held.from[0] - dx, held.from[1] + dy] });
  };
  const keys = (event: KeyboardEvent) => {
    const step = Math.max(1, Math.round(view.value.size / 20));
    const moves: Record<string, readonly [number, number]> = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, step],
      ArrowDown: [0, -step],
    };
    const by = moves[event.key];
    if (by !== undefined) {
      const inside = (t: number) => Math.min(matrix.side - 1, Math.max(0, t));
      pick({ t1: inside(picked.t1 + by[0]), t2: inside(picked.t2 + by[1]) });
    } else if (event.key === "+") zoom(1 / ZOOM, picked);
    else if (event.key === "-") zoom(ZOOM, picked);
    else return;
    event.preventDefault();
  };
  const shown = under.value ?? picked;
  const { low, high } = view.value;
  return (
    <div class="map">
      <canvas
        ref={canvas}
        width={SIDE_PX}
        height={SIDE_PX}
        tabIndex={0}
        role="img"
        aria-label="Two-time map. Arrow keys move the chosen point, + and - zoom."
        onPointerMove={move}
        onPointerDown={(event) => {
          canvas.current!.setPointerCapture(event.pointerId);
          grip.current = { x: event.clientX, y: event.clientY, from: view.value.from, moved: false };
        }}
        onPointerUp={(event) => {
          if (grip.current?.moved === false) pick(pointAt(event));
          grip.current = null;
        }}
        onPointerLeave={() => {
          under.value = null;
        }}
        onWheel={(event) => {
          event.preventDefault();
          zoom(event.deltaY > 0 ? ZOOM : 1 / ZOOM, pointAt(event));
        }}
        onKeyDown={keys}
      />
      {problem.value !== null && <p role="alert">{problem.value}</p>}
      <output class="value">
        t1 {(shown.t1 * perFrame).toPrecision(4)} {unit}, t2 {(shown.t2 * perFrame).toPrecision(4)} {unit}: C2 ={" "}
        {valueAt(matrix, shown).toPrecision(6)}
      </output>
      <div class="filters">
        <label for="low">Scale from</label>
        <input
          id="low"
          type="number"
          step="any"
          value={low.toPrecision(5)}
          onChange={({ currentTarget }) => show({ ...view.value, low: Number(currentTarget.value) })}
        />
        <label for="high">to</label>
        <input
          id="high"
          type="number"
          step="any"
          value={high.toPrecision(5)}
          onChange={({ currentTarget }) => show({ ...view.value, high: Number(currentTarget.value) })}
        />
        <button type="button" onClick={() => show({ from: [0, 0], size: matrix.side, low: usual[0], high: usual[1] })}>
          Whole map
        </button>
      </div>
    </div>
  );
}

/** All two-time maps of a result, one at a time. */
export function TwoTime({ open }: { open: OpenResult }) {
  const { result } = open;
  const asked = Number(place.value.query.get("c2") ?? "0");
  const chosen = result.c2.find(({ bin }) => bin.bin === asked) ?? result.c2[0]!;
  const matrix = useMemo(() => open.matrix(chosen.dataset), [open, chosen.dataset]);
  const picked = useSignal<Point>({ t1: Math.floor(matrix.side / 3), t2: Math.floor((2 * matrix.side) / 3) });
  const { perLag, unit } = lagUnit(result);
  const perFrame = perLag * result.average;
  const point = picked.value.t1 < matrix.side && picked.value.t2 < matrix.side ? picked.value : { t1: 0, t2: matrix.side - 1 };
  const { lag, age, alongLag, alongAge } = cuts(matrix, point);
  return (
    <section aria-label="Two-time">
      <h2>Two-time</h2>
      <div class="filters">
        <label for="c2">q bin</label>
        <select id="c2" value={String(chosen.bin.bin)} onChange={({ currentTarget }) => setQuery({ c2: currentTarget.value })}>
          {result.c2.map(({ bin }) => (
            <option key={bin.bin} value={String(bin.bin)}>
              {bin.bin}
              {bin.q === null ? "" : `, q ${bin.q.toPrecision(3)}`}
            </option>
          ))}
        </select>
      </div>
      <div class="pair">
        <MapView
          matrix={matrix}
          perFrame={perFrame}
          unit={unit}
          picked={point}
          pick={(next) => {
            picked.value = next;
          }}
        />
        <div>
          <Cut
            title={`At age ${(age * perFrame).toPrecision(4)} ${unit}`}
            points={alongLag}
            perFrame={perFrame}
            xLabel={`lag, ${unit}`}
            log
          />
          <Cut title={`At lag ${(lag * perFrame).toPrecision(4)} ${unit}`} points={alongAge} perFrame={perFrame} xLabel={`age, ${unit}`} />
        </div>
      </div>
    </section>
  );
}
