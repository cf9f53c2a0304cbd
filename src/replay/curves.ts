/** A run as curves, for plots: how many jobs were answered within how long, and by when. Pure. */
import { quantileOf, type Tally } from "./tally.js";

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Points of a curve. */
const POINTS = 200;
const shares = Array.from({ length: POINTS + 1 }, (_, at) => at / POINTS);

/** Time to answer, s, against the share of the jobs that had theirs within it. */
export function answerCurve({ answersMs }: Tally): Point[] {
  if (answersMs.size === 0) return [];
  const sorted = Float64Array.from(answersMs.values).sort();
  return shares.map((share) => ({ x: quantileOf(sorted, share) / 1_000, y: share }));
}

/** Hours since the first submission, against the number of jobs answered by then. */
export function finishedCurve({ atMs, firstMs }: Tally): Point[] {
  const times = atMs.values;
  if (times.length === 0) return [];
  return shares.map((share) => ({ x: (quantileOf(times, share) - firstMs) / 3_600_000, y: Math.round(share * times.length) }));
}
