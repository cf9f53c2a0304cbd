/**
 * The correlation between the lags of one curve as a fit takes it, from the matrix that a result holds; checked, because a file may hold
 * anything. What it is and how it is estimated: docs/fits.md.
 */
import { isCode, XpcsError } from "../core/errors.js";
import { independentLags, type LagCorrelation } from "./fit.js";
import type { ResultFile } from "./result-layouts.js";
import { cholesky } from "./small-linear.js";

/** Degrees of freedom below which a correlation is too uncertain to be used: at 20, errors of fits are uncertain by 16 %. */
const FREEDOM_MIN = 20;
/** What rounding to single precision may do to a correlation, and to the smallest eigenvalue of a matrix of them. */
const ROUNDING = 1e-6;
const EIGENVALUE_ROUNDING = 1e-4;

/** What a fit takes, and why it takes the lags as independent; null where it does not. */
export interface LagsOfCurve {
  readonly correlation: LagCorrelation;
  readonly independentBecause: string | null;
}

/**
 * A correlation from its matrix.
 * @param lags [lags] of the curve's points, distinct
 * @param matrix [lags, lags]
 * @throws CORRUPT_DATA not a correlation matrix: wrong length, not finite, no unit diagonal, not symmetric, above 1, or not positive
 */
export function correlationOf(lags: readonly number[], matrix: ArrayLike<number>, where: string): LagCorrelation {
  const n = lags.length;
  const wrong = (why: string): XpcsError =>
    new XpcsError("CORRUPT_DATA", `${where} is no correlation between ${n} lags: ${why}; the file is damaged`);
  if (matrix.length !== n * n) throw wrong(`it has ${matrix.length} values`);
  const rows = lags.map((_, i) => Array.from({ length: n }, (_v, j) => matrix[i * n + j]!));
  rows.forEach((row, i) => {
    if (!row.every((value) => Math.abs(value) <= 1 + ROUNDING)) throw wrong(`row ${i} has values that are not from -1 to 1`);
    if (Math.abs(row[i]! - 1) > ROUNDING) throw wrong(`${row[i]} on its diagonal`);
    row.forEach((value, j) => {
      if (Math.abs(value - rows[j]![i]!) > ROUNDING) throw wrong("it is not symmetric");
    });
  });
  try {
    cholesky(rows.map((row, i) => row.map((value, j) => (i === j ? value + EIGENVALUE_ROUNDING : value))));
  } catch (error) {
    if (isCode(error, "INVALID_ARGUMENT")) throw wrong("it is not positive: some combination of lags would have a negative variance");
    throw error;
  }
  const place = new Map(lags.map((lag, i) => [lag, i]));
  return (a, b) => rows[place.get(a.lag)!]![place.get(b.lag)!]!;
}

/**
 * Of one bin (its index) of a result, for the points of `curveOf`.
 * @throws CORRUPT_DATA the file's matrix is none of a correlation
 */
export function lagsOf(result: ResultFile, at: number): LagsOfCurve {
  const { lagCorrelation, delays, average, bins, path } = result;
  if (lagCorrelation === null) return { correlation: independentLags, independentBecause: "the file holds no correlation between lags" };
  const n = delays.length;
  const freedom = lagCorrelation.freedom[at] ?? Number.NaN;
  if (lagCorrelation.values.length !== bins.length * n * n || !(freedom >= 0))
    throw new XpcsError("CORRUPT_DATA", `the correlation between lags in ${path} is not of ${bins.length} bins and ${n} lags`);
  const correlation = correlationOf(
    delays.map((tau) => tau * average),
    lagCorrelation.values.slice(at * n * n, (at + 1) * n * n),
    `lag_correlation of bin ${bins[at]!.bin} in ${path}`,
  );
  if (freedom >= FREEDOM_MIN) return { correlation, independentBecause: null };
  return { correlation: independentLags, independentBecause: `too few pixels for the correlation between lags (${freedom + 1} groups)` };
}
