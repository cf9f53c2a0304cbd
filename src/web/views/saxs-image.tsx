/** The static image of a result in colours, with the partitions outlined, the counts and the bins under the pointer. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import type { ResultImage } from "../../xpcs/result-image.js";
import type { ResultFile } from "../../xpcs/result-layouts.js";
import type { Grid } from "../levels.js";
import { type Cell, MapCanvas } from "../map-canvas.js";
import { place, setQuery } from "../place.js";
import type { OpenResult } from "../result.js";
import { qText } from "../words.js";

const OUTLINES = { dynamic: "dynamic bins (dqmap)", static: "static bins (sqmap)", none: "none" } as const;
type Outline = keyof typeof OUTLINES;

function middleOf({ width, height, dynamic }: ResultImage): Cell {
  const first = dynamic?.findIndex((bin) => bin > 0) ?? -1;
  return first < 0 ? { x: Math.floor(width / 2), y: Math.floor(height / 2) } : { x: first % width, y: Math.floor(first / width) };
}

/** "row 40, column 32: 0.0213, q bin 2 (q 0.00806), static bin 5" */
function textOf(image: ResultImage, { bins, saxs, qUnit }: ResultFile, { x, y }: Cell): string {
  const at = y * image.width + x;
  const [dynamic, own] = [image.dynamic?.[at] ?? null, image.static?.[at] ?? null];
  const bin = dynamic === null ? undefined : bins[dynamic - 1];
  const q = own === null ? null : (saxs[own - 1]?.q ?? null);
  const parts = [
    dynamic === 0 || own === 0 ? "masked" : image.values[at]!.toPrecision(4),
    ...(dynamic ? [`q bin ${dynamic}${bin === undefined || bin.q === null ? "" : ` (${qText(bin)} ${qUnit})`}`] : []),
    ...(own ? [`static bin ${own}${q === null ? "" : ` (q ${q.toPrecision(3)})`}`] : []),
  ];
  return `row ${y}, column ${x}: ${parts.join(", ")}`;
}

/** @param children what stands beside it, and alone where the file has no image */
export function SaxsImage({ open, children }: { open: OpenResult; children: ComponentChildren }) {
  const image = useMemo(() => open.image(), [open]);
  const { query } = place.value;
  const picked = useSignal<Cell | null>(null);
  const asked = query.get("outline") ?? "";
  const outline: Outline = Object.hasOwn(OUTLINES, asked) ? (asked as Outline) : "dynamic";
  const log = query.get("saxs") !== "linear";
  const grid = useMemo((): Grid | null => {
    if (image === null) return null;
    const { width, height, values } = image;
    return { width, height, values, down: true, labels: outline === "none" ? null : image[outline] };
  }, [image, outline]);
  if (image === null || grid === null) return <div class="pair">{children}</div>;
  const edge = Math.round;
  return (
    <section aria-label="SAXS, 2D">
      <h2>SAXS, 2D</h2>
      <div class="filters">
        <label for="saxs">Scale</label>
        <select id="saxs" value={log ? "log" : "linear"} onChange={({ currentTarget }) => setQuery({ saxs: currentTarget.value })}>
          <option>log</option>
          <option>linear</option>
        </select>
        <label for="outline">Outlined</label>
        <select id="outline" value={outline} onChange={({ currentTarget }) => setQuery({ outline: currentTarget.value })}>
          {Object.entries(OUTLINES).map(([key, title]) => (
            <option key={key} value={key} disabled={key !== "none" && image[key as "dynamic" | "static"] === null}>
              {title}
            </option>
          ))}
        </select>
      </div>
      <div class="pair">
        <MapCanvas
          name="Static image"
          grid={grid}
          axes={{ x: { title: "column", value: edge }, y: { title: "row", value: edge } }}
          valueTitle="counts per pixel and frame"
          log={log}
          say={(cell) => textOf(image, open.result, cell)}
          picked={picked.value ?? middleOf(image)}
          pick={(cell) => {
            picked.value = cell;
          }}
        />
        <div>{children}</div>
      </div>
    </section>
  );
}
