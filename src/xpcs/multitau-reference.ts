/**
 * The plain multi-tau correlation: obvious, slow, dense, double precision. It defines what the native core must compute
 * and is written independently of it; only tests run it. Symmetric normalisation, averages over the pixels of each static
 * partition first, then the unweighted mean of the static partitions of a dynamic one (docs/multitau.md).
 */
import { type Delay, delayScheme } from "./delays.js";

/** Photon pairs below which a value has no standard error; a whole number of pairs that was summed in fractions is not missed. */
const PAIRS_FOR_ERROR = 20 - 1e-9;

export interface ReferenceInput {
  readonly frames: number;
  readonly pixels: number;
  /** Value of each pixel in each frame [frames, pixels]; 0 where nothing was counted. */
  readonly series: Float64Array;
  /** Dynamic and static partition of each pixel, 1-based; 0 or less = masked. */
  readonly dqmap: Int32Array;
  readonly sqmap: Int32Array;
  readonly dpl: number;
}

export interface ReferenceResult {
  readonly delays: readonly Delay[];
  /** [delays, pixels]; 0 outside the partitions. */
  readonly G2: Float64Array;
  readonly IP: Float64Array;
  readonly IF: Float64Array;
  readonly dynamicBins: number;
  readonly staticBins: number;
  /** [delays, dynamicBins] */
  readonly g2: Float64Array;
  readonly stderr: Float64Array;
  /** [delays, dynamicBins] from the pixels' influence on g2; NaN below 20 photon pairs. */
  readonly influenceError: Float64Array;
  /** [delays, dynamicBins] sums of the products of counts. */
  readonly pairs: Float64Array;
  /** [staticBins], counts per pixel and frame. */
  readonly partitionMean: Float64Array;
  /** [pixels], counts per frame. */
  readonly pixelMean: Float64Array;
  /** [frames], counts of the valid pixels / all pixels. */
  readonly frameMean: Float64Array;
}

/** Correlates a dense series. */
export function correlateReference(input: ReferenceInput): ReferenceResult {
  const { frames, pixels, dqmap, sqmap } = input;
  const delays = delayScheme(frames, input.dpl);
  const kept = keptPixels(dqmap, sqmap);
  const G2 = new Float64Array(delays.length * pixels);
  const IP = new Float64Array(delays.length * pixels);
  const IF = new Float64Array(delays.length * pixels);
  for (let p = 0; p < pixels; p++) {
    if (!kept[p]) continue;
    let values = Float64Array.from({ length: frames }, (_, i) => input.series[i * pixels + p]!);
    let level = 0;
    delays.forEach((delay, d) => {
      for (; level < delay.level; level++) values = halve(values);
      const moments = lagMoments(values, delay.tau / 2 ** level);
      G2[d * pixels + p] = moments.product;
      IP[d * pixels + p] = moments.past;
      IF[d * pixels + p] = moments.future;
    });
  }
  const dynamicBins = dqmap.reduce((a, b, p) => (sqmap[p]! >= 1 ? Math.max(a, b) : a), 0);
  const staticBins = sqmap.reduce((a, b, p) => (dqmap[p]! >= 1 ? Math.max(a, b) : a), 0);
  const g2 = new Float64Array(delays.length * dynamicBins);
  const stderr = new Float64Array(delays.length * dynamicBins);
  const influenceError = new Float64Array(delays.length * dynamicBins);
  const pairs = new Float64Array(delays.length * dynamicBins);
  for (const [d, { level, tau }] of delays.entries()) {
    const at = d * pixels;
    const products = Math.floor(frames / 2 ** level) - tau / 2 ** level;
    const moments = { G2: G2.subarray(at, at + pixels), IP: IP.subarray(at, at + pixels), IF: IF.subarray(at, at + pixels) };
    for (let q = 1; q <= dynamicBins; q++) {
      const inBin = [...kept.keys()].filter((p) => kept[p] === 1 && dqmap[p] === q);
      const value = d * dynamicBins + q - 1;
      g2[value] = normalizedG2(moments, inBin, sqmap);
      stderr[value] = pixelSpreadError(moments, inBin);
      pairs[value] = inBin.reduce((sum, p) => sum + moments.G2[p]! * products * 4 ** level, 0);
      influenceError[value] = pairs[value]! < PAIRS_FOR_ERROR ? Number.NaN : influenceErrorOf(moments, inBin, sqmap);
    }
  }
  return { delays, G2, IP, IF, dynamicBins, staticBins, g2, stderr, influenceError, pairs, ...staticOutputs(input, staticBins) };
}

/** Means of neighbouring pairs; an odd last value is dropped. */
function halve(values: Float64Array): Float64Array<ArrayBuffer> {
  return Float64Array.from({ length: Math.floor(values.length / 2) }, (_, i) => (values[2 * i]! + values[2 * i + 1]!) / 2);
}

function lagMoments(values: Float64Array, lag: number): { product: number; past: number; future: number } {
  const n = values.length - lag;
  let product = 0;
  let past = 0;
  let future = 0;
  for (let i = 0; i < n; i++) {
    product += values[i]! * values[i + lag]!;
    past += values[i]!;
    future += values[i + lag]!;
  }
  return { product: product / n, past: past / n, future: future / n };
}

