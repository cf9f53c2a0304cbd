/** The power law between relaxation time and wave vector, tau = prefactor * q^exponent: a weighted straight line in logarithms. */
import { XpcsError } from "../core/errors.js";

export interface TimeAtQ {
  readonly q: number;
  /** Relaxation time and its standard error, in one unit. */
  readonly tau: number;
  readonly tauError: number;
}

export interface PowerLawFit {
  /** -2: diffusion; -1: ballistic motion. */
  readonly exponent: number;
  readonly exponentError: number;
  /** tau at q = 1. */
  readonly prefactor: number;
  readonly prefactorError: number;
  readonly chi2: number;
  readonly dof: number;
  readonly pointsUsed: number;
}

/**
 * Fits ln tau = ln prefactor + exponent ln q, each point with the weight (tau / tauError)^2; points without a positive q, tau
 * and error are left out.
 * @throws INVALID_ARGUMENT fewer than 2 usable points of different q
 */
export function fitPowerLaw(points: readonly TimeAtQ[]): PowerLawFit {
  const usable = (value: number): boolean => Number.isFinite(value) && value > 0;
  const used = points.filter(({ q, tau, tauError }) => usable(q) && usable(tau) && usable(tauError));
  if (new Set(used.map(({ q }) => q)).size < 2)
    throw new XpcsError("INVALID_ARGUMENT", `a power law needs relaxation times at 2 values of q; there are ${used.length}`);
  const rows = used.map(({ q, tau, tauError }) => ({ x: Math.log(q), y: Math.log(tau), weight: (tau / tauError) ** 2 }));
  const total = rows.reduce((sum, { weight }) => sum + weight, 0);
  const mean = (of: (row: { x: number; y: number }) => number): number => rows.reduce((sum, row) => sum + row.weight * of(row), 0) / total;
  const [xMean, yMean] = [mean(({ x }) => x), mean(({ y }) => y)];
  const xx = rows.reduce((sum, { x, weight }) => sum + weight * (x - xMean) ** 2, 0);
  const exponent = rows.reduce((sum, { x, y, weight }) => sum + weight * (x - xMean) * (y - yMean), 0) / xx;
  const logPrefactor = yMean - exponent * xMean;
  const prefactor = Math.exp(logPrefactor);
  return {
    exponent,
    exponentError: Math.sqrt(1 / xx),
    prefactor,
    prefactorError: prefactor * Math.sqrt(1 / total + xMean ** 2 / xx),
    chi2: rows.reduce((sum, { x, y, weight }) => sum + weight * (y - logPrefactor - exponent * x) ** 2, 0),
    dof: used.length - 2,
    pointsUsed: used.length,
  };
}
