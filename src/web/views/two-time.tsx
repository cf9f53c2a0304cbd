/** The two-time map of a q bin, with cuts along age and lag through the chosen point. */
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { lagUnit } from "../../xpcs/bin-fits.js";
import type { Grid } from "../levels.js";
import { MapCanvas } from "../map-canvas.js";
import { place, setQuery } from "../place.js";
import { Plot } from "../plot.js";
import type { Matrix, OpenResult } from "../result.js";

interface Point {
  readonly t1: number;
  readonly t2: number;
}

function valueAt({ side, values }: Matrix, { t1, t2 }: Point): number {
  return values[Math.min(t1, t2) * side + Math.max(t1, t2)]!;
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
  const grid = useMemo((): Grid => ({ width: matrix.side, height: matrix.side, values: matrix.values, mirrored: true }), [matrix]);
  const edge = (at: number): number => at * perFrame;
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
        <MapCanvas
          name="Two-time map"
          grid={grid}
          axes={{ x: { title: `t1, ${unit}`, value: edge }, y: { title: `t2, ${unit}`, value: edge } }}
          valueTitle="C2"
          log={false}
          say={({ x, y }) =>
            `t1 ${(x * perFrame).toPrecision(4)} ${unit}, t2 ${(y * perFrame).toPrecision(4)} ${unit}: C2 = ${valueAt(matrix, { t1: x, t2: y }).toPrecision(6)}`
          }
          picked={{ x: point.t1, y: point.t2 }}
          pick={({ x, y }) => {
            picked.value = { t1: x, t2: y };
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