/**
 * 1 for each pixel that is correlated [pixels]. Of a static bin that lies in several dynamic bins only the pixels of the
 * dynamic bin that holds most of them are kept (of the lowest at a tie): the rule of XPCS-Eigen.
 */
export function keptPixels(dqmap: Int32Array, sqmap: Int32Array): Uint8Array {
  const members = new Map<number, Map<number, number>>();
  dqmap.forEach((q, p) => {
    const s = sqmap[p]!;
    if (q < 1 || s < 1) return;
    const counts = members.get(s) ?? new Map<number, number>();
    counts.set(q, (counts.get(q) ?? 0) + 1);
    members.set(s, counts);
  });
  const home = new Map<number, number>();
  for (const [s, counts] of members) home.set(s, [...counts].sort(([q1, n1], [q2, n2]) => n2 - n1 || q1 - q2)[0]![0]);
  return Uint8Array.from(dqmap, (q, p) => (q >= 1 && sqmap[p]! >= 1 && home.get(sqmap[p]!) === q ? 1 : 0));
}

interface Moments {
  readonly G2: Float64Array;
  readonly IP: Float64Array;
  readonly IF: Float64Array;
}

/** Mean over the static partitions of <G2> / (<IP> <IF>); partitions without photons are left out; NaN when all are. */
function normalizedG2(moments: Moments, inBin: readonly number[], sqmap: Int32Array): number {
  let sum = 0;
  let used = 0;
  for (const s of new Set(inBin.map((p) => sqmap[p]!))) {
    const members = inBin.filter((p) => sqmap[p] === s);
    const mean = (values: Float64Array): number => members.reduce((total, p) => total + values[p]!, 0) / members.length;
    const ratio = mean(moments.G2) / (mean(moments.IP) * mean(moments.IF));
    if (Number.isNaN(ratio)) continue;
    sum += ratio;
    used++;
  }
  return used === 0 ? Number.NaN : sum / used;
}

/** Population standard deviation of G2 / (IP IF) over the pixels of a bin / sqrt(pixels); a pixel without photons counts as 0. */
function pixelSpreadError(moments: Moments, inBin: readonly number[]): number {
  const ratios = inBin.map((p) => {
    const ratio = moments.G2[p]! / (moments.IP[p]! * moments.IF[p]!);
    return Number.isNaN(ratio) ? 0 : ratio;
  });
  const mean = ratios.reduce((a, b) => a + b, 0) / ratios.length;
  const variance = ratios.reduce((a, b) => a + (b - mean) ** 2, 0) / ratios.length;
  return Math.sqrt(variance / ratios.length);
}

/**
 * Delta method for a mean of ratios of means: the influence of pixel i on <G2> / (<IP> <IF>) of its static partition is what g2
 * changes by when i alone gets more weight. Where a partition has one pixel, the partitions are the units instead.
 */
function influenceErrorOf(moments: Moments, inBin: readonly number[], sqmap: Int32Array): number {
  const ratios: number[] = [];
  let variance = 0;
  let alone = false;
  for (const s of new Set(inBin.map((p) => sqmap[p]!))) {
    const members = inBin.filter((p) => sqmap[p] === s);
    const n = members.length;
    const mean = (values: Float64Array): number => members.reduce((total, p) => total + values[p]!, 0) / n;
    const [g, past, future] = [mean(moments.G2), mean(moments.IP), mean(moments.IF)];
    const ratio = g / (past * future);
    if (Number.isNaN(ratio)) continue;
    if (!Number.isFinite(ratio)) return Number.NaN;
    ratios.push(ratio);
    alone ||= n === 1;
    for (const p of members) {
      const influence = (moments.G2[p]! - ratio * (moments.IP[p]! * future + moments.IF[p]! * past - past * future)) / (past * future);
      variance += influence ** 2 / (n * (n - 1));
    }
  }
  const units = ratios.length;
  if (!alone) return Math.sqrt(variance) / units;
  const mean = ratios.reduce((a, b) => a + b, 0) / units;
  return Math.sqrt(ratios.reduce((a, b) => a + (b - mean) ** 2, 0) / (units * (units - 1)));
}

/** Time and space averages over all valid pixels, also those that are not correlated; masked pixels count as 0. */
function staticOutputs(
  input: ReferenceInput,
  staticBins: number,
): { partitionMean: Float64Array; pixelMean: Float64Array; frameMean: Float64Array } {
  const { frames, pixels, series, dqmap, sqmap } = input;
  const pixelMean = new Float64Array(pixels);
  const frameMean = new Float64Array(frames);
  for (let i = 0; i < frames; i++) {
    for (let p = 0; p < pixels; p++) {
      if (dqmap[p]! < 1 || sqmap[p]! < 1) continue;
      pixelMean[p]! += series[i * pixels + p]! / frames;
      frameMean[i]! += series[i * pixels + p]! / pixels;
    }
  }
  const partitionMean = Float64Array.from({ length: staticBins }, (_, s) => {
    let sum = 0;
    let members = 0;
    for (let p = 0; p < pixels; p++) {
      if (dqmap[p]! < 1 || sqmap[p] !== s + 1) continue;
      sum += pixelMean[p]!;
      members++;
    }
    return sum / members;
  });
  return { partitionMean, pixelMean, frameMean };
}
