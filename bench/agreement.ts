/**
 * Whether the two programs computed the same: a fast wrong result is no result. Multi-tau is compared at the delays of
 * level 0 only, because XPCS-Eigen misses pairs at the coarser ones (docs/multitau.md); two-time by its mean over age.
 */
import h5wasm, { Dataset } from "h5wasm/node";
import { DELAYS_PER_LEVEL, type KernelCase } from "./cases.js";

/** XPCS-Eigen adds in single precision, over up to a million pixels. */
export const AGREEMENT_MAX = 1e-3;

async function values(path: string, name: string): Promise<{ readonly data: ArrayLike<number>; readonly columns: number }> {
  await h5wasm.ready;
  const file = new h5wasm.File(path, "r");
  try {
    const found = file.get(name);
    if (!(found instanceof Dataset)) throw new Error(`${path} has no ${name}: that run failed`);
    return { data: found.value as Float32Array, columns: found.shape?.[1] ?? 1 };
  } finally {
    file.close();
  }
}

/**
 * Largest relative difference of the two results, over the values that both must have right.
 */
export async function largestDifference(which: KernelCase, ours: string, theirs: string): Promise<number> {
  const name = which.type === "twotime" ? "/exchange/g2full" : "/exchange/norm-0-g2";
  const [a, b] = await Promise.all([values(ours, name), values(theirs, name)]);
  const first = which.type === "twotime" ? 1 : 0;
  const last = which.type === "twotime" ? Math.floor(which.input.frames / 2) : 2 * DELAYS_PER_LEVEL;
  let largest = 0;
  for (let j = first * a.columns; j < last * a.columns; j++) {
    const [x, y] = [a.data[j], b.data[j]];
    if (x === undefined || y === undefined) throw new Error(`${name}: the two results have different shapes`);
    largest = Math.max(largest, Math.abs(x - y) / Math.max(Math.abs(y), 1e-30));
  }
  return largest;
}
