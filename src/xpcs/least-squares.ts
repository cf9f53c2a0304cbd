/**
 * Nonlinear least squares on a g2 curve with any number of parameters: Gauss-Newton steps with Levenberg-Marquardt damping. Weights
 * are the inverse variances of the lags; their correlation goes into the parameters' errors. What the parameters mean is the
 * model's business (fit.ts, fit-models.ts); why not a package: docs/decisions/0011-least-squares.md.
 */
import type { CurvePoint, LagCorrelation } from "./fit.js";
import { backSolve, cholesky, forwardSolve, invertPositive, type Matrix } from "./small-linear.js";

/** Model values on the lags, and their derivatives: columns[k][i] = d value i / d parameter k. */
export interface ModelValues {
  readonly values: readonly number[];
  readonly columns: readonly (readonly number[])[];
}

export type Model = (parameters: readonly number[]) => ModelValues;

export interface Solution {
  readonly parameters: readonly number[];
  /** Standard errors; NaN where the curve does not determine a parameter. */
  readonly errors: readonly number[];
  readonly chi2: number;
  /** At a minimum that determines every parameter. */
  readonly converged: boolean;
}

const ITERATIONS_MAX = 200;
const TOLERANCE = 1e-9;
const DAMPING_MAX = 1e12;
/** Variance of a parameter over what it would be with all others known, above which it counts as undetermined. */
const INFLATION_MAX = 1e10;

interface State {
  readonly chi2: number;
  readonly normal: number[][];
  readonly gradient: number[];
  /** Derivatives over the errors [parameters, lags]. */
  readonly slopes: readonly (readonly number[])[];
}

/** The best solution from several starting points. */
export function leastSquares(
  points: readonly CurvePoint[],
  model: Model,
  starts: readonly (readonly number[])[],
  correlation: LagCorrelation,
): Solution {
  const evaluate = evaluator(points, model);
  const between = points.map((a) => points.map((b) => correlation(a, b)));
  const solutions = starts.map((start) => descend(evaluate, start, between)).filter(({ chi2 }) => Number.isFinite(chi2));
  const ordered = solutions.sort((a, b) => a.chi2 - b.chi2);
  return ordered[0] ?? { parameters: starts[0]!, errors: starts[0]!.map(() => Number.NaN), chi2: Number.NaN, converged: false };
}

function evaluator(points: readonly CurvePoint[], model: Model): (parameters: readonly number[]) => State {
  const inErrors = (values: readonly number[]): number[] => values.map((value, i) => value / points[i]!.error);
  const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  return (parameters) => {
    const { values, columns } = model(parameters);
    const residual = inErrors(points.map(({ g2 }, i) => g2 - values[i]!));
    const slopes = columns.map(inErrors);
    return {
      chi2: dot(residual, residual),
      normal: slopes.map((a) => slopes.map((b) => dot(a, b))),
      gradient: slopes.map((slope) => dot(slope, residual)),
      slopes,
    };
  };
}

function descend(evaluate: (parameters: readonly number[]) => State, start: readonly number[], between: Matrix): Solution {
  let parameters = start;
  let state = evaluate(parameters);
  let damping = 1e-3;
  let converged = false;
  for (let i = 0; i < ITERATIONS_MAX && !converged && damping < DAMPING_MAX; i++) {
    const step = dampedStep(state, damping);
    const trial = step === null ? null : parameters.map((value, k) => value + step[k]!);
    const next = trial === null ? null : evaluate(trial);
    if (trial !== null && next !== null && next.chi2 <= state.chi2) {
      converged = state.chi2 - next.chi2 <= TOLERANCE * state.chi2 && Math.max(...step!.map(Math.abs)) < 1e-4;
      parameters = trial;
      state = next;
      damping = Math.max(damping / 10, 1e-12);
    } else {
      damping *= 10;
    }
  }
  // A step of no length that cannot go lower is an arrival too.
  if (damping >= DAMPING_MAX) converged = true;
  const errors = standardErrors(state, between);
  return { parameters, errors, chi2: state.chi2, converged: converged && errors.every(Number.isFinite) };
}

/** The damped normal equations, scaled to a unit diagonal; null when they have no solution. */
function dampedStep({ normal, gradient }: State, damping: number): number[] | null {
  const scale = normal.map((row, i) => 1 / Math.sqrt(row[i]!));
  if (!scale.every(Number.isFinite)) return null;
  try {
    const root = cholesky(normal.map((row, i) => row.map((value, j) => value * scale[i]! * scale[j]! + (i === j ? damping : 0))));
    const scaled = backSolve(
      root,
      forwardSolve(
        root,
        gradient.map((value, i) => value * scale[i]!),
      ),
    );
    return scaled.map((value, i) => value * scale[i]!);
  } catch {
    return null; // not positive definite: more damping makes it so
  }
}

/**
 * From N^-1 (S R S^T) N^-1, with N = S S^T the normal equations, S the slopes and R the correlation between lags: right whatever
 * the weights (Liang and Zeger 1986, Biometrika 73, 13, eq. 6, with the covariance known). NaN where parameters can stand in for each other.
 */
function standardErrors({ normal, slopes }: State, between: Matrix): number[] {
  try {
    const inverse = invertPositive(normal);
    return inverse.map((row, at) => {
      if (row[at]! * normal[at]![at]! > INFLATION_MAX) return Number.NaN;
      const pull = slopes[0]!.map((_, lag) => row.reduce((sum, value, k) => sum + value * slopes[k]![lag]!, 0));
      return Math.sqrt(pull.reduce((sum, a, i) => sum + a * between[i]!.reduce((inner, r, j) => inner + r * pull[j]!, 0), 0));
    });
  } catch {
    return normal.map(() => Number.NaN);
  }
}
