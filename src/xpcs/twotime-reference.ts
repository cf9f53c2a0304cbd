/**
 * The plain two-time correlation: obvious, slow, dense, double precision, straight from the definitions of docs/twotime.md.
 * It defines what the native core must compute and is written independently of it; only tests run it.
 */
import type { Smoothing, SmoothingFilter } from "../core/analysis.js";
import { delayScheme } from "./delays.js";
import { keptPixels } from "./multitau-reference.js";

export interface TwoTimeInput {
  readonly frames: number;
  readonly pixels: number;
  /** Value of each pixel in each frame [frames, pixels], after frame-sum normalisation; 0 where nothing was counted. */
  readonly series: Float64Array;
  /** The same before frame-sum normalisation: photons, in units of 1 / average. */
  readonly counted: Float64Array;
  /** Dynamic and static partition of each pixel, 1-based; 0 or less = masked. */
  readonly dqmap: Int32Array;
  readonly sqmap: Int32Array;
  /** Dynamic bins, ascending. */
  readonly bins: readonly number[];
  readonly smoothing: Smoothing;
  readonly filter: SmoothingFilter;
  /** Frames of one row of g2partials. */
  readonly window: number;
  /** Frames that were averaged into one (default 1). */
  readonly average?: number;
}

export interface TwoTimeReference {
  /** Rows [frames] or [1] of what was divided by. */
  readonly sg: readonly Float64Array[];
  /** Per bin [frames, frames]; 0 left of the diagonal. */
  readonly c2: readonly Float64Array[];
  /** [frames, bins] */
  readonly g2full: Float64Array;
  /** [window, J, bins] */
  readonly g2partials: Float64Array;
  /** [floor(frames / 5), 5, bins] */
  readonly g2segments: Float64Array;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Correlates a dense series. */
export function twoTimeReference(input: TwoTimeInput): TwoTimeReference {
  const sg: Float64Array[] = [];
  const c2 = input.bins.map((bin) => {
    const members = pixelsOf(input, bin);
    const normalised = new Map<number, Float64Array>();
    for (const group of groupsOf(input, members)) {
      const by = normaliser(input, group);
      sg.push(input.filter === "average" ? by.slice(0, 1) : by);
      const guarded = isBoost(input.smoothing) ? by.map((value) => (value > 0 ? value : 1)) : by;
      for (const p of group)
        normalised.set(
          p,
          guarded.map((value, t) => (value === 0 ? 0 : valueAt(input, t, p) / value)),
        );
    }
    return correlate(input, members, normalised);
  });
  return { sg, c2, ...curves(input, c2) };
}

const valueAt = (input: TwoTimeInput, t: number, p: number): number => input.series[t * input.pixels + p]!;
const isBoost = (smoothing: Smoothing): boolean => smoothing === "sqmap" || smoothing === "dqmap";

function pixelsOf(input: TwoTimeInput, bin: number): number[] {
  const kept = keptPixels(input.dqmap, input.sqmap);
  return [...kept.keys()].filter((p) => kept[p] === 1 && input.dqmap[p] === bin);
}

/** The pixels that are normalised together: the bin, or each of its static bins in order of label. */
function groupsOf({ smoothing, sqmap }: TwoTimeInput, members: readonly number[]): number[][] {
  if (smoothing !== "staticmap" && smoothing !== "sqmap") return [[...members]];
  const labels = [...new Set(members.map((p) => sqmap[p]!))].sort((a, b) => a - b);
  return labels.map((label) => members.filter((p) => sqmap[p] === label));
}

/** What each frame is divided by [frames]. */
function normaliser(input: TwoTimeInput, group: readonly number[]): Float64Array<ArrayBuffer> {
  const { frames, smoothing, filter, average = 1 } = input;
  const means = Float64Array.from({ length: frames }, (_, t) => mean(group.map((p) => valueAt(input, t, p))));
  const overall = mean([...means]);
  if (filter === "average") return means.fill(overall);
  const photons = mean(Array.from(means, (_, t) => group.reduce((sum, p) => sum + input.counted[t * input.pixels + p]!, 0))) * average;
  if (smoothing !== "none" || photons >= 20) return means;
  // Few photons: the mean of an odd window that holds 1000, as far as the series reaches.
  const wanted = 1000 / photons;
  const half = photons > 0 && wanted < frames ? Math.floor(wanted / 2) : frames;
  return means.map((_, t) => mean([...means.subarray(Math.max(0, t - half), t + half + 1)]));
}

function correlate(
  { frames, smoothing }: TwoTimeInput,
  members: readonly number[],
  normalised: ReadonlyMap<number, Float64Array>,
): Float64Array {
  const at = (t: number, p: number): number => normalised.get(p)![t]!;
  const sums = Array.from({ length: frames }, (_, t) => members.reduce((sum, p) => sum + at(t, p), 0)).map((s) => (s > 0 ? s : 1));
  const c2 = new Float64Array(frames * frames);
  for (let t1 = 0; t1 < frames; t1++) {
    for (let t2 = t1; t2 < frames; t2++) {
      const product = members.reduce((sum, p) => sum + at(t1, p) * at(t2, p), 0);
      c2[t1 * frames + t2] = isBoost(smoothing) ? (product * members.length) / (sums[t1]! * sums[t2]!) : product / members.length;
    }
  }
  return c2;
}

/** Means along the diagonals: of the whole matrix, of windows of rows, of five blocks. */
function curves({ frames, window, bins }: TwoTimeInput, c2: readonly Float64Array[]): Omit<TwoTimeReference, "sg" | "c2"> {
  const partials = Math.max(0, Math.floor(frames / window) - 1);
  const segment = Math.floor(frames / 5);
  const g2full = new Float64Array(frames * bins.length);
  const g2partials = new Float64Array(window * partials * bins.length);
  const g2segments = new Float64Array(segment * 5 * bins.length);
  /** Mean of C2(t, t + lag) for t in [from, end). */
  const along = (matrix: Float64Array, lag: number, from: number, end: number): number => {
    let sum = 0;
    for (let t = from; t < end; t++) sum += matrix[t * frames + t + lag]!;
    return sum / (end - from);
  };
  c2.forEach((matrix, b) => {
    const B = bins.length;
    for (let k = 0; k < frames; k++) g2full[k * B + b] = along(matrix, k, 0, frames - k);
    for (let j = 0; j < partials; j++)
      for (let k = 0; k < window; k++) g2partials[(k * partials + j) * B + b] = along(matrix, k, j * window, (j + 1) * window);
    for (let s = 0; s < 5; s++)
      for (let k = 0; k < segment; k++) g2segments[(k * 5 + s) * B + b] = along(matrix, k, s * segment, (s + 1) * segment - k);
  });
  return { g2full, g2partials, g2segments };
}

export interface MultitauTwoTimeReference {
  /** Per delay: lag and block length in frames, and the block means by age. */
  readonly delays: readonly { readonly lag: number; readonly block: number; readonly values: readonly number[] }[];
  readonly ageEdges: readonly number[];
  /** [ages, delays]; NaN where there is no value. */
  readonly byAge: Float64Array;
}

/** The multi-tau two-time correlation, from the whole matrix [frames, frames]: means over blocks, and these by age. */
export function multitauTwoTimeReference(c2: Float64Array, frames: number, dpl: number): MultitauTwoTimeReference {
  const delays = delayScheme(frames, dpl).map(({ level, tau }) => {
    const block = 2 ** level;
    const values: number[] = [];
    for (let first = 0; first + tau + block <= Math.floor(frames / block) * block; first += block) {
      const inside: number[] = [];
      for (let a = first; a < first + block; a++) for (let b = first + tau; b < first + tau + block; b++) inside.push(c2[a * frames + b]!);
      values.push(mean(inside));
    }
    return { lag: tau, block, values };
  });
  const ageEdges = [0];
  for (let width = 1; ageEdges.at(-1)! < frames; width *= 2)
    for (let k = 0; k < (width === 1 ? 2 * dpl : dpl) && ageEdges.at(-1)! < frames; k++) ageEdges.push(ageEdges.at(-1)! + width);
  const byAge = new Float64Array((ageEdges.length - 1) * delays.length).fill(Number.NaN);
  delays.forEach(({ lag, block, values }, d) => {
    for (let a = 0; a + 1 < ageEdges.length; a++) {
      // The middle of the frames of both blocks.
      const inside = values.filter((_, i) => {
        const age = (i * block + (i * block + lag + block)) / 2;
        return age >= ageEdges[a]! && age < ageEdges[a + 1]!;
      });
      if (inside.length > 0) byAge[a * delays.length + d] = mean(inside);
    }
  });
  return { delays, ageEdges, byAge };
}
