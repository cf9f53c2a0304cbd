/** The conditions under which the demo counts as right, and the tables that show how right it is. Pure. */
import type { RingFit } from "./curves.js";

/** A fitted rate may be off by this part of the truth, and by this many of its errors. */
export const RELATIVE_ERROR_MAX = 0.1;
export const DEVIATION_MAX = 3;
/** chi2 / dof must lie between these. */
export const CHI2_RANGE = [0.5, 2] as const;

/** (fitted - true) / error. */
export function deviation(fit: RingFit): number {
  return (fit.ratePerS - fit.ring.decayRatePerS) / fit.errorPerS;
}

/** What is wrong with the fits, one sentence each; empty when all conditions hold. */
export function physicsFailures(fits: readonly RingFit[]): string[] {
  return fits.flatMap((fit) => {
    const where = `${fit.analysis}, q = ${fit.ring.q.toFixed(4)} 1/Å`;
    const relative = Math.abs(fit.ratePerS / fit.ring.decayRatePerS - 1);
    const stated = fit.errorPerS / fit.ratePerS;
    const chi2 = fit.fit.chi2 / fit.fit.dof;
    const findings: string[] = [];
    if (!fit.fit.converged) findings.push(`${where}: the fit did not converge`);
    if (!(relative < RELATIVE_ERROR_MAX)) findings.push(`${where}: the decay rate is ${percent(relative)} off`);
    if (!(stated < RELATIVE_ERROR_MAX)) findings.push(`${where}: the decay rate is known only to ${percent(stated)}`);
    if (!(Math.abs(deviation(fit)) < DEVIATION_MAX)) findings.push(`${where}: the decay rate is ${deviation(fit).toFixed(1)} errors off`);
    if (!(chi2 > CHI2_RANGE[0] && chi2 < CHI2_RANGE[1])) findings.push(`${where}: chi2/dof is ${chi2.toFixed(2)}`);
    return findings;
  });
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}

/** Columns padded to their widest cell; all but the first to the right. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = header.map((cell, at) => Math.max(cell.length, ...rows.map((row) => row[at]!.length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, at) => (at === 0 ? cell.padEnd(width[at]!) : cell.padStart(width[at]!))).join("  ");
  return [header, ...rows].map((row) => `  ${line(row).trimEnd()}`).join("\n");
}

/** Fitted against true decay rate of every ring of every analysis. */
export function rateTable(fits: readonly RingFit[]): string {
  const rows = fits.map((fit, at) => [
    fits[at - 1]?.analysis === fit.analysis ? "" : fit.analysis,
    fit.ring.q.toFixed(4),
    fit.ring.decayRatePerS.toFixed(2),
    `${fit.ratePerS.toFixed(2)} ± ${fit.errorPerS.toFixed(2)}`,
    `${deviation(fit) >= 0 ? "+" : ""}${deviation(fit).toFixed(1)}`,
    `${fit.fit.contrast.toFixed(3)} ± ${fit.fit.contrastError.toFixed(3)}`,
    (fit.fit.chi2 / fit.fit.dof).toFixed(2),
    String(fit.fit.lagsUsed),
    `${fit.fit.lagsWithoutPairs} + ${fit.fit.lagsAtTheEnd}`,
  ]);
  return table(["analysis", "q 1/Å", "true 1/s", "fitted 1/s", "errors off", "contrast", "chi2/dof", "lags", "excluded"], rows);
}

/** Photon pairs per ring at every lag that is a power of two frames. */
export function pairsTable(fits: readonly RingFit[]): string {
  const first = fits[0];
  if (!first) return "";
  const rows = first.points.flatMap((point, d) => {
    if (!Number.isInteger(Math.log2(point.lag / first.points[0]!.lag))) return [];
    return [[String(point.lag), ...fits.map((fit) => Math.round(fit.points[d]!.pairs).toLocaleString("en").replaceAll(",", " "))]];
  });
  return table(["lag in frames", ...fits.map((fit) => `q = ${fit.ring.q.toFixed(4)}`)], rows);
}
