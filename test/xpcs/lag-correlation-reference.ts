/**
 * The plain correlation between lags, from the per-pixel curves of the plain correlator: obvious, slow, and written independently of the
 * native one. docs/fits.md has the definition.
 */
import { keptPixels, type ReferenceResult } from "../../src/xpcs/multitau-reference.js";

export interface LagCorrelationReference {
  /** [delays, delays] of each dynamic bin. */
  readonly correlation: readonly (readonly (readonly number[])[])[];
  /** [delays] of each dynamic bin: the standard error of g2 that goes with it. */
  readonly error: readonly (readonly number[])[];
  /** Degrees of freedom of each dynamic bin. */
  readonly freedom: readonly number[];
}

type Maps = { readonly dqmap: Int32Array; readonly sqmap: Int32Array };

/** Pixels of a tile; the order of the pixels, and with it the tiles, is by dynamic bin, static bin, pixel. */
const TILE = 512;

interface Grouping {
  /** A power of 2. */
  readonly groups: number;
  /** Group of each member. */
  readonly of: readonly number[];
}

/** Groups of a static bin whose members have these ranks, in a dynamic bin of `all` pixels, of `bins` dynamic ones. */
function groupingOf(ranks: readonly number[], all: number, bins: number): Grouping {
  const pixels = ranks.length;
  const wanted = (Math.min(128, Math.max(32, Math.floor(8192 / bins))) * pixels) / all;
  let groups = 2;
  while (groups < wanted) groups *= 2;
  while (groups > pixels) groups /= 2;
  let perTile = 8;
  while (perTile < Math.floor((groups * TILE) / pixels)) perTile *= 2;
  perTile = Math.min(perTile, groups);
  const tiles = ranks.map((rank) => Math.floor(rank / TILE));
  const of = tiles.map((tile, k) => ((k - tiles.indexOf(tile)) % perTile) + perTile * (tile % (groups / perTile)));
  return { groups, of };
}

export function lagCorrelationReference(result: ReferenceResult, { dqmap, sqmap }: Maps): LagCorrelationReference {
  const kept = keptPixels(dqmap, sqmap);
  const valid = [...dqmap.keys()].filter((p) => dqmap[p]! > 0 && sqmap[p]! > 0);
  const order = valid.sort((a, b) => dqmap[a]! - dqmap[b]! || sqmap[a]! - sqmap[b]! || a - b);
  const rank = new Map(order.map((p, at) => [p, at]));
  const bins = Array.from({ length: result.dynamicBins }, (_, q) => {
    const inBin = [...kept.keys()].filter((p) => kept[p] === 1 && dqmap[p] === q + 1);
    return oneBin(result, sqmap, inBin, (p) => rank.get(p)!);
  });
  return { correlation: bins.map((b) => b.correlation), error: bins.map((b) => b.error), freedom: bins.map((b) => b.freedom) };
}

function oneBin(result: ReferenceResult, sqmap: Int32Array, inBin: readonly number[], rankOf: (pixel: number) => number) {
  const pixels = result.G2.length / result.delays.length;
  const members = [...new Set(inBin.map((p) => sqmap[p]!))].sort((a, b) => a - b).map((s) => inBin.filter((p) => sqmap[p] === s));
  const alone = members.filter((m) => m.length === 1).length;
  const byGroups = 2 * (inBin.length - alone) >= inBin.length;
  let freedom = byGroups ? 0 : members.length - 1;
  // Rows of units (groups, or static bins) with their influence on g2 at every lag.
  const rows: number[][] = [];
  const values: number[][] = [];
  const covariance = result.delays.map(() => result.delays.map(() => 0));
  for (const m of members) {
    const n = m.length;
    const { groups, of: groupOf } = groupingOf(m.map(rankOf), inBin.length, result.dynamicBins);
    const sums = Array.from({ length: groups }, () => result.delays.map(() => 0));
    const sizes = new Array<number>(groups).fill(0);
    values.push([]);
    m.forEach((_, k) => {
      sizes[groupOf[k]!]! += 1;
    });
    result.delays.forEach((_, d) => {
      const of = (from: Float64Array, p: number): number => from[d * pixels + p]!;
      const mean = (from: Float64Array): number => m.reduce((sum, p) => sum + of(from, p), 0) / n;
      const [g, past, future] = [mean(result.G2), mean(result.IP), mean(result.IF)];
      const ratio = g / (past * future);
      values.at(-1)!.push(ratio);
      if (!Number.isFinite(ratio)) return;
      m.forEach((p, k) => {
        const expected = of(result.IP, p) / past + of(result.IF, p) / future - 1;
        sums[groupOf[k]!]![d]! += of(result.G2, p) / (past * future) - ratio * expected;
      });
    });
    if (!byGroups || n === 1) continue;
    freedom += groups - 1;
    const unbiased = 1 / (1 - sizes.reduce((sum, size) => sum + size ** 2, 0) / n ** 2);
    for (const sum of sums) rows.push(sum.map((value) => (value / n) * Math.sqrt(unbiased)));
  }
  if (!byGroups) {
    const finite = (d: number): number[] => values.map((v) => v[d]!).filter(Number.isFinite);
    const means = result.delays.map((_, d) => finite(d).reduce((a, b) => a + b, 0) / finite(d).length);
    for (const v of values) rows.push(v.map((g2, d) => (Number.isFinite(g2) ? g2 - means[d]! : 0)));
  }
  for (const row of rows) {
    row.forEach((a, i) => {
      row.forEach((b, j) => {
        covariance[i]![j]! += a * b;
      });
    });
  }
  const correlation = covariance.map((row, i) =>
    row.map((value, j) => {
      const scale = Math.sqrt(covariance[i]![i]! * covariance[j]![j]!);
      return i === j ? 1 : scale > 0 ? value / scale : 0;
    }),
  );
  const used = result.delays.map((_, d) => values.filter((v) => !Number.isNaN(v[d]!)).length);
  const error = covariance.map((row, d) => Math.sqrt(row[d]!) / used[d]!);
  return { correlation, error, freedom };
}
