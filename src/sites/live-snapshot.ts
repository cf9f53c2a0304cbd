/** What is told of a running stream: the curves, errors, fits and means of the moment, within the bounds of a small message. Pure. */

import { LIMITS } from "../core/limits.js";
import type { LiveBin, LiveFit, LiveSnapshot } from "../core/live.js";
import type { CorrelatorResult } from "../xpcs/correlators.js";
import { type CurvePoint, fitDecay } from "../xpcs/fit.js";
import { correlationOf } from "../xpcs/lag-correlation.js";

/** Digits that a person or a plot can see. */
const DIGITS = 6;
/** Degrees of freedom from which on the correlation between lags is good enough for a fit (docs/fits.md). */
const FREEDOM_MIN = 20;

function rounded(value: number): number {
  return Number(value.toPrecision(DIGITS));
}

/** Null for what JSON cannot say. */
function known(value: number): number | null {
  return Number.isFinite(value) ? rounded(value) : null;
}

function pointsOf(result: CorrelatorResult, at: number, dpl: number): CurvePoint[] {
  const { tauFrames, dynamicBins, frames } = result;
  return Array.from(tauFrames, (lag, d) => {
    // Level L holds the delays above dpl 2^L, up to 2 dpl 2^L.
    const width = 2 ** Math.max(0, Math.ceil(Math.log2(lag / (2 * dpl)) - 1e-9));
    const index = d * dynamicBins + at;
    const products = Math.floor(frames / width) - lag / width;
    return { lag, width, g2: result.g2[index]!, error: result.g2Err[index]!, pairs: result.pairs[index]!, products };
  });
}

/** Null where the curve cannot be fitted yet. @param unit s of a frame, or 1 */
function fitOf(result: CorrelatorResult, at: number, points: readonly CurvePoint[], unit: number): LiveFit | null {
  try {
    const n = points.length;
    const matrix = result.lagCorrelation.subarray(at * n * n, (at + 1) * n * n);
    const enough = (result.lagFreedom[at] ?? 0) >= FREEDOM_MIN && matrix.length === n * n;
    const correlation = enough
      ? correlationOf(
          points.map(({ lag }) => lag),
          matrix,
          `bin ${at + 1}`,
        )
      : undefined;
    const fit = fitDecay(points, correlation);
    if (!fit.converged || !(fit.rate > 0)) return null;
    const tau = unit / fit.rate;
    return {
      tau: rounded(tau),
      tauError: known((tau * fit.rateError) / fit.rate),
      contrast: rounded(fit.contrast),
      contrastError: known(fit.contrastError),
      baseline: rounded(fit.baseline),
    };
  } catch {
    // Too few lags have pairs yet, or the minimum is not found: there is nothing to say.
    return null;
  }
}

/**
 * Every q bin with its curve and fit.
 * @param q wave vectors; NaN where there is none
 * @param dpl delays per level
 */
export function liveBins(result: CorrelatorResult, q: Float64Array, dpl: number, frameTimeS: number | null): LiveBin[] {
  return Array.from({ length: result.dynamicBins }, (_, at) => {
    const points = pointsOf(result, at, dpl);
    return {
      bin: at + 1,
      q: known(q[at] ?? Number.NaN),
      g2: points.map(({ g2 }) => known(g2)),
      error: points.map(({ error }) => known(error)),
      pairs: points.map(({ pairs }) => pairs),
      fit: fitOf(result, at, points, frameTimeS ?? 1),
    };
  });
}

/**
 * The intensity of a whole stream in few rows: each is the mean of so many values that all fit. What does not fill a row yet is left out.
 * @param frameMean [values], counts per pixel and frame, each of `framesPerMean` frames
 */
export function intensityRows(frameMean: Float64Array, framesPerMean: number): LiveSnapshot["intensity"] {
  const each = Math.max(1, Math.ceil(frameMean.length / LIMITS.liveIntensityRows));
  const mean = Array.from({ length: Math.floor(frameMean.length / each) }, (_, row) => {
    const values = frameMean.subarray(row * each, (row + 1) * each);
    return rounded(values.reduce((sum, value) => sum + value, 0) / each);
  });
  return { framesPerRow: each * framesPerMean, mean };
}

/** The parts of a snapshot that come from the correlator; of many bins the first ones. */
export function curvesOf(
  result: CorrelatorResult,
  bins: readonly LiveBin[],
): Pick<LiveSnapshot, "delays" | "bins" | "binsLeftOut" | "saxs" | "intensity"> {
  const most = Math.max(1, Math.floor(LIMITS.liveValuesMax / Math.max(1, result.delays)));
  const { frameMean, framesPerMean, partitionMean } = result;
  return {
    delays: [...result.tauFrames],
    bins: bins.slice(0, most),
    binsLeftOut: Math.max(0, bins.length - most),
    saxs: partitionMean.length > LIMITS.liveStaticMax ? [] : Array.from(partitionMean, known),
    intensity: intensityRows(frameMean, framesPerMean),
  };
}
