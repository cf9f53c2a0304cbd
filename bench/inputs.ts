/** The simulated files: made once from their seed, kept in a folder, named by what they depend on. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { InputFormat, SeriesShape } from "./cases.js";
import type { NativeTool } from "./native-tool.js";

export interface MadeInput {
  readonly path: string;
  /** Pixels with photons, over all frames. */
  readonly events: number;
  readonly bytes: number;
}

const SEED = 1;
/** Grows when the generator writes something else for the same shape. */
const GENERATION = 1;
/** Left free on the disk, so that results and others still fit. */
const SPARE_BYTES = 2e9;

const EVENT_BYTES: Readonly<Record<InputFormat, number>> = {
  "imm-sparse": 6,
  "imm-dense": 0,
  rigaku: 8,
  ufxc: 4,
  "hdf5-u8": 0,
  "hdf5-u16": 0,
  "hdf5-u32": 0,
};
const PIXEL_BYTES: Partial<Record<InputFormat, number>> = { "imm-dense": 2, "hdf5-u8": 1, "hdf5-u16": 2, "hdf5-u32": 4 };

/** Bytes that the file will have, within a few percent. */
export function expectedBytes(shape: SeriesShape): number {
  const pixels = shape.rows * shape.columns;
  const events = pixels * (1 - Math.exp(-shape.mean));
  const header = shape.format.startsWith("imm") ? 1024 : 0;
  return shape.frames * (header + events * EVENT_BYTES[shape.format] + pixels * (PIXEL_BYTES[shape.format] ?? 0));
}

/** The input of this shape: from the folder, or made now. */
export function prepareInput(tool: NativeTool, folder: string, shape: SeriesShape, say: (text: string) => void): MadeInput {
  mkdirSync(folder, { recursive: true });
  const name = `${shape.format}_${shape.rows}x${shape.columns}_${shape.frames}f_${shape.mean.toPrecision(6)}_s${SEED}g${GENERATION}`;
  const path = join(folder, name);
  const facts = `${path}.json`;
  if (!existsSync(path) || !existsSync(facts)) {
    const bytes = expectedBytes(shape);
    const disk = statfsSync(folder);
    const free = disk.bavail * disk.bsize;
    if (bytes + SPARE_BYTES > free) {
      throw new Error(`${name} needs ${megabytes(bytes)} in ${folder}, ${megabytes(free)} are free; name another folder with --data`);
    }
    say(`making ${name} (${megabytes(bytes)})`);
    const { events } = tool.make(shape, SEED, `${path}.part`);
    writeFileSync(facts, JSON.stringify({ events }));
    renameSync(`${path}.part`, path);
  }
  const { events } = JSON.parse(readFileSync(facts, "utf8")) as { events: number };
  return { path, events, bytes: statSync(path).size };
}

export function removeInput(input: MadeInput): void {
  rmSync(input.path, { force: true });
  rmSync(`${input.path}.json`, { force: true });
}

/** Bytes as text for a person. */
export function megabytes(bytes: number): string {
  return bytes < 9.95e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.round(bytes / 1e6)} MB`;
}
