/**
 * Which repeats of a measurement do not belong to the others, by robust criteria over all of them: an intensity away from the
 * median, a drift within the repeat, a g2 away from the median curve. Decides only; docs/merging.md has the criteria.
 */
import { PRODUCTS_MIN } from "./fit.js";
import type { ResultFile } from "./result-layouts.js";

/** Limits of the criteria. */
export interface RejectLimits {
  /** Robust standard deviations from the median, for many repeats; few repeats widen it (`widened`). */
  readonly scales: number;
  /** Relative distance from the median below which an intensity is never a jump. */
  readonly jumpMin: number;
  /** Relative change of the intensity within a repeat, from its first to its last frame, by a straight line. */
  readonly drift: number;
}

export const REJECT_LIMITS: RejectLimits = { scales: 4, jumpMin: 0.1, drift: 0.2 };
/** Repeats below which a median and its scale say too little. */
export const REPEATS_MIN = 6;
/** Errors of the drift below which it is noise. */
const DRIFT_ERRORS = 5;
/** Mean offset of a g2, in scales, below which it is never an outlier. */
const OFFSET_MIN = 1;
const BLOCKS = 16;
/** Share of the repeats that must have a value for a lag to be judged. */
const LAG_SHARE = 2 / 3;
/** Standard deviations per median absolute deviation of a normal distribution. */
const NORMAL_SCALE = 1.4826;

export type Criterion = "intensity" | "drift" | "g2-scatter" | "g2-offset";

export interface Reason {
  readonly criterion: Criterion;
  readonly value: number;
  readonly limit: number;
  /** For a person. */
  readonly text: string;
}

/** What one repeat is judged by, and the verdict. */
export interface Verdict {
  /** Mean intensity of the frames that count. */
  readonly intensity: number;
  readonly drift: number;
  /** Root mean square, and mean, of the distances of g2 from the median curve in scales; null where no lag can be judged. */
  readonly g2Scatter: number | null;
  readonly g2Offset: number | null;
  /** Empty for a repeat that belongs to the others. */
  readonly reasons: readonly Reason[];
}

/**
 * The limit for n repeats that a normal value passes as rarely as it passes `scales` for many: a median absolute deviation of
 * few values is itself uncertain (simulated for 6 to 50 repeats).
 */
export function widened(scales: number, repeats: number): number {
  return scales * Math.exp(7.8 / repeats);
}

/** The first result whose delays or q bins are not those of the first; null: all are of one scheme. */
export function otherScheme(repeats: readonly ResultFile[]): ResultFile | null {
  const shape = ({ delays, bins }: ResultFile): string => `${delays.join()} ${bins.length}`;
  return repeats.find((repeat) => shape(repeat) !== shape(repeats[0]!)) ?? null;
}

/** Whether what is left after the verdicts can stand for all: half of the repeats, and two. */
export function canStand(verdicts: readonly Verdict[]): boolean {
  const kept = verdicts.filter(({ reasons }) => reasons.length === 0).length;
  return 2 * kept >= verdicts.length && kept >= 2;
}

