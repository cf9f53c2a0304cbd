/**
 * Fits of a g2 curve beyond the single exponential (fit.ts): stretched and double exponential, both with the averaging of the
 * multi-tau levels in the model and the correlation between lags in the errors. Rates are those of the field.
 */
import { type CurvePoint, decayShape, type FitQuality, fitDecay, independentLags, logShapeSlope, usableLags } from "./fit.js";
import { leastSquares, type Model } from "./least-squares.js";

/** g2 = baseline + contrast * exp(-2 (G t)^exponent). */
export interface StretchedFit extends FitQuality {
  /** G per frame. */
  readonly rate: number;
  readonly rateError: number;
  /** 1: simple; below 1: stretched; above 1: compressed. */
  readonly exponent: number;
  readonly exponentError: number;
  readonly contrast: number;
  readonly contrastError: number;
  readonly baseline: number;
  readonly baselineError: number;
}

/** g2 = baseline + contrast * [f exp(-G1 t) + (1 - f) exp(-G2 t)]^2, G1 > G2: two decays of one field (Siegert relation). */
export interface DoubleFit extends FitQuality {
  /** G1 per frame. */
  readonly fastRate: number;
  readonly fastRateError: number;
  /** G2 per frame. */
  readonly slowRate: number;
  readonly slowRateError: number;
  /** f: part of the field that decays fast. */
  readonly fastFraction: number;
  readonly fastFractionError: number;
  readonly contrast: number;
  readonly contrastError: number;
  readonly baseline: number;
  readonly baselineError: number;
}

/** Points of the triangle over which a level averages; more frames than these are taken in as many equal steps. */
const AVERAGING_POINTS = 32;
/** Exponents from which the stretched fit starts. */
const START_EXPONENTS = [0.5, 1, 1.6] as const;
/** Fast and slow rate, in units of the single fit's, and fast fraction from which the double fit starts. */
const START_PAIRS = [
  [3, 0.3, 0.5],
  [1.5, 0.05, 0.7],
  [20, 0.7, 0.3],
  [10, 0.1, 0.5],
] as const;

/**
 * exp(-2 (G t)^exponent) at unit contrast, averaged over the pairs of frames of a level of `width`: weight (m - |d|) / m^2 at
 * distance d from the lag. Beyond 32 frames the sum is taken in 32 steps; the error is then below 1e-3 of the averaging's effect.
 * @returns value, and its derivatives by ln G and ln exponent
 */
export function stretchedShape(rate: number, exponent: number, lag: number, width: number): [number, number, number] {
  const points = Math.min(width, AVERAGING_POINTS);
  const step = width / points;
  const sum: [number, number, number] = [0, 0, 0];
  for (let d = 1 - points; d < points; d++) {
    const weight = (points - Math.abs(d)) / points ** 2;
    const scaled = rate * (lag + step * d);
    const power = scaled ** exponent;
    const value = weight * Math.exp(-2 * power);
    sum[0] += value;
    sum[1] -= 2 * exponent * power * value;
    sum[2] -= 2 * exponent * power * Math.log(scaled) * value;
  }
  return sum;
}

/**
 * Fits rate, exponent, contrast and baseline to one curve.
 * @throws INVALID_ARGUMENT fewer than 5 usable points
 */
export function fitStretched(points: readonly CurvePoint[], correlation = independentLags): StretchedFit {
  const { used, ...left } = usableLags(points, 5);
  const single = fitDecay(points);
  const model: Model = ([logRate, logExponent, contrast, baseline]) => {
    const shapes = used.map(({ lag, width }) => stretchedShape(Math.exp(logRate!), Math.exp(logExponent!), lag, width));
    return {
      values: shapes.map(([shape]) => baseline! + contrast! * shape),
      columns: [
        shapes.map(([, byRate]) => contrast! * byRate),
        shapes.map(([, , byExponent]) => contrast! * byExponent),
        shapes.map(([shape]) => shape),
        shapes.map(() => 1),
      ],
    };
  };
  const starts = START_EXPONENTS.map((exponent) => [Math.log(single.rate), Math.log(exponent), single.contrast, single.baseline]);
  const { parameters, errors, chi2, converged } = leastSquares(used, model, starts, correlation);
  const [rate, exponent] = [Math.exp(parameters[0]!), Math.exp(parameters[1]!)];
  return {
    rate,
    rateError: rate * errors[0]!,
    exponent,
    exponentError: exponent * errors[1]!,
    contrast: parameters[2]!,
    contrastError: errors[2]!,
    baseline: parameters[3]!,
    baselineError: errors[3]!,
    chi2,
    dof: used.length - 4,
    lagsUsed: used.length,
    ...left,
    converged,
  };
}

