/** Reads the reference cases: job settings, expected results, and the frames as a dense series, without the native core. */
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import h5wasm from "h5wasm/node";

const FOLDER = join(import.meta.dirname, "../fixtures/reference");
const TWO_TIME_FOLDER = join(import.meta.dirname, "../fixtures/reference-twotime");

const casesIn = (folder: string): readonly string[] =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();

/** Multi-tau and two-time cases. */
export const CASES = casesIn(FOLDER);
export const TWO_TIME_CASES = casesIn(TWO_TIME_FOLDER);

export interface StagedCase {
  readonly folder: string;
  readonly job: string;
  readonly input: string;
  readonly expected: string;
  remove(): void;
}

/** A case unpacked into a folder of its own under the temporary directory. */
export function stageCase(name: string): StagedCase {
  const folder = mkdtempSync(join(tmpdir(), `xpcs-${name}-`));
  let input = "";
  const source = join(TWO_TIME_CASES.includes(name) ? TWO_TIME_FOLDER : FOLDER, name);
  for (const file of readdirSync(source)) {
    const from = join(source, file);
    const to = join(folder, file.replace(/\.gz$/, ""));
    if (file.endsWith(".gz")) writeFileSync(to, gunzipSync(readFileSync(from)));
    else copyFileSync(from, to);
    if (file.startsWith("input.")) input = to;
  }
  return {
    folder,
    input,
    job: join(folder, "meta.hdf"),
    expected: join(folder, "expected.hdf"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export interface NumericDataset {
  readonly shape: readonly number[];
  readonly values: Float64Array;
}

/** All numeric datasets directly in one group of an HDF5 file; `null` takes the file's only group. */
export async function readGroup(path: string, group: string | null): Promise<Map<string, NumericDataset>> {
  await h5wasm.ready;
  const file = new h5wasm.File(path, "r");
  try {
    const parent = file.get(group ?? file.keys()[0]!);
    if (!(parent instanceof h5wasm.Group)) throw new Error(`${path} has no group ${group}`);
    const found = new Map<string, NumericDataset>();
    for (const key of parent.keys()) {
      const dataset = parent.get(key);
      if (!(dataset instanceof h5wasm.Dataset)) continue;
      const numbers = asNumbers(dataset.value);
      if (numbers) found.set(key, { shape: dataset.shape ?? [], values: numbers });
    }
    return found;
  } finally {
    file.close();
  }
}

/** One numeric dataset, or null when there is none of that name. */
export async function readNumbers(path: string, name: string): Promise<NumericDataset | null> {
  await h5wasm.ready;
  const file = new h5wasm.File(path, "r");
  try {
    const dataset = file.get(name);
    if (!(dataset instanceof h5wasm.Dataset)) return null;
    const values = asNumbers(dataset.value);
    return values ? { shape: dataset.shape ?? [], values } : null;
  } finally {
    file.close();
  }
}

function asNumbers(value: unknown): Float64Array | null {
  if (typeof value === "number") return Float64Array.of(value);
  if (typeof value === "bigint") return Float64Array.of(Number(value));
  if (typeof value === "boolean") return Float64Array.of(value ? 1 : 0);
  if (ArrayBuffer.isView(value) || Array.isArray(value)) {
    const numbers = Array.from(value as unknown as ArrayLike<number | bigint>, Number);
    return numbers.every((x) => typeof x === "number") ? Float64Array.from(numbers) : null;
  }
  return null;
}

export interface DenseSeries {
  readonly frames: number;
  readonly series: Float64Array;
}

/**
 * Processed series of a plain IMM case [frames, pixels]: frame range, stride and average as in the job file.
 * No darks, flatfield or frame-sum normalisation.
 */
export function immSeries(
  input: string,
  pixels: number,
  range: { begin: number; end: number; stride: number; average: number },
): DenseSeries {
  const raw = immFrames(readFileSync(input), pixels);
  const block = range.stride * range.average;
  const frames = Math.floor((range.end - range.begin + 1) / block);
  const series = new Float64Array(frames * pixels);
  for (let i = 0; i < frames; i++) {
    for (let k = 0; k < range.average; k++) {
      const frame = raw[range.begin - 1 + i * block + k * range.stride]!;
      for (let p = 0; p < pixels; p++) series[i * pixels + p]! += frame[p]! / range.average;
    }
  }
  return { frames, series };
}

function immFrames(bytes: Buffer, pixels: number): Float64Array[] {
  const sparse = bytes.readInt32LE(4) !== 0;
  const frames: Float64Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const stored = bytes.readUInt32LE(at + 152);
    const frame = new Float64Array(pixels);
    at += 1024;
    for (let j = 0; j < stored; j++) {
      if (sparse) frame[bytes.readInt32LE(at + 4 * j)]! += bytes.readInt16LE(at + 4 * stored + 2 * j);
      else frame[j] = Math.max(0, bytes.readInt16LE(at + 2 * j));
    }
    at += stored * (sparse ? 6 : 2);
    frames.push(frame);
  }
  return frames;
}

/** Largest relative difference; both NaN agree, one NaN is infinite. Differences below `floor` count as none. */
export function worstDifference(actual: ArrayLike<number>, expected: ArrayLike<number>, floor = 0): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i]!;
    const b = expected[i]!;
    if (a === b) continue;
    if (Number.isNaN(a) !== Number.isNaN(b)) return Number.POSITIVE_INFINITY;
    const difference = Math.abs(a - b);
    if (Number.isNaN(b) || difference <= floor) continue;
    worst = Math.max(worst, difference / Math.max(Math.abs(a), Math.abs(b)));
  }
  return worst;
}
