/**
 * The time that no program of this kind can beat on this machine: one streaming read of the file, and for dense data
 * the integer multiply-adds at the processor's peak. Counts operations; measures nothing itself.
 */
import { delayScheme } from "../src/xpcs/delays.js";
import type { KernelCase } from "./cases.js";
import { DELAYS_PER_LEVEL } from "./cases.js";

export interface Bound {
  readonly streamS: number;
  /** Null where photons are rare: then not every pixel and frame is multiplied. */
  readonly multiplyAddS: number | null;
  /** The larger of the two. */
  readonly boundS: number;
}

/** Above this mean most pixels have photons, and every product of a pair of frames has to be formed. */
const DENSE_MEAN = 1;
const STATIC_RINGS = 100;
const STATIC_RINGS_EACH = 5;
/** Labels that the job file asks for (native/xpcs-core/bench/write_maps.cpp). */
const TWOTIME_BINS = new Set([4, 8, 12, 16]);

/** Products of two counts that the definition asks for (docs/multitau.md). */
export function multiplyAdds(which: KernelCase): number {
  const { rows, columns, frames } = which.input;
  if (which.type === "twotime") return (twotimePixels(rows, columns) * frames * (frames + 1)) / 2;
  const perPixel = delayScheme(frames, DELAYS_PER_LEVEL).reduce(
    (sum, { level, tau }) => sum + Math.floor(frames / 2 ** level) - tau / 2 ** level,
    0,
  );
  return rows * columns * perPixel;
}

/** Pixels of the q bins of the two-time cases: the rings of the simulated maps. */
function twotimePixels(rows: number, columns: number): number {
  const largest = Math.hypot((rows - 1) / 2, (columns - 1) / 2);
  let pixels = 0;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const radius = Math.hypot(r - (rows - 1) / 2, c - (columns - 1) / 2) / largest;
      const ring = Math.min(Math.floor(radius * STATIC_RINGS), STATIC_RINGS - 1);
      if (TWOTIME_BINS.has(Math.floor(ring / STATIC_RINGS_EACH) + 1)) pixels++;
    }
  }
  return pixels;
}

/**
 * @param streamS seconds of one streaming read with the threads of the case
 * @param peak multiply-adds per second on one thread
 */
export function boundOf(which: KernelCase, streamS: number, peak: number): Bound {
  const multiplyAddS = which.input.mean >= DENSE_MEAN ? multiplyAdds(which) / (peak * which.threads) : null;
  return { streamS, multiplyAddS, boundS: Math.max(streamS, multiplyAddS ?? 0) };
}