/** The square of the double decay, averaged as decayShape is, and its derivatives by ln G1, ln G2 and f. */
export function doubleShape(fast: number, slow: number, fraction: number, lag: number, width: number): [number, number, number, number] {
  const rest = 1 - fraction;
  const mean = (fast + slow) / 2;
  const [ff, fs, ss] = [fast, mean, slow].map((rate) => decayShape(rate, lag, width)) as [number, number, number];
  const [dff, dfs, dss] = [fast, mean, slow].map((rate) => logShapeSlope(rate, lag, width)) as [number, number, number];
  const mixed = fraction * rest * fs * dfs;
  return [
    fraction ** 2 * ff + 2 * fraction * rest * fs + rest ** 2 * ss,
    fast * (fraction ** 2 * ff * dff + mixed),
    slow * (rest ** 2 * ss * dss + mixed),
    2 * fraction * ff + 2 * (1 - 2 * fraction) * fs - 2 * rest * ss,
  ];
}

/**
 * Fits both rates, the fast fraction, contrast and baseline to one curve. Where the curve has one decay only, the fraction
 * runs to 0 or 1 and the errors are large.
 * @throws INVALID_ARGUMENT fewer than 6 usable points
 */
export function fitDouble(points: readonly CurvePoint[], correlation = independentLags): DoubleFit {
  const { used, ...left } = usableLags(points, 6);
  const single = fitDecay(points);
  // The fraction goes through the logistic function, so that it stays between 0 and 1.
  const model: Model = ([logFast, logSlow, logit, contrast, baseline]) => {
    const fraction = 1 / (1 + Math.exp(-logit!));
    const shapes = used.map(({ lag, width }) => doubleShape(Math.exp(logFast!), Math.exp(logSlow!), fraction, lag, width));
    const column = (at: 1 | 2 | 3, factor: number): number[] => shapes.map((shape) => contrast! * factor * shape[at]);
    return {
      values: shapes.map(([shape]) => baseline! + contrast! * shape),
      columns: [column(1, 1), column(2, 1), column(3, fraction * (1 - fraction)), shapes.map(([shape]) => shape), shapes.map(() => 1)],
    };
  };
  const starts = START_PAIRS.map(([fast, slow, fraction]) => [
    Math.log(single.rate * fast),
    Math.log(single.rate * slow),
    Math.log(fraction / (1 - fraction)),
    single.contrast,
    single.baseline,
  ]);
  const { parameters, errors, chi2, converged } = leastSquares(used, model, starts, correlation);
  const swapped = parameters[0]! < parameters[1]!;
  const [fast, slow] = swapped ? ([1, 0] as const) : ([0, 1] as const);
  const rates = [Math.exp(parameters[0]!), Math.exp(parameters[1]!)] as const;
  const first = 1 / (1 + Math.exp(-parameters[2]!));
  return {
    fastRate: rates[fast],
    fastRateError: rates[fast] * errors[fast]!,
    slowRate: rates[slow],
    slowRateError: rates[slow] * errors[slow]!,
    fastFraction: swapped ? 1 - first : first,
    fastFractionError: first * (1 - first) * errors[2]!,
    contrast: parameters[3]!,
    contrastError: errors[3]!,
    baseline: parameters[4]!,
    baselineError: errors[4]!,
    chi2,
    dof: used.length - 5,
    lagsUsed: used.length,
    ...left,
    converged,
  };
}
