/**
 * Chance that can be repeated: numbers drawn from names, not from a sequence, so that the same job has the same luck at the same site whatever the policy
 * did before. Two runs that differ in the policy alone then differ by the policy alone.
 */

/** One of the numbers 0 to 2^32 - 1, well mixed (the finaliser of MurmurHash3). */
function mixed(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A number of its own for a name. */
export function stream(name: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return mixed(hash);
}

/** Uniform in (0, 1): the `draw`-th number of a job in a stream. */
export function uniformOf(seed: number, streamId: number, job: number, draw = 0): number {
  const a = mixed(seed ^ Math.imul(streamId, 0x9e3779b1));
  const b = mixed(a ^ Math.imul(job + 1, 0x27d4eb2f));
  const c = mixed(b ^ Math.imul(draw + 1, 0x165667b1));
  return (c + 0.5) / 4_294_967_296;
}

/** Standard normal, by Box and Muller. */
export function normalOf(seed: number, streamId: number, job: number, draw = 0): number {
  const radius = Math.sqrt(-2 * Math.log(uniformOf(seed, streamId, job, 2 * draw)));
  return radius * Math.cos(2 * Math.PI * uniformOf(seed, streamId, job, 2 * draw + 1));
}

/** A positive quantity. */
export type Spread =
  | { readonly kind: "exactly"; readonly value: number }
  /** Lognormal; `sigma` is that of the logarithm. */
  | { readonly kind: "around"; readonly median: number; readonly sigma: number }
  /** Lognormal of this mean and standard deviation, cut off at both ends. */
  | { readonly kind: "measured"; readonly mean: number; readonly sd: number; readonly min: number; readonly max: number };

/** Median and sigma of the lognormal of a mean and a standard deviation. */
function logParts(mean: number, sd: number): { median: number; sigma: number } {
  const variance = Math.log(1 + (sd / mean) ** 2);
  return { median: mean * Math.exp(-variance / 2), sigma: Math.sqrt(variance) };
}

/** The value where the standard normal is `normal`. */
export function valueAt(spread: Spread, normal: number): number {
  if (spread.kind === "exactly") return spread.value;
  if (spread.kind === "around") return spread.median * Math.exp(spread.sigma * normal);
  const { median, sigma } = logParts(spread.mean, spread.sd);
  return Math.min(spread.max, Math.max(spread.min, median * Math.exp(sigma * normal)));
}
