/** Linear algebra of small dense systems, as the curve fit needs it: Cholesky root, substitutions, inverse. */
import { XpcsError } from "../core/errors.js";

export type Matrix = readonly (readonly number[])[];

/**
 * Lower-triangular L with L L^T = `symmetric` [n, n].
 * @throws INVALID_ARGUMENT not positive definite
 */
export function cholesky(symmetric: Matrix): Matrix {
  const root: number[][] = symmetric.map(() => []);
  symmetric.forEach((row, i) => {
    for (let j = 0; j <= i; j++) {
      let sum = row[j]!;
      for (let k = 0; k < j; k++) sum -= root[i]![k]! * root[j]![k]!;
      if (i === j && !(sum > 0)) throw new XpcsError("INVALID_ARGUMENT", "a covariance matrix is not positive definite");
      root[i]!.push(i === j ? Math.sqrt(sum) : sum / root[j]![j]!);
    }
  });
  return root;
}

/** Solves L x = b for a lower-triangular L [n, n]. */
export function forwardSolve(lower: Matrix, b: readonly number[]): number[] {
  const x: number[] = [];
  b.forEach((value, i) => {
    let sum = value;
    for (let k = 0; k < i; k++) sum -= lower[i]![k]! * x[k]!;
    x.push(sum / lower[i]![i]!);
  });
  return x;
}

/** Solves L^T x = b for a lower-triangular L [n, n]. */
export function backSolve(lower: Matrix, b: readonly number[]): number[] {
  const x = [...b];
  for (let i = b.length - 1; i >= 0; i--) {
    for (let k = i + 1; k < b.length; k++) x[i]! -= lower[k]![i]! * x[k]!;
    x[i]! /= lower[i]![i]!;
  }
  return x;
}

/**
 * Inverse of a symmetric positive definite matrix [n, n], after scaling rows and columns to a unit diagonal.
 * @throws INVALID_ARGUMENT not positive definite
 */
export function invertPositive(matrix: Matrix): number[][] {
  const scale = matrix.map((row, i) => 1 / Math.sqrt(row[i]!));
  const root = cholesky(matrix.map((row, i) => row.map((value, j) => value * scale[i]! * scale[j]!)));
  const columns = matrix.map((_, at) =>
    backSolve(
      root,
      forwardSolve(
        root,
        matrix.map((_row, i) => (i === at ? 1 : 0)),
      ),
    ),
  );
  return matrix.map((_, i) => matrix.map((_row, j) => columns[j]![i]! * scale[i]! * scale[j]!));
}
