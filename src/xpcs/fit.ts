/**
 * Fit of one g2 curve: baseline + contrast * exp(-2 G t), with the averaging of the multi-tau levels in the model and the
 * correlation between lags in the errors. How a minimum is found: least-squares.ts.
 */
import { XpcsError } from "../core/errors.js";
import { leastSquares, type Model } from "./least-squares.js";

/** One lag of a curve; lags and widths in frames of the series. */
export interface CurvePoint {
  readonly lag: number;
  /** Frames averaged into one value at this lag: 2^level, times the frames that were averaged before. */
  readonly width: number;
  readonly g2: number;
  /** Standard deviation of g2. */
  readonly error: number;
  /** Photon pairs behind the value. */
  readonly pairs: number;
  /** Products averaged per pixel: the values of the level that have a partner at this lag. */
  readonly products: number;
}

/** Correlation of the errors of g2 at two lags of one curve. */
export type LagCorrelation = (a: CurvePoint, b: CurvePoint) => number;

/** That of photon counting: no pair of frames counts at two lags of the multi-tau scheme. */
export const independentLags: LagCorrelation = (a, b) => (a === b ? 1 : 0);

/** What every fit says beside its parameters. */
export interface FitQuality {
  readonly chi2: number;
  /** Lags used - free parameters. */
  readonly dof: number;
  readonly lagsUsed: number;
  /** Lags without photon pairs, or without a finite value and a positive error. */
  readonly lagsWithoutPairs: number;
  /** Lags at the end of the series with fewer than `PRODUCTS_MIN` products. */
  readonly lagsAtTheEnd: number;
  readonly converged: boolean;
}

export interface DecayFit extends FitQuality {
  /** Decay rate G of the field, per frame, and its standard error. */
  readonly rate: number;
  readonly rateError: number;
  readonly contrast: number;
  readonly contrastError: number;
  readonly baseline: number;
  readonly baselineError: number;
}

/**
 * Products below which a lag is left out. XPCS-Eigen's and boost_corr's standard error is the spread of the pixels, each
 * normalised by itself, and that normalisation hides the noise of the last products (simulated: at 1, 2, 3, 4, 11 products it
 * states 0.2, 0.7, 0.8, 0.95, 1.0 of the true scatter).
 */
export const PRODUCTS_MIN = 8;

/**
 * Expected g2 - 1 - (baseline - 1) at unit contrast: exp(-2 G t) times what averaging m = `width` frames does to it,
 * [sinh(m G) / (m sinh G)]^2: the mean of exp(-2 G (t + b - a)) over the m x m frame pairs (a, b), for t >= m.
 */
export function decayShape(rate: number, lag: number, width: number): number {
  return Math.exp(-2 * rate * lag + 2 * logAveraging(rate, width));
}

/** ln [sinh(m G) / (m sinh G)], written so that neither overflows. */
function logAveraging(rate: number, width: number): number {
  if (width === 1) return 0;
  return (width - 1) * rate + Math.log(-Math.expm1(-2 * width * rate)) - Math.log(-Math.expm1(-2 * rate)) - Math.log(width);
}

/** d ln(decayShape) / dG = -2 t + 2 (m coth(m G) - coth G). */
export function logShapeSlope(rate: number, lag: number, width: number): number {
  const averaging = width === 1 ? 0 : width / Math.tanh(width * rate) - 1 / Math.tanh(rate);
  return -2 * lag + 2 * averaging;
}

/** True when a lag has photon pairs, a finite value and a positive error. */
export function hasPairs(point: CurvePoint): boolean {
  return point.pairs > 0 && Number.isFinite(point.g2) && Number.isFinite(point.error) && point.error > 0;
}

/** The lags that a fit takes, and how many it leaves out for which reason. */
export interface UsableLags {
  readonly used: readonly CurvePoint[];
  readonly lagsWithoutPairs: number;
  readonly lagsAtTheEnd: number;
}

/**
 * Leaves out the lags with too few products and those without pairs, value or error.
 * @throws INVALID_ARGUMENT fewer than `needed` are left
 */
export function usableLags(points: readonly CurvePoint[], needed: number): UsableLags {
  const longEnough = points.filter((point) => point.products >= PRODUCTS_MIN);
  const used = longEnough.filter(hasPairs);
  if (used.length < needed)
    throw new XpcsError("INVALID_ARGUMENT", `a fit needs ${needed} lags with photon pairs; this curve has ${used.length}`);
  return { used, lagsWithoutPairs: longEnough.length - used.length, lagsAtTheEnd: points.length - longEnough.length };
}

/**
 * Fits rate, contrast and baseline to one curve.
 * @throws INVALID_ARGUMENT fewer than 4 usable points
 */
export function fitDecay(points: readonly CurvePoint[], correlation = independentLags): DecayFit {
  const { used, ...left } = usableLags(points, 4);
  const model: Model = ([logRate, contrast, baseline]) => {
    const rate = Math.exp(logRate!);
    const shape = used.map(({ lag, width }) => decayShape(rate, lag, width));
    return {
      values: shape.map((value) => baseline! + contrast! * value),
      columns: [
        shape.map((value, i) => contrast! * value * rate * logShapeSlope(rate, used[i]!.lag, used[i]!.width)),
        shape,
        shape.map(() => 1),
      ],
    };
  };
  const { parameters, errors, chi2, converged } = leastSquares(used, model, [startingPoint(used)], correlation);
  const rate = Math.exp(parameters[0]!);
  return {
    rate,
    rateError: rate * errors[0]!,
    contrast: parameters[1]!,
    contrastError: errors[1]!,
    baseline: parameters[2]!,
    baselineError: errors[2]!,
    chi2,
    dof: used.length - 3,
    lagsUsed: used.length,
    ...left,
    converged,
  };
}

/** ln rate, contrast and baseline: the best of a logarithmic grid of rates, from decay within the first lag to decay over all lags. */
function startingPoint(points: readonly CurvePoint[]): number[] {
  const lags = points.map((p) => p.lag);
  const low = Math.log(0.1 / Math.max(...lags));
  const high = Math.log(2 / Math.min(...lags));
  let best: { chi2: number; parameters: number[] } | undefined;
  for (let i = 0; i <= 60; i++) {
    const logRate = low + ((high - low) * i) / 60;
    const { chi2, contrast, baseline } = linearFit(points, Math.exp(logRate));
    if (!Number.isFinite(chi2) || contrast <= 0) continue;
    if (!best || chi2 < best.chi2) best = { chi2, parameters: [logRate, contrast, baseline] };
  }
  return best?.parameters ?? [(low + high) / 2, 0.1, 1];
}

/** Contrast and baseline at a given rate: weighted linear regression on the shape. */
function linearFit(points: readonly CurvePoint[], rate: number): { chi2: number; contrast: number; baseline: number } {
  const weights = points.map(({ error }) => 1 / error ** 2);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = (values: readonly number[]): number => values.reduce((sum, value, i) => sum + weights[i]! * value, 0) / total;
  const shape = points.map(({ lag, width }) => decayShape(rate, lag, width));
  const [shapeMean, g2Mean] = [mean(shape), mean(points.map(({ g2 }) => g2))];
  const contrast =
    mean(shape.map((value, i) => (value - shapeMean) * (points[i]!.g2 - g2Mean))) / mean(shape.map((value) => (value - shapeMean) ** 2));
  const baseline = g2Mean - contrast * shapeMean;
  return { chi2: total * mean(shape.map((value, i) => (points[i]!.g2 - baseline - contrast * value) ** 2)), contrast, baseline };
}
