/**
 * Fit of one g2 curve: baseline + contrast * exp(-2 G t), with the averaging of the multi-tau levels in the model and the
 * correlation of neighbouring lags in the weights. Gauss-Newton with Levenberg-Marquardt damping on three parameters; why
 * not a package: docs/decisions/0011-least-squares.md.
 */
import { XpcsError } from "../core/errors.js";
import { cholesky, forwardSolve, invert3, type Matrix, solve3 } from "./small-linear.js";

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
 * Products below which a lag is left out: the standard error is the spread of the pixels, each normalised by itself, and
 * that normalisation hides the noise of the last products (simulated: at 1, 2, 3, 4, 11 products it states 0.2, 0.7, 0.8,
 * 0.95, 1.0 of the true scatter).
 */
export const PRODUCTS_MIN = 8;
const ITERATIONS_MAX = 100;
/** Step in ln G, and relative change of chi2, below which the fit has arrived. */
const STEP_TOLERANCE = 1e-9;

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

/**
 * Correlation of the noise of two lags by the photon pairs they share. A lag t of width m counts the pairs at distance d
 * with weight (m - |d - t|) / m^2; independent pairs make the covariance proportional to the sum of the weights' product.
 */
export function lagCorrelation(a: CurvePoint, b: CurvePoint): number {
  if (Math.abs(a.lag - b.lag) >= a.width + b.width) return 0;
  const weight = (point: CurvePoint, d: number): number => Math.max(0, point.width - Math.abs(d - point.lag));
  let [both, aa, bb] = [0, 0, 0];
  const from = Math.min(a.lag - a.width, b.lag - b.width);
  const to = Math.max(a.lag + a.width, b.lag + b.width);
  for (let d = from; d <= to; d++) {
    const wa = weight(a, d);
    const wb = weight(b, d);
    both += wa * wb;
    aa += wa * wa;
    bb += wb * wb;
  }
  return both / Math.sqrt(aa * bb);
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
export function fitDecay(points: readonly CurvePoint[]): DecayFit {
  const { used, lagsWithoutPairs, lagsAtTheEnd } = usableLags(points, 4);
  const problem = whitenedProblem(used);
  let parameters = startingPoint(problem, used);
  let state = problem.evaluate(parameters);
  let damping = 1e-3;
  let converged = false;
  for (let i = 0; i < ITERATIONS_MAX && !converged; i++) {
    const damped = state.normal.map((value, at) => (at % 4 === 0 ? value * (1 + damping) : value));
    const step = solve3(damped, state.gradient);
    const trial: Parameters = [parameters[0] + step[0]!, parameters[1] + step[1]!, parameters[2] + step[2]!];
    const next = problem.evaluate(trial);
    if (next.chi2 <= state.chi2) {
      converged = Math.abs(step[0]!) < STEP_TOLERANCE || state.chi2 - next.chi2 < STEP_TOLERANCE * state.chi2;
      parameters = trial;
      state = next;
      damping = Math.max(damping / 10, 1e-12);
    } else {
      converged = Math.abs(step[0]!) < STEP_TOLERANCE;
      damping *= 10;
    }
  }
  const covariance = invert3(state.normal);
  const rate = Math.exp(parameters[0]);
  return {
    rate,
    rateError: rate * Math.sqrt(covariance[0]!),
    contrast: parameters[1],
    contrastError: Math.sqrt(covariance[4]!),
    baseline: parameters[2],
    baselineError: Math.sqrt(covariance[8]!),
    chi2: state.chi2,
    dof: used.length - 3,
    lagsUsed: used.length,
    lagsWithoutPairs,
    lagsAtTheEnd,
    converged,
  };
}

/** ln rate, contrast, baseline. */
type Parameters = readonly [number, number, number];

interface Evaluation {
  readonly chi2: number;
  /** J^T W J [3, 3] and J^T W (data - model) [3]. */
  readonly normal: number[];
  readonly gradient: number[];
}

interface Problem {
  evaluate(parameters: Parameters): Evaluation;
  /** Least squares in contrast and baseline alone, at a given ln rate. */
  linear(logRate: number): { chi2: number; contrast: number; baseline: number };
}

/** Makes values on the lags independent: divides by the errors, then by the root of their correlation. */
export function whitening(points: readonly CurvePoint[]): (values: readonly number[]) => number[] {
  const root: Matrix = cholesky(points.map((a) => points.map((b) => lagCorrelation(a, b))));
  return (values) =>
    forwardSolve(
      root,
      values.map((value, i) => value / points[i]!.error),
    );
}

/** The least-squares problem in residuals made independent. */
function whitenedProblem(points: readonly CurvePoint[]): Problem {
  const whiten = whitening(points);
  const data = whiten(points.map((p) => p.g2));
  const ones = whiten(points.map(() => 1));
  const dot = (a: number[], b: number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const shapeAt = (rate: number): number[] => points.map((p) => decayShape(rate, p.lag, p.width));
  return {
    evaluate([logRate, contrast, baseline]) {
      const rate = Math.exp(logRate);
      const shape = shapeAt(rate);
      const columns = [
        whiten(shape.map((s, i) => contrast * s * rate * logShapeSlope(rate, points[i]!.lag, points[i]!.width))),
        whiten(shape),
        ones,
      ];
      const residual = data.map((value, i) => value - contrast * columns[1]![i]! - baseline * ones[i]!);
      return {
        chi2: dot(residual, residual),
        normal: columns.flatMap((a) => columns.map((b) => dot(a, b))),
        gradient: columns.map((column) => dot(column, residual)),
      };
    },
    linear(logRate) {
      const shape = whiten(shapeAt(Math.exp(logRate)));
      const [ss, so, oo] = [dot(shape, shape), dot(shape, ones), dot(ones, ones)];
      const [sd, od] = [dot(shape, data), dot(ones, data)];
      const determinant = ss * oo - so * so;
      const contrast = (sd * oo - od * so) / determinant;
      const baseline = (od * ss - sd * so) / determinant;
      const residual = data.map((value, i) => value - contrast * shape[i]! - baseline * ones[i]!);
      return { chi2: dot(residual, residual), contrast, baseline };
    },
  };
}

/** The best of a logarithmic grid of rates, from decay within the first lag to decay over all lags. */
function startingPoint(problem: Problem, points: readonly CurvePoint[]): Parameters {
  const lags = points.map((p) => p.lag);
  const low = Math.log(0.1 / Math.max(...lags));
  const high = Math.log(2 / Math.min(...lags));
  let best: { chi2: number; parameters: Parameters } | undefined;
  for (let i = 0; i <= 60; i++) {
    const logRate = low + ((high - low) * i) / 60;
    const { chi2, contrast, baseline } = problem.linear(logRate);
    if (!Number.isFinite(chi2) || contrast <= 0) continue;
    if (!best || chi2 < best.chi2) best = { chi2, parameters: [logRate, contrast, baseline] };
  }
  return best?.parameters ?? [(low + high) / 2, 0.1, 1];
}