/** Judges every repeat against all; needs REPEATS_MIN of them, with one scheme of delays and bins. */
export function judgeRepeats(repeats: readonly ResultFile[], limits: RejectLimits = REJECT_LIMITS): Verdict[] {
  const limit = widened(limits.scales, repeats.length);
  const drifts = repeats.map(driftOf);
  const intensities = drifts.map(({ mean }) => mean);
  const [middle, scale] = [median(intensities), robustScale(intensities)];
  const distances = g2Distances(repeats);
  const offsets = distances.map((distance) => distance?.offset ?? Number.NaN).filter(Number.isFinite);
  const [offsetMiddle, offsetScale] = [median(offsets), robustScale(offsets)];
  return repeats.map((_, at) => {
    const [{ mean, drift, error }, distance] = [drifts[at]!, distances[at]!];
    const reasons: Reason[] = [];
    const jump = Math.abs(mean - middle);
    if (jump > limit * scale && jump > limits.jumpMin * middle) {
      const value = scale > 0 ? jump / scale : Number.POSITIVE_INFINITY;
      reasons.push({
        criterion: "intensity",
        value,
        limit,
        text: `intensity ${digits(mean)}, the median is ${digits(middle)}: ${digits(value)} scales away, limit ${digits(limit)}`,
      });
    }
    if (Math.abs(drift) > limits.drift && Math.abs(drift) > DRIFT_ERRORS * error)
      reasons.push({
        criterion: "drift",
        value: drift,
        limit: limits.drift,
        text: `intensity changes by ${percent(drift)} within the repeat, limit ${percent(limits.drift)}`,
      });
    if (distance !== null && distance.scatter > limit)
      reasons.push({
        criterion: "g2-scatter",
        value: distance.scatter,
        limit,
        text: `g2 lies ${digits(distance.scatter)} scales from the median curve (root mean square), limit ${digits(limit)}`,
      });
    const offset = distance === null ? 0 : distance.offset - offsetMiddle;
    if (Math.abs(offset) > limit * offsetScale && Math.abs(offset) > OFFSET_MIN)
      reasons.push({
        criterion: "g2-offset",
        value: offset / offsetScale,
        limit,
        text: `g2 lies ${offset > 0 ? "above" : "below"} the median curve at all lags: ${digits(Math.abs(offset) / offsetScale)} scales of that offset, limit ${digits(limit)}`,
      });
    return { intensity: mean, drift, g2Scatter: distance?.scatter ?? null, g2Offset: distance?.offset ?? null, reasons };
  });
}

/** Mean, and the relative change along a straight line through the means of blocks, with its error from their residuals. */
function driftOf({ intensity, badFrames }: ResultFile): { mean: number; drift: number; error: number } {
  const bad = new Set(badFrames);
  const good = intensity.filter((value, frame) => Number.isFinite(value) && !bad.has(frame));
  const mean = average(good);
  const blocks = Math.min(BLOCKS, good.length);
  if (blocks < 4 || !(mean > 0)) return { mean, drift: 0, error: 0 };
  const edge = (block: number): number => Math.floor((block * good.length) / blocks);
  const means = Array.from({ length: blocks }, (_, block) => average(good.slice(edge(block), edge(block + 1))));
  const x = means.map((_, block) => (block + 0.5) / blocks - 0.5);
  const xx = x.reduce((sum, value) => sum + value * value, 0);
  const slope = x.reduce((sum, value, i) => sum + value * means[i]!, 0) / xx;
  const residual = means.reduce((sum, value, i) => sum + (value - mean - slope * x[i]!) ** 2, 0) / (blocks - 2);
  return { mean, drift: slope / mean, error: Math.sqrt(residual / xx) / mean };
}

interface Distance {
  readonly scatter: number;
  readonly offset: number;
}

/** Distances of each g2 from the median over the repeats, in scales: the spread of the repeats, or the stated error if larger. */
function g2Distances(repeats: readonly ResultFile[]): (Distance | null)[] {
  const { bins, delays, terms } = repeats[0]!;
  const sums = repeats.map(() => ({ n: 0, sum: 0, square: 0 }));
  for (let at = 0; at < delays.length * bins.length; at++) {
    if ((terms?.[Math.floor(at / bins.length)] ?? PRODUCTS_MIN) < PRODUCTS_MIN) continue;
    const known = repeats.map(({ g2, error }, r) => ({ r, g2: g2[at]!, error: error[at]! })).filter(({ error }) => error > 0);
    if (known.length < REPEATS_MIN || known.length < LAG_SHARE * repeats.length) continue;
    const values = known.map(({ g2 }) => g2);
    const middle = median(values);
    const scale = Math.max(robustScale(values), median(known.map(({ error }) => error)));
    for (const { r, g2, error } of known) {
      const z = (g2 - middle) / Math.max(scale, error);
      sums[r]!.n += 1;
      sums[r]!.sum += z;
      sums[r]!.square += z * z;
    }
  }
  return sums.map(({ n, sum, square }) => (n === 0 ? null : { scatter: Math.sqrt(square / n), offset: sum / n }));
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Standard deviation by the median absolute deviation, which up to half of the values cannot spoil. */
function robustScale(values: readonly number[]): number {
  const middle = median(values);
  return NORMAL_SCALE * median(values.map((value) => Math.abs(value - middle)));
}

function digits(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function percent(value: number): string {
  return `${digits(100 * value)} %`;
}
